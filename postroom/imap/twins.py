"""Which readers are in use: the compiled ones where they were built, else the pure ones.

The readers that see every byte exist twice, in Python and in Cython, with the same output for every
input. The compiled twin is built at installation when a C compiler is there and is never required;
nobody above this file knows which one runs. `PURE` and `COMPILED` are both here, so that tests
compare them and `ImapClient` can be given either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postroom.imap import fetch, lines, tokens
from postroom.imap.lines import FlagLines
from postroom.imap.tokens import Token
from postroom.imap.types import FetchedMessage

try:
    from postroom.imap.compiled import read_flag_lines, read_message, tokenise
except ImportError:
    # Not built here, or for another Python, or from a source that knew less.
    _IS_BUILT = False
else:
    _IS_BUILT = True


@dataclass(frozen=True, slots=True)
class Twin:
    """The readers that exist twice."""

    name: str
    # A response, from a byte on, to tokens.
    tokenise: Callable[[bytes, int], list[Token]]
    # A whole response to its message; None when it is no FETCH response, or not IMAP.
    read_message: Callable[[bytes], FetchedMessage | None]
    # A run of plain flag lines in a buffer, from a byte on; where it ends.
    read_flag_lines: Callable[[bytearray, int, FlagLines], int]


PURE = Twin("pure", tokens.tokenise, fetch.read_message, lines.read_flag_lines)
COMPILED = Twin("compiled", tokenise, read_message, read_flag_lines) if _IS_BUILT else None
CHOSEN = COMPILED or PURE
