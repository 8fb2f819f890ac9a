"""The two DEFLATE streams of a compressed connection (RFC 4978, RFC 1951).

Inflating is done in steps of bounded size: a megabyte of zeros fits into a kilobyte, and whoever
sends that must not choose how much memory it costs us. What a step leaves waits compressed.

The server chooses how far back its stream may point, so the inflater needs the full window: 32 KB
and some 7 KB of state. Ours is small: what we send is commands, and mails whose base64 hardly
shrinks. Window 4 KB and memory level 5 cost 32 KB instead of 256 KB.
"""

from __future__ import annotations

import zlib

# What one step gives at most; a response line may be longer, the framer collects.
MOST_INFLATED_BYTES = 256 * 1024
# Negative: raw DEFLATE without the zlib header (RFC 4978 3).
_FULL_WINDOW = -15
_SMALL_WINDOW = -12
_SMALL_MEMORY = 5


class Deflated:
    """Both directions of one compressed connection."""

    def __init__(self) -> None:
        self._inflater = zlib.decompressobj(_FULL_WINDOW)
        self._deflater = zlib.compressobj(
            zlib.Z_DEFAULT_COMPRESSION, zlib.DEFLATED, _SMALL_WINDOW, _SMALL_MEMORY
        )
        self._left = b""
        # The last step was full: there may be more without a further byte from the peer.
        self.has_more = False

    @property
    def waiting_bytes(self) -> int:
        """Compressed bytes that are not inflated yet."""
        return len(self._left)

    def inflate(self, data: bytes) -> bytes:
        """The next step of what was said; `data` is what came since. Raises ValueError."""
        if self._inflater.eof and data:
            raise ValueError("the compressed stream has ended")
        try:
            plain = self._inflater.decompress(self._left + data, MOST_INFLATED_BYTES)
        except zlib.error as error:
            raise ValueError("not a compressed stream") from error
        self._left = self._inflater.unconsumed_tail
        self.has_more = bool(self._left) or len(plain) == MOST_INFLATED_BYTES
        return plain

    def deflate(self, data: bytes) -> bytes:
        """What to send for `data`, complete to its last byte."""
        return self._deflater.compress(data) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
