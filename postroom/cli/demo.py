"""`postroom demo`: the product with a small mail server and a connected account, for a try-out."""

from __future__ import annotations

import dataclasses
import tempfile

from postroom import logs
from postroom.cli.command import Call, Command
from postroom.supervisor import main as supervisor
from postroom.supervisor.kinds import KINDS, WorkerKind

# The mail server listens before the account workers look for it.
DEMO = WorkerKind("demo", "postroom.workers.demo:run", lambda options: 1, announces=True)
LOG_LEVEL = "warn"


def demo(call: Call) -> int:
    """Runs until Ctrl-C, in a data directory that is removed afterwards."""
    with tempfile.TemporaryDirectory(prefix="postroom-demo-") as directory:
        options = dataclasses.replace(
            call.options, data_dir=directory, redis_url=None, log_level=LOG_LEVEL
        )
        logs.configure(options.log_level)
        return supervisor.run(options, kinds=(DEMO, *KINDS))


COMMANDS = (
    Command("demo", "Try Postroom with a small built-in mail server and a connected account", demo),
)
