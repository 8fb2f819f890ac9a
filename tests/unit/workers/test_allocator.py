"""Large blocks as mappings of their own, in a process of its own: the setting cannot be undone."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_PROGRAM = """
import ctypes, sys
from postroom.workers.allocator import map_large_blocks

if sys.argv[1] == "fixed":
    assert map_large_blocks()
libc = ctypes.CDLL(None)
libc.malloc.restype, libc.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
libc.free.argtypes = [ctypes.c_void_p]
# What makes glibc raise its own threshold.
libc.free(libc.malloc(16 * 1024 * 1024))
block = libc.malloc(256 * 1024)
for line in open("/proc/self/maps"):
    first, last = (int(end, 16) for end in line.split()[0].split("-"))
    if first <= block < last:
        print("heap" if "[heap]" in line else "mapping")
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc")
@pytest.mark.parametrize(("how", "where"), [("fixed", "mapping"), ("as it is", "heap")])
def test_a_large_block_does_not_go_to_the_heap(how: str, where: str) -> None:
    words = [sys.executable, "-c", _PROGRAM, how]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout.strip() == where, done.stderr
