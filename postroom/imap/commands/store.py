"""STORE (RFC 9051 6.4.6): change flags, or Gmail labels (item X-GM-LABELS)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postroom.imap import utf7
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.fetch import Gathering, wanted
from postroom.imap.encode import Line, Offered
from postroom.imap.types import FetchedMessage

Mode = Literal["add", "delete", "set"]

_SIGNS: dict[Mode, str] = {"add": "+", "delete": "-", "set": ""}


@dataclass(frozen=True, slots=True)
class Store(Command[tuple[FetchedMessage, ...]]):
    """The messages as the server tells them afterwards; `silent` asks it not to."""

    numbers: str
    flags: tuple[str, ...]
    mode: Mode
    by_uid: bool = True
    silent: bool = False
    item: str = "FLAGS"

    def start(self, offered: Offered) -> Exchange[tuple[FetchedMessage, ...]]:
        line = Line(offered).raw("UID STORE" if self.by_uid else "STORE").numbers(self.numbers)
        line.raw(f"{_SIGNS[self.mode]}{self.item}{'.SILENT' if self.silent else ''}")
        if self.item == "FLAGS":
            line.flags(self.flags)
        else:
            self._labels(line)
        gathering = Gathering(wanted(self.numbers), self.by_uid)
        return Exchange(line.end(), gathering.finish, gathering.take)

    def _labels(self, line: Line) -> None:
        """Labels are astrings in modified UTF-7; the system ones start with a backslash, bare."""
        line.open_list()
        for label in self.flags:
            if label.startswith("\\"):
                line.flag(label)
            else:
                line.string(label if line.offered.is_utf8 else utf7.encode(label))
        line.close_list()
