"""Sets of message numbers as IMAP writes them: `1:5,7,10:*` (RFC 9051 sequence-set).

A `UidSet` keeps ranges, never single numbers, so that `1:4294967295` costs as much as `1`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import pairwise

import msgspec

from postroom.imap.errors import ProtocolViolation

# RFC 9051 9: a UID is an nz-number, below 2^32.
MOST_NUMBER = 4_294_967_295
# No set of a server is written out beyond this: `1:4294967295` is 12 bytes (I28).
MOST_EXPANDED = 10_000_000
# An answer to SEARCH is split in pieces of this size.
_PIECE_BYTES = 65_536


class UidSet(msgspec.Struct, frozen=True):
    """Ascending, disjoint, inclusive ranges of numbers; `has_star` when it ends in `*`."""

    ranges: tuple[tuple[int, int], ...] = ()
    has_star: bool = False

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.ranges, (number, MOST_NUMBER)) - 1
        return at >= 0 and self.ranges[at][0] <= number <= self.ranges[at][1]

    def __iter__(self) -> Iterator[int]:
        for first, last in self.ranges:
            yield from range(first, last + 1)

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in self.ranges)

    @property
    def least(self) -> int | None:
        """The lowest number."""
        return self.ranges[0][0] if self.ranges else None

    @property
    def most(self) -> int | None:
        """The highest number."""
        return self.ranges[-1][1] if self.ranges else None

    def highest(self, skip: int, count: int) -> list[int]:
        """`count` numbers from the highest down, after the first `skip` of them."""
        found: list[int] = []
        for first, last in reversed(self.ranges):
            size = last - first + 1
            if skip >= size:
                skip -= size
                continue
            top = last - skip
            skip = 0
            found += range(top, max(first - 1, top - count + len(found)), -1)
            if len(found) >= count:
                break
        return found

    def __str__(self) -> str:
        return ",".join(_range_text(first, last) for first, last in self.ranges)


def parse_set(text: str) -> UidSet:
    """Read a set; `n:*` covers everything from n up. Raises ProtocolViolation for anything else."""
    pairs = []
    has_star = False
    for item in text.split(","):
        first, colon, last = item.partition(":")
        has_star = has_star or "*" in (first, last)
        pair = (_number(first), _number(last) if colon else _number(first))
        pairs.append((min(pair), max(pair)))
    return UidSet(_joined(sorted(pairs)), has_star)


def parse_loosely(text: str) -> tuple[UidSet, bool]:
    """What can be read of a set, and whether that is all of it."""
    pairs: list[tuple[int, int]] = []
    is_whole = True
    for item in text.split(","):
        try:
            pairs += parse_ordered(item)
        except ProtocolViolation:
            is_whole = False
    return UidSet(_joined(sorted(pairs)), "*" in text), is_whole


def read_numbers(text: bytes) -> UidSet:
    """The set of numbers with spaces between, as SEARCH answers; what cannot be one is left out.

    500,000 of them never stand in memory one by one: they are read in pieces, into ranges.
    """
    pairs: list[tuple[int, int]] = []
    first, last = 0, -1
    for word in _words(text):
        number = int(word) if len(word) <= 10 else 0
        if number == last + 1 and pairs:
            last = number
            pairs[-1] = (first, last)
        elif 0 < number <= MOST_NUMBER:
            first = last = number
            pairs.append((first, last))
    is_ascending = all(low[1] < high[0] for low, high in pairwise(pairs))
    return UidSet(tuple(pairs) if is_ascending else _joined(sorted(pairs)))


def _words(text: bytes) -> Iterator[bytes]:
    at = 0
    while at < len(text):
        end = text.find(b" ", at + _PIECE_BYTES)
        end = len(text) if end < 0 else end
        yield from text[at:end].split()
        at = end


def parse_ordered(text: str) -> tuple[tuple[int, int], ...]:
    """The ranges of a set in the order given, each low to high.

    UIDPLUS answers pair the n-th number of one set with the n-th of another (RFC 4315 3).
    """
    pairs = []
    for item in text.split(","):
        first, colon, last = item.partition(":")
        low, high = _number(first), _number(last) if colon else _number(first)
        pairs.append((min(low, high), max(low, high)))
    return tuple(pairs)


def from_numbers(numbers: Iterable[int]) -> UidSet:
    """The set of these numbers."""
    return UidSet(_joined([(number, number) for number in sorted(set(numbers))]))


def united(*sets: UidSet) -> UidSet:
    """All numbers of some sets."""
    kept = [one for one in sets if one.ranges]
    if len(kept) == 1:
        return kept[0]
    ranges = _joined(sorted(pair for one in kept for pair in one.ranges))
    return UidSet(ranges, any(one.has_star for one in kept))


def expand(ranges: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Every number of the ranges, in their order; raises ProtocolViolation beyond the limit."""
    kept = tuple(ranges)
    if sum(last - first + 1 for first, last in kept) > MOST_EXPANDED:
        raise ProtocolViolation("The mail server sent a number set beyond the limit")
    return tuple(number for first, last in kept for number in range(first, last + 1))


def encode_set(numbers: Iterable[int]) -> str:
    """The shortest text of these numbers: `1:5,7`; empty for none."""
    return str(from_numbers(numbers))


def _number(text: str) -> int:
    if text == "*":
        return MOST_NUMBER
    # The length check keeps `int` away from texts of a million digits.
    if not (text.isascii() and text.isdigit() and len(text) <= 10) or int(text) > MOST_NUMBER:
        raise ProtocolViolation("The mail server sent a malformed number set")
    return int(text)


def _joined(pairs: list[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    joined: list[tuple[int, int]] = []
    for first, last in pairs:
        if joined and first <= joined[-1][1] + 1:
            if last > joined[-1][1]:
                joined[-1] = (joined[-1][0], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def _range_text(first: int, last: int) -> str:
    return str(first) if first == last else f"{first}:{last}"
