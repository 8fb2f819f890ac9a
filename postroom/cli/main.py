"""Finds the command that the words name, and runs it; errors become one line and exit code 1."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from postroom.cli import demo, export, password, scan, tokens
from postroom.cli import help as helping
from postroom.cli.arguments import split
from postroom.cli.command import Call, Command
from postroom.cli.start import START
from postroom.config.load import load_process
from postroom.errors import PostroomError
from postroom.supervisor import exits

COMMANDS: tuple[Command, ...] = (
    *demo.COMMANDS,
    *tokens.COMMANDS,
    *password.COMMANDS,
    *export.COMMANDS,
    *scan.COMMANDS,
)
_HELP = ("help", "-h", "--help")
_VERSION = ("version", "-v", "--version")


def main(words: Sequence[str] | None = None) -> int:
    """The exit code of the command line."""
    given = list(sys.argv[1:] if words is None else words)
    if given and given[0] in _VERSION:
        print(helping.VERSION)
        return exits.OK
    if any(word in _HELP for word in given[:1]) or any(word in _HELP[1:] for word in given):
        return _help([word for word in given if word not in _HELP])
    try:
        return _run(given)
    except PostroomError as error:
        _complain(f"postroom: {error}")
        return exits.USAGE
    except KeyboardInterrupt:
        return 130


def _run(words: list[str]) -> int:
    command, rest = find(words)
    if command is None:
        _complain(f"postroom: {_unknown(words)}")
        return exits.USAGE
    given = split(rest, command.flags)
    if len(given.words) > command.most_words:
        _complain(f"postroom: unexpected {given.words[command.most_words]}")
        return exits.USAGE
    options = load_process(given.options, _complain)
    return command.run(Call(given, options))


def _unknown(words: list[str]) -> str:
    near = [c.name for c in COMMANDS if c.name.startswith(f"{words[0]} ")]
    if near:
        return f"unknown command {' '.join(words[:2])}: use one of {', '.join(near)}"
    return f"unknown command {words[0]}: `postroom help` lists all"


def find(words: list[str]) -> tuple[Command | None, list[str]]:
    """The command that the first words name, and the words after its name."""
    if not words or words[0].startswith("-"):
        return START, words
    for command in COMMANDS:
        name = command.name.split()
        if words[: len(name)] == name:
            return command, words[len(name) :]
    return None, words


def _help(words: list[str]) -> int:
    if not words or words[0].startswith("-"):
        _complain(helping.overview(COMMANDS))
        return exits.OK
    wanted = " ".join(words)
    matching = [c for c in COMMANDS if c.name == wanted or c.name.startswith(f"{words[0]} ")]
    if not matching:
        _complain(f"postroom: unknown command {wanted}")
        return exits.USAGE
    exact = [c for c in matching if c.name == wanted] or matching
    _complain("\n\n".join(helping.of_command(command) for command in exact))
    return exits.OK


def _complain(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
