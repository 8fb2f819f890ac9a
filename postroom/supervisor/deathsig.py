"""Ties a process's life to its parent's, on Linux (prctl(2), PR_SET_PDEATHSIG).

The kernel sends the signal when the parent dies, kill -9 included, so no orphan stays behind.
Everywhere else workers notice that the life line ended: a pipe that only the parent holds open.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def die_with_parent(signal_number: int = signal.SIGKILL, parent: int | None = None) -> None:
    """Ask for `signal_number` when the parent dies; `parent` is its id as known before."""
    if not sys.platform.startswith("linux"):
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    # The parent may have died before the call above; then nobody would ever signal.
    if parent is not None and os.getppid() != parent:
        os.kill(os.getpid(), signal_number)


def life_line() -> int | None:
    """A file descriptor that becomes readable when the supervisor dies; None in no worker."""
    parent = multiprocessing.parent_process()
    return None if parent is None else parent.sentinel
