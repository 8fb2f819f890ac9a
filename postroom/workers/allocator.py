"""How the C library's allocator deals with the large buffers of idle connections.

A TLS connection holds a read buffer of 256 KB of which a few pages are ever touched. Taken from the
heap, where glibc puts such blocks once one of them was freed, it lies on pages that others used
before, and those stay resident: 95 KB for an idle TLS account instead of 70. With a fixed threshold
each such block is a mapping of its own, of which only touched pages exist.
"""

from __future__ import annotations

import ctypes

# <malloc.h>
_M_MMAP_THRESHOLD = -3
# glibc's own first threshold is 128 KB; naming one keeps it from growing.
MAPPED_FROM_BYTES = 64 * 1024


def map_large_blocks() -> bool:
    """Fix the threshold; False where the C library knows no such setting (musl, macOS)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_THRESHOLD, MAPPED_FROM_BYTES))
