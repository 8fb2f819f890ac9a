"""The lines of a `.env` file: `NAME=value`, optional `export`, quotes and comments."""

from __future__ import annotations

import re

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")
_QUOTED = re.compile(r"""(?:"([^"]*)"|'([^']*)')\s*(?:#.*)?""")
_COMMENT = re.compile(r"(?:^|\s+)#.*$")


def parse_dotenv(text: str) -> dict[str, str]:
    """The variables of a `.env` text; lines that are none are passed over."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = _LINE.fullmatch(line)
        if match and _value(match[2]) != "":
            found[match[1]] = _value(match[2])
    return found


def _value(raw: str) -> str:
    quoted = _QUOTED.fullmatch(raw)
    if quoted is None:
        return _COMMENT.sub("", raw)
    if quoted[1] is None:
        return quoted[2]
    return quoted[1].replace("\\n", "\n")
