"""Plain flag lines by the run: `* n FETCH (UID n FLAGS (...))`, thousands in one call.

A first sync lists every message of a mailbox, one line each, and nothing else. Building a response
of each line costs ten times what the numbers are worth, so a command that only wants numbers hands
out a `FlagLines` (`Exchange.lines`) and the client fills it straight from the stream buffer. A run
ends before the first line that is anything else, even a little: that one takes the usual road.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import FLAGS_LINE, flags_of
from postroom.imap.sets import MOST_NUMBER

# RFC 9051 2.3.1.1: UIDNEXT is a number of 32 bits and above every UID, so the last is no UID.
MOST_UID = MOST_NUMBER - 1
# A mailbox knows some dozen combinations of flags. The memory is emptied beyond this, so that
# a server that invents a new one for each message costs time, not memory.
MOST_COMBINATIONS = 4096


@dataclass(slots=True)
class FlagLines:
    """The numbers of the flag lines read so far: UID -> mask, the last line of a UID counts."""

    mask: Callable[[tuple[str, ...]], int]
    # More messages than this are a ProtocolViolation.
    most: int
    entries: dict[int, int] = field(default_factory=dict)
    # The mask of each combination of flags, as the server wrote it.
    masks: dict[bytes, int] = field(default_factory=dict)

    def mask_of(self, raw: bytes) -> int:
        """The mask of the flags between the parentheses of a line."""
        mask = self.masks.get(raw)
        if mask is None:
            if len(self.masks) >= MOST_COMBINATIONS:
                self.masks.clear()
            mask = self.masks[raw] = self.mask(flags_of(raw))
        return mask

    def check(self, count: int) -> None:
        """Raise ProtocolViolation when that many messages are too many."""
        if count > self.most:
            raise ProtocolViolation("The mail server listed more messages than the limit")


def read_flag_lines(buffer: bytearray, start: int, lines: FlagLines) -> int:
    """Read the run of plain flag lines at `start` into `lines`; where the next line starts.

    A line without UID, or with one that cannot be, ends the run like any other response.
    """
    entries, masks, match, end = lines.entries, lines.masks, FLAGS_LINE.match, start
    while (found := match(buffer, end)) is not None:
        _seq, uid, _modseq, flags, late_uid, _late_modseq = found.groups()
        number = int(late_uid or uid or 0)
        if not 0 < number <= MOST_UID:
            break
        mask = masks.get(flags)
        entries[number] = lines.mask_of(flags) if mask is None else mask
        end = found.end()
    lines.check(len(entries))
    return end
