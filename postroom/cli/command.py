"""What a command is: its words, its flags, and the function that does it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass, field

from postroom.cli.arguments import Flag, Given
from postroom.config.options import Options


@dataclass(frozen=True, slots=True)
class Call:
    """One use of a command."""

    given: Given
    options: Options

    def tell(self, text: str) -> None:
        """A line for the person, on standard error."""
        print(text, file=sys.stderr)

    def put(self, text: str, *, end: str = "\n") -> None:
        """The result, on standard output."""
        print(text, end=end, flush=True)


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the table in `main`; `run` returns the exit code."""

    name: str
    summary: str
    run: Callable[[Call], int]
    flags: tuple[Flag, ...] = field(default=())
    # Plain words it takes, as the help shows them.
    words: str = ""
    # How many of them there may be.
    most_words: int = 0
