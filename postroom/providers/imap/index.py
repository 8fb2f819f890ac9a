"""The mailbox index in packed blocks: which messages there are, and their flags.

What is true here: a message is a UID and a mask. Bits 0 to 4 of a mask are the system flags in the
order of `SYSTEM_FLAGS`; bit 5 + n is the keyword at position n of `MailboxCursor.keywords`, which
only ever grows. A block holds the messages of `BLOCK_SPAN` consecutive UIDs, so a new message
rewrites one block of at most 2 KB, and 50,000 messages are about 100 blocks (architecture,
decision 10). The index lives in memory in the same packed form, 4 bytes a message.

Block layout, little-endian: version (1 byte), count (2), `count` offsets within the block (2 each),
`count` masks (2 each). A mask that needs more than 15 bits has bit 15 set and its full value, in
order, in the tail: one length byte, then the value. An empty block is written as no bytes.
"""

from __future__ import annotations

import struct
from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import chain

BLOCK_SPAN = 512
_VERSION = 1
_HEADER = struct.Struct("<BH")
_WIDE = 1 << 15
SYSTEM_FLAGS = ("\\Seen", "\\Answered", "\\Flagged", "\\Deleted", "\\Draft")
# RFC 9051 2.3.2: \Recent belongs to a session, not to the message, and never changes it.
_IGNORED = frozenset({"\\recent"})
# Servers allow some dozens (Dovecot's Maildir 26); a mask of 64 bytes bounds a hostile one.
MAX_KEYWORDS = 500

Entries = dict[int, int]
"""UID -> mask."""


class FlagNames:
    """Masks to flag names and back, for the keywords of one mailbox."""

    def __init__(self, keywords: Iterable[str] = ()) -> None:
        self._keywords = list(keywords)
        self._bits = {name.lower(): 1 << bit for bit, name in enumerate(SYSTEM_FLAGS)}
        for name in self._keywords:
            self._bits.setdefault(name.lower(), 1 << len(self._bits))
        self._masks: dict[tuple[str, ...], int] = {}

    @property
    def keywords(self) -> tuple[str, ...]:
        """Every keyword seen so far, by position."""
        return tuple(self._keywords)

    def mask(self, flags: tuple[str, ...]) -> int:
        """The mask of `flags`; a keyword not seen before gets the next position."""
        mask = self._masks.get(flags)
        if mask is None:
            mask = self._masks[flags] = self._compute(flags)
        return mask

    def names(self, mask: int) -> tuple[str, ...]:
        """The flag names of a mask, system flags first."""
        known = (*SYSTEM_FLAGS, *self._keywords)
        return tuple(name for bit, name in enumerate(known) if mask >> bit & 1)

    def _compute(self, flags: tuple[str, ...]) -> int:
        mask = 0
        for name in flags:
            mask |= self._bit(name)
        return mask

    def _bit(self, name: str) -> int:
        key = name.lower()
        bit = self._bits.get(key)
        if bit is not None:
            return bit
        if key in _IGNORED or len(self._keywords) >= MAX_KEYWORDS:
            return 0
        bit = self._bits[key] = 1 << len(self._bits)
        self._keywords.append(name)
        return bit


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
    """The entries of block `number`. Raises ValueError for bytes that are not a block."""
    if not raw:
        return {}
    try:
        version, count = _HEADER.unpack_from(raw)
        words = struct.unpack_from(f"<{2 * count}H", raw, _HEADER.size)
    except struct.error as error:
        raise ValueError("not an index block") from error
    if version != _VERSION:
        raise ValueError(f"unknown index block version {version}")
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
                raise ValueError("index block ends too early")
            size = raw[at]
            entries[uid] = int.from_bytes(raw[at + 1 : at + 1 + size], "little")
            at += 1 + size


class MailboxIndex:
    """The recorded messages of one mailbox, packed; changes are proposed, then adopted.

    `propose` gives the blocks to write and leaves the index as it is; `adopt` takes them in once
    they are recorded, so memory never runs ahead of the store (invariant I9).
    """

    def __init__(self, blocks: Mapping[int, bytes] | None = None) -> None:
        self._blocks = {number: raw for number, raw in (blocks or {}).items() if raw}

    def __len__(self) -> int:
        return sum(_HEADER.unpack_from(raw)[1] for raw in self._blocks.values())

    def entries(self) -> Entries:
        """Every message."""
        return dict(chain.from_iterable(unpack(n, raw).items() for n, raw in self._blocks.items()))

    def pick(self, uids: Iterable[int]) -> Entries:
        """The recorded ones among `uids`; reads only their blocks."""
        found: Entries = {}
        for number, wanted in _by_block(uids).items():
            block = unpack(number, self._blocks.get(number, b""))
            found.update((uid, block[uid]) for uid in wanted if uid in block)
        return found

    def propose(
        self, put: Mapping[int, int] | None = None, drop: Iterable[int] = ()
    ) -> dict[int, bytes]:
        """The blocks that differ after `put` (UID -> mask) and `drop`; empty ones as `b""`."""
        changed: dict[int, Entries] = {}
        for number, uids in _by_block(drop).items():
            block = changed[number] = unpack(number, self._blocks.get(number, b""))
            for uid in uids:
                block.pop(uid, None)
        for number, uids in _by_block(put or {}).items():
            if number not in changed:
                changed[number] = unpack(number, self._blocks.get(number, b""))
            changed[number].update((uid, (put or {})[uid]) for uid in uids)
        return {number: pack(entries) for number, entries in changed.items()}

    def adopt(self, blocks: Mapping[int, bytes]) -> None:
        """Take over blocks that have been recorded."""
        for number, raw in blocks.items():
            if raw:
                self._blocks[number] = raw
            else:
                self._blocks.pop(number, None)


def _by_block(uids: Iterable[int]) -> dict[int, list[int]]:
    groups: dict[int, list[int]] = defaultdict(list)
    for uid in uids:
        groups[uid // BLOCK_SPAN].append(uid)
    return groups
