"""`postroom` without a command: run the product until it is stopped."""

from __future__ import annotations

from postroom import logs
from postroom.cli.command import Call, Command
from postroom.supervisor import main as supervisor


def start(call: Call) -> int:
    """Runs until Ctrl-C or SIGTERM."""
    logs.configure(call.options.log_level)
    return supervisor.run(call.options)


START = Command("", "Run Postroom", start)
