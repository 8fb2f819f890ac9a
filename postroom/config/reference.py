"""Writes the manual of the start-up options from their table: for `--help` and for the docs.

`postroom.cli.manual` writes docs/configuration.md; a test compares the two.
"""

from __future__ import annotations

import textwrap

from postroom.config.declaration import Declaration
from postroom.config.options import SECTIONS, declarations
from postroom.model.secret import Secret

HELP_WIDTH = 96
_PREAMBLE = """# Configuration

Every option is read once, at the start. The sources, strongest first:

1. the environment variable; a `.env` file in the working directory fills those that are not set;
2. the argument `--section.key=value`;
3. the same key in the TOML file named by `--config=<path>`;
4. the default.

`NAME_FILE=<path>` may stand in for `NAME`: the value is the content of that file (options marked
"no file" excepted). Durations are milliseconds or carry a unit (`500ms`, `10s`, `5m`, `2h`, `3d`);
sizes are bytes or carry one (`5M`, `25MB`, `1G`). A boolean is true when it begins with `y` or
`true` or is a whole number other than zero; anything else, `on` too, is false. Worker counts may be
the word `cpus`. A value that does not fit stops the start with one line that names the option.

Options that seed a setting are used only while that setting is empty; later changes go through
the setting (`POST /v1/settings`).

The file named here is generated from `postroom/config/options.py` by `make docs`.
"""


def default_text(option: Declaration) -> str:
    """The default as a person reads it."""
    if option.shown is not None:
        return option.shown
    value = option.default
    if value is None or isinstance(value, Secret):
        return "unset"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return " ".join(value) or "empty"
    return str(value) or "empty"


def manual() -> str:
    """The page docs/configuration.md."""
    parts = [_PREAMBLE]
    for section in SECTIONS:
        parts.append(f"## {section.capitalize()}\n")
        parts += [_entry(option) for option in declarations() if option.section == section]
    return "\n".join(parts)


def _entry(option: Declaration) -> str:
    facts = [f"Default: {default_text(option)}"]
    if option.key:
        facts.append(f"argument and TOML key `{option.key}`")
    facts += [f"also read from `{name}`" for name in option.env[1:]]
    if option.seeds:
        facts.append(f"seeds the setting `{option.seeds}`")
    if option.env and not option.has_file:
        facts.append("no file")
    return f"### `{option.title}`\n\n{option.prose} {'; '.join(facts)}.\n"


def help_text() -> str:
    """The list of options for a terminal."""
    lines: list[str] = []
    for section in SECTIONS:
        lines += ["", f"{section}:"]
        for option in declarations():
            if option.section == section:
                lines += _help_entry(option)
    return "\n".join(lines)


def _help_entry(option: Declaration) -> list[str]:
    names = [*option.env, *([f"--{option.key}"] if option.key else [])]
    prose = f"{option.prose} [{default_text(option)}]"
    indent = " " * 6
    wrapped = textwrap.wrap(prose, HELP_WIDTH, initial_indent=indent, subsequent_indent=indent)
    return ["  " + ", ".join(names), *wrapped]
