"""The mailbox index in packed blocks: which messages there are, and their flags.

What is true here: a message is a UID and a mask. Bits 0 to 4 of a mask are the system flags in the
order of `SYSTEM_FLAGS`; bit 5 + n is the name at position n of `MailboxCursor.keywords`, which
only ever grows: a keyword, or a Gmail label with `LABEL_SIGN` before it. A block holds the messages
of `BLOCK_SPAN` consecutive UIDs, so a new message rewrites one block of at most 2 KB, and 50,000
messages are about 100 blocks (architecture, decision 10). In memory an index has the same packed
form, and only those of its blocks that a pass asked for.

Block layout, little-endian: version (1 byte), count (2), `count` offsets within the block (2 each),
`count` masks (2 each). A mask that needs more than 15 bits has bit 15 set and its full value, in
order, in the tail: one length byte, then the value. An empty block is written as no bytes.
"""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

BLOCK_SPAN = 512
_VERSION = 1
_HEADER = struct.Struct("<BH")
_WIDE = 1 << 15
SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
# RFC 9051 2.3.2: \Recent belongs to a session, not to the message, and never changes it.
_IGNORED = frozenset({"\\recent"})
# No keyword starts with it: RFC 9051 9 keeps list wildcards out of atoms.
LABEL_SIGN = "%"
# Servers allow some dozens of keywords (Dovecot's Maildir 26), Gmail 10,000 labels of which few
# people have hundreds; a mask of 128 bytes bounds a hostile server.
MAX_KEYWORDS = 1000

Entries = dict[int, int]
"""UID -> mask."""


class IndexLost(ValueError):
    """What is stored is not the index of this mailbox, or not all of it."""


class FlagNames:
    """Masks to flag names and labels and back, for the keywords of one mailbox."""

    def __init__(self, keywords: Iterable[str] = ()) -> None:
        self._keywords = list(keywords)
        self._bits = {name.lower(): 1 << bit for bit, name in enumerate(SYSTEM_FLAGS)}
        for name in self._keywords:
            self._bits.setdefault(_key(name), 1 << len(self._bits))
        self._masks: dict[tuple[str, ...], int] = {}

    @property
    def keywords(self) -> tuple[str, ...]:
        """Every keyword and label seen so far, by position."""
        return tuple(self._keywords)

    @property
    def label_bits(self) -> int:
        """The bits of a mask that stand for labels."""
        names = enumerate(self._keywords, start=len(SYSTEM_FLAGS))
        return sum(1 << bit for bit, name in names if name.startswith(LABEL_SIGN))

    def mask(self, flags: tuple[str, ...]) -> int:
        """The mask of `flags`; a keyword not seen before gets the next position."""
        mask = self._masks.get(flags)
        if mask is None:
            mask = self._masks[flags] = self._compute(flags)
        return mask

    def label_mask(self, labels: tuple[str, ...]) -> int:
        """The mask of Gmail labels."""
        return self.mask(tuple(LABEL_SIGN + label for label in labels))

    def names(self, mask: int) -> tuple[str, ...]:
        """The flag names of a mask, system flags first."""
        return tuple(name for name in self._all(mask) if not name.startswith(LABEL_SIGN))

    def labels(self, mask: int) -> tuple[str, ...]:
        """The labels of a mask."""
        return tuple(name[1:] for name in self._all(mask) if name.startswith(LABEL_SIGN))

    def _all(self, mask: int) -> Iterator[str]:
        known = (*SYSTEM_FLAGS, *self._keywords)
        return (name for bit, name in enumerate(known) if mask >> bit & 1)

    def _compute(self, flags: tuple[str, ...]) -> int:
        mask = 0
        for name in flags:
            mask |= self._bit(name)
        return mask

    def _bit(self, name: str) -> int:
        key = _key(name)
        bit = self._bits.get(key)
        if bit is not None:
            return bit
        if key in _IGNORED or len(self._keywords) >= MAX_KEYWORDS:
            return 0
        bit = self._bits[key] = 1 << len(self._bits)
        self._keywords.append(name)
        return bit


def _key(name: str) -> str:
    """RFC 9051 2.3.2: flags are the same in any case; labels are as they are."""
    return name if name.startswith(LABEL_SIGN) else name.lower()


def pack(entries: Mapping[int, int]) -> bytes:
    """One block; all UIDs belong to the same span. No entries: no bytes."""
    if not entries:
        return b""
    uids = sorted(entries)
    masks = [entries[uid] for uid in uids]
    narrow = [mask if mask < _WIDE else _WIDE for mask in masks]
    count = len(uids)
    body = struct.pack(f"<{2 * count}H", *[uid % BLOCK_SPAN for uid in uids], *narrow)
    tail = b"".join(_wide(mask) for mask in masks if mask >= _WIDE)
    return _HEADER.pack(_VERSION, count) + body + tail


def unpack(number: int, raw: bytes) -> Entries:
    """The entries of block `number`. Raises IndexLost for bytes that are not a block."""
    if not raw:
        return {}
    try:
        version, count = _HEADER.unpack_from(raw)
        words = struct.unpack_from(f"<{2 * count}H", raw, _HEADER.size)
    except struct.error as error:
        raise IndexLost("not an index block") from error
    if version != _VERSION:
        raise IndexLost(f"unknown index block version {version}")
    first = number * BLOCK_SPAN
    entries = dict(zip([first + offset for offset in words[:count]], words[count:], strict=True))
    if len(raw) > _HEADER.size + 4 * count:
        _widen(entries, raw, _HEADER.size + 4 * count)
    return entries


def _wide(mask: int) -> bytes:
    size = (mask.bit_length() + 7) // 8
    return bytes((size,)) + mask.to_bytes(size, "little")


def _widen(entries: Entries, raw: bytes, at: int) -> None:
    for uid, mask in entries.items():
        if mask == _WIDE:
            if at >= len(raw) or at + 1 + raw[at] > len(raw):
                raise IndexLost("index block ends too early")
            size = raw[at]
            entries[uid] = int.from_bytes(raw[at + 1 : at + 1 + size], "little")
            at += 1 + size


def block_of(uid: int) -> int:
    """The number of the block that a message is in."""
    return uid // BLOCK_SPAN


class MailboxIndex:
    """The recorded messages of one mailbox, packed; changes are proposed, then adopted.

    A whole index has every block that is stored; of any other only the blocks that were loaded
    may be used. `propose` gives the blocks to write and leaves the index as it is; `adopt` takes
    them in once they are recorded, so memory never runs ahead of the store (invariant I9).
    """

    __slots__ = ("_blocks", "is_whole")

    def __init__(self, blocks: Mapping[int, bytes] | None = None, *, is_whole: bool = True) -> None:
        # Of a part: a block that is not stored is there as no bytes.
        self._blocks = dict(blocks or {})
        self.is_whole = is_whole

    def __len__(self) -> int:
        return sum(map(_count, self._blocks.values()))

    @property
    def size_bytes(self) -> int:
        """What the loaded blocks hold."""
        return sum(map(len, self._blocks.values()))

    def lacks(self, numbers: Iterable[int]) -> list[int]:
        """Those of the blocks that have to be loaded before they are used."""
        return [] if self.is_whole else [one for one in numbers if one not in self._blocks]

    def take(self, blocks: Mapping[int, bytes]) -> None:
        """Take in blocks that were loaded; no bytes for one that is not stored."""
        self._blocks.update(blocks)

    def entries(self) -> Entries:
        """Every message of the loaded blocks."""
        return dict(chain.from_iterable(unpack(n, raw).items() for n, raw in self._blocks.items()))

    def where(self, is_wanted: Callable[[int], bool]) -> list[int]:
        """The UIDs of the loaded blocks that are wanted, ascending."""
        blocks = (unpack(number, self._blocks[number]) for number in sorted(self._blocks))
        return [uid for entries in blocks for uid in sorted(entries) if is_wanted(uid)]

    def between(self, first: int, last: int) -> Entries:
        """The messages with UIDs from `first` to `last`, of the loaded blocks."""
        found: Entries = {}
        low, high = block_of(first), block_of(last)
        for number in [one for one in self._blocks if low <= one <= high]:
            entries = unpack(number, self._blocks[number])
            if number in (low, high):
                entries = {uid: mask for uid, mask in entries.items() if first <= uid <= last}
            found.update(entries)
        return found

    def pick(self, uids: Iterable[int]) -> Entries:
        """The recorded ones among `uids`; reads only their blocks."""
        found: Entries = {}
        for number, wanted in _by_block(uids).items():
            block = self._unpacked(number)
            found.update((uid, block[uid]) for uid in wanted if uid in block)
        return found

    def propose(
        self, put: Mapping[int, int] | None = None, drop: Iterable[int] = ()
    ) -> dict[int, bytes]:
        """The blocks that differ after `put` (UID -> mask) and `drop`; empty ones as `b""`."""
        changed: dict[int, Entries] = {}
        for number, uids in _by_block(drop).items():
            block = changed[number] = self._unpacked(number)
            for uid in uids:
                block.pop(uid, None)
        for number, part in _parts(put or {}):
            if number not in changed:
                changed[number] = self._unpacked(number)
            changed[number].update(part)
        return {number: pack(entries) for number, entries in changed.items()}

    def growth(self, blocks: Mapping[int, bytes]) -> int:
        """How many messages more the index has with `blocks`."""
        return sum(_count(raw) - _count(self._raw(number)) for number, raw in blocks.items())

    def adopt(self, blocks: Mapping[int, bytes]) -> None:
        """Take over blocks that have been recorded."""
        for number, raw in blocks.items():
            if raw or not self.is_whole:
                self._blocks[number] = raw
            else:
                self._blocks.pop(number, None)

    def _unpacked(self, number: int) -> Entries:
        return unpack(number, self._raw(number))

    def _raw(self, number: int) -> bytes:
        # Of a part, an unloaded block is a mistake of the caller: it must not pass for empty.
        return self._blocks.get(number, b"") if self.is_whole else self._blocks[number]


def _count(raw: bytes) -> int:
    """How many messages a block has."""
    if not raw:
        return 0
    try:
        return int(_HEADER.unpack_from(raw)[1])
    except struct.error as error:
        raise IndexLost("not an index block") from error


def _by_block(uids: Iterable[int]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for uid in uids:
        groups[uid // BLOCK_SPAN].append(uid)
    return groups


def _parts(entries: Mapping[int, int]) -> Iterator[tuple[int, Iterable[tuple[int, int]]]]:
    """`entries` by block: (number, its entries); a step is a block, not a message."""
    uids = sorted(entries)
    masks = [entries[uid] for uid in uids]
    at = 0
    while at < len(uids):
        number = uids[at] // BLOCK_SPAN
        end = bisect_left(uids, (number + 1) * BLOCK_SPAN, at)
        yield number, zip(uids[at:end], masks[at:end], strict=True)
        at = end
