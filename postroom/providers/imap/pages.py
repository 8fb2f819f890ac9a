"""Pages and cursors of a mailbox: pure arithmetic (contract B1 to B4, B6)."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import msgspec

from postroom.errors import InvalidInput
from postroom.imap.sets import UidSet
from postroom.model.message import MessageList, MessageSummary
from postroom.model.paging import page_count

_PREFIX = "imap"
# Contract B1.
MOST_PAGE = 1_048_576
MOST_PAGE_SIZE = 1_000


class _Cursor(msgspec.Struct):
    page: int


@dataclass(frozen=True, slots=True)
class Page:
    """Which page of how many entries is wanted."""

    number: int
    size: int

    def span(self, total: int) -> tuple[int, int] | None:
        """The sequence numbers (low, high) of the page, newest first; None past the end (B6)."""
        high = total - self.number * self.size
        return (max(1, high - self.size + 1), high) if high >= 1 else None

    @property
    def last(self) -> tuple[int, int]:
        """The page's places counted from the highest, from 1."""
        start = self.number * self.size
        return start + 1, start + self.size

    def cut(self, found: UidSet) -> list[int]:
        """The page's share of found UIDs, highest first (B6); the others stay ranges."""
        return found.highest(self.number * self.size, self.size)

    def answer(self, total: int, messages: list[MessageSummary]) -> MessageList:
        """The page with its totals and the cursors to its neighbours."""
        pages = page_count(total, self.size)
        has_next = self.number + 1 < pages
        return MessageList(
            total=total,
            page=self.number,
            pages=pages,
            next_page_cursor=encode_cursor(self.number + 1) if has_next else None,
            prev_page_cursor=(
                encode_cursor(min(self.number, pages) - 1) if self.number > 0 else None
            ),
            messages=tuple(messages),
        )


def wanted_page(page: int, page_size: int, cursor: str | None) -> Page:
    """A cursor beats the page number (B3)."""
    number = decode_cursor(cursor) if cursor else page
    return Page(max(0, number), min(max(1, page_size), MOST_PAGE_SIZE))


def encode_cursor(page: int) -> str:
    """`imap_` and base64url of `{"page":n}` (B4)."""
    raw = base64.urlsafe_b64encode(msgspec.json.encode(_Cursor(page)))
    return f"{_PREFIX}_{raw.rstrip(b'=').decode('ascii')}"


def decode_cursor(cursor: str) -> int:
    """The page that a cursor names. Raises InvalidInput with the codes of B4."""
    kind, separator, text = cursor.partition("_")
    if separator and kind != _PREFIX and kind.isalpha():
        raise InvalidInput("The cursor is of another account type", code="InvalidCursorType")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        page = msgspec.json.decode(raw, type=_Cursor).page
    except (binascii.Error, ValueError, msgspec.MsgspecError) as error:
        raise InvalidInput("The cursor cannot be read", code="InvalidCursorValue") from error
    if kind != _PREFIX or not 0 <= page <= MOST_PAGE:
        raise InvalidInput("The cursor cannot be read", code="InvalidCursorValue")
    return page
