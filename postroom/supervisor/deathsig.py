"""Ties a process's life to its parent's, on Linux (prctl(2), PR_SET_PDEATHSIG).

The kernel sends the signal when the parent dies, kill -9 included, so no orphan stays behind.
Elsewhere nothing happens here, and workers notice the closed life-line (see `workers.boot`).
"""

from __future__ import annotations

import ctypes
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
