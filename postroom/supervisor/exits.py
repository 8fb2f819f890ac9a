"""What the exit codes of our processes mean (contract errors.md, exit codes)."""

from __future__ import annotations

OK = 0
# Contract: bad prepared settings, token or password, bad option, wrong use of the command line.
USAGE = 1
# A worker says: starting me again cannot help (EX_CONFIG of sysexits.h).
CANNOT_START = 78
# The supervisor gave up on a worker that kept dying (EX_SOFTWARE of sysexits.h).
CRASH_LOOP = 70
