"""The atomic writes: one Lua file each, loaded once, with typed wrappers in the nouns' files.

A file may begin with lines `-- include: name` that put `name.lua` (a `_` file: functions only)
before it; Redis itself knows no modules. Conventions: KEYS are all of one hash tag; a script
that writes account state calls `fence(owners_key, account, owner)` first, which ends it with the
error `FENCED` when another worker owns the account (invariant I22); times come from the caller.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Script(enum.StrEnum):
    """Every script by its file name."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    sha: str


@functools.cache
def load(script: Script) -> Source:
    """The script's text with its includes, and its SHA-1 as EVALSHA wants it."""
    text = _expand(_read(script.value))
    return Source(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text(encoding="ascii")


def _expand(text: str) -> str:
    return _INCLUDE.sub(lambda found: _read(f"_{found.group(1)}"), text)
