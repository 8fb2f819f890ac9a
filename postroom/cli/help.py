"""`postroom help`, `--help` and `version`."""

from __future__ import annotations

from collections.abc import Sequence

from postroom import __version__
from postroom.cli.command import Command
from postroom.config.reference import help_text

# Contract config.md 4 shows a licence id; Postroom needs no licence key.
VERSION = f"Postroom v{__version__} (Apache-2.0)"
_INTRO = "Postroom: the self-hosted email API"


def overview(commands: Sequence[Command]) -> str:
    """All commands and all options, and whether this installation reads IMAP with compiled code."""
    # Only here: the supervisor has no use for the readers (tests/house/test_weight).
    from postroom.imap.twins import CHOSEN

    lines = [_INTRO, "", "  postroom [options]            run the product"]
    lines += [f"  postroom {command.name:<20} {command.summary}" for command in commands]
    lines += ["  postroom help [command]       this text", "  postroom version"]
    lines += ["", "Options, as environment variable and argument:", help_text()]
    lines += ["", f"IMAP readers of this installation: {CHOSEN.name}"]
    return "\n".join(lines)


def of_command(command: Command) -> str:
    """One command and its flags."""
    lines = [f"postroom {command.name} {command.words}".rstrip(), "", f"  {command.summary}", ""]
    for flag in command.flags:
        value = " <value>" if flag.takes_value else ""
        lines.append(f"  --{flag.name}, -{flag.letter}{value}")
        lines.append(f"      {flag.prose}")
    lines.append("  and the options of `postroom help`, such as --dbs.redis and --service.secret")
    return "\n".join(lines)
