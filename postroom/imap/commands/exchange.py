"""What a command is to the client: something that starts an exchange.

An exchange is one command under way: the segments to send, a function that takes the responses
which belong to it (and refuses the others: those are unsolicited), one that answers continuation
requests, and one that makes the result of the tagged OK. It holds the state; the command has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from postroom.imap.encode import Offered
from postroom.imap.lines import FlagLines
from postroom.imap.responses import Response, Tagged

R_co = TypeVar("R_co", covariant=True)
T = TypeVar("T")


def take_nothing(_response: Response) -> bool:
    """No response belongs to this command."""
    return False


@dataclass(frozen=True, slots=True)
class Exchange(Generic[R_co]):
    """One command under way."""

    # Not shown: those of a login hold the password (invariant I26).
    segments: tuple[bytes, ...] = field(repr=False)
    finish: Callable[[Tagged], R_co]
    take: Callable[[Response], bool] = take_nothing
    # Asked when all segments are sent and the server still wants something (SASL, IDLE).
    answer: Callable[[bytes], bytes] | None = None
    # After the tagged OK another protocol starts: the bytes that follow are not IMAP.
    is_last: bool = False
    # Plain flag lines go here without a response each (`imap.lines`).
    lines: FlagLines | None = None


class Command(Protocol[R_co]):
    """A command that results in `R_co`."""

    def start(self, offered: Offered) -> Exchange[R_co]:
        """Begin: written for a server that offers this."""
        ...


class Revealing(Protocol):
    """A secret text, kept from every representation (structurally `model.secret.Secret`)."""

    def reveal(self) -> str: ...


def collect(kind: type[T]) -> tuple[list[T], Callable[[Response], bool]]:
    """A list, and a `take` that puts every response of one kind into it."""
    found: list[T] = []

    def take(response: Response) -> bool:
        if isinstance(response, kind):
            found.append(response)
            return True
        return False

    return found, take


def done(_tagged: Tagged) -> None:
    """The result of a command that only succeeds."""
