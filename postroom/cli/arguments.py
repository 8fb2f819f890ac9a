"""Splits a command's words into its own flags, plain words and start-up options: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from postroom.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag of a command: `--name value`, `--name=value` or `-n value`."""

    name: str
    letter: str
    prose: str
    takes_value: bool = True


@dataclass(frozen=True, slots=True)
class Given:
    """What the user typed: values by flag name, plain words, and what is left for the options."""

    values: dict[str, list[str]] = field(default_factory=dict)
    words: list[str] = field(default_factory=list)
    options: list[str] = field(default_factory=list)

    def last(self, name: str) -> str | None:
        """The value of a flag; the last one when given more than once."""
        found = self.values.get(name)
        return found[-1] if found else None


def split(words: Sequence[str], flags: Sequence[Flag]) -> Given:
    """The words sorted into flags, plain words and options. Raises ConfigurationError."""
    given = Given()
    rest = list(words)
    while rest:
        word = rest.pop(0)
        head, equals, value = word.partition("=")
        flag = _known(head, flags)
        if flag is not None:
            if flag.takes_value and not equals:
                value = _next_value(rest, head)
            given.values.setdefault(flag.name, []).append(value)
        elif word.startswith("-") and len(word) > 1:
            given.options.append(word)
            # `--api.port 3000`: the value of an option follows it.
            if not equals and rest and not rest[0].startswith("-"):
                given.options.append(rest.pop(0))
        else:
            given.words.append(word)
    return given


def _known(head: str, flags: Sequence[Flag]) -> Flag | None:
    for flag in flags:
        if head in (f"--{flag.name}", f"-{flag.letter}"):
            return flag
    return None


def _next_value(rest: list[str], head: str) -> str:
    if not rest:
        raise ConfigurationError(f"{head} needs a value")
    return rest.pop(0)
