"""What only some rooms may do: sockets, Redis, environment, wall clock, subprocesses."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "postroom"
FILES = sorted(PACKAGE.rglob("*.py"))

# A module or a name in one -> the rooms (or files) that may use it, with everything below it.
NETWORK = ("net", "rpc", "supervisor")
PRIVILEGES: dict[str, tuple[str, ...]] = {
    "socket": NETWORK,
    "aiohttp": NETWORK,
    "aiosmtplib": NETWORK,
    "http.client": NETWORK,
    "urllib.request": NETWORK,
    "smtplib": (),
    "imaplib": (),
    "asyncio.open_connection": NETWORK,
    "asyncio.open_unix_connection": NETWORK,
    "asyncio.start_server": NETWORK,
    "asyncio.start_unix_server": NETWORK,
    "redis": ("store/connection.py",),
    "hiredis": (),
    "os.environ": ("config",),
    "os.getenv": ("config",),
    "time.time": ("clock.py",),
    "time.time_ns": ("clock.py",),
    "time.monotonic": ("clock.py",),
    "time.monotonic_ns": ("clock.py",),
    "time.sleep": (),
    "datetime.datetime.now": ("clock.py",),
    "datetime.datetime.utcnow": (),
    "datetime.datetime.today": (),
    "datetime.date.today": (),
    "subprocess": ("supervisor", "sandbox"),
    "multiprocessing": ("supervisor", "sandbox"),
    "asyncio.create_subprocess_exec": ("supervisor", "sandbox"),
    "asyncio.create_subprocess_shell": (),
    "os.fork": (),
    "os.system": (),
    "os.popen": (),
}


class Uses(ast.NodeVisitor):
    """The dotted names that a file uses, with imports resolved."""

    def __init__(self) -> None:
        self.names: dict[str, str] = {}
        self.found: list[tuple[str, int]] = []

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.names[alias.asname or alias.name.split(".")[0]] = (
                alias.name if alias.asname else alias.name.split(".")[0]
            )
            self.found.append((alias.name, node.lineno))

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            full = f"{node.module}.{alias.name}"
            self.names[alias.asname or alias.name] = full
            self.found.append((full, node.lineno))

    def visit_Attribute(self, node: ast.Attribute) -> None:
        dotted = _dotted(node)
        if dotted is None:
            self.generic_visit(node)
            return
        head, _, rest = dotted.partition(".")
        if head in self.names:
            self.found.append((f"{self.names[head]}.{rest}", node.lineno))


def _dotted(node: ast.expr) -> str | None:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        inner = _dotted(node.value)
        return None if inner is None else f"{inner}.{node.attr}"
    return None


def uses(text: str) -> Iterator[tuple[str, int]]:
    visitor = Uses()
    visitor.visit(ast.parse(text))
    yield from visitor.found


def violations(text: str, place: str) -> list[str]:
    """Which privileges the file at `place` (`net/http.py`) takes without having them."""
    room = place.split("/", maxsplit=1)[0]
    return sorted(
        {
            f"line {line}: {name}"
            for name, line in uses(text)
            for privilege, rooms in PRIVILEGES.items()
            if f"{name}.".startswith(f"{privilege}.") and room not in rooms and place not in rooms
        }
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_takes_no_privilege_that_its_room_does_not_have(path: Path) -> None:
    assert violations(path.read_text(), path.relative_to(PACKAGE).as_posix()) == []


@pytest.mark.parametrize(
    ("text", "place", "is_wrong"),
    [
        ("import socket", "net/dial.py", False),
        ("import socket", "api/app.py", True),
        ("from socket import AF_INET", "store/keys.py", True),
        ("import redis.asyncio as redis", "store/connection.py", False),
        ("import redis.asyncio as redis", "store/accounts.py", True),
        ("import os\nos.environ['X']", "workers/boot.py", True),
        ("import os\nos.environ['X']", "config/load.py", False),
        ("from os import environ", "logs.py", True),
        ("import os\nos.getpid()", "logs.py", False),
        ("import time as t\nt.monotonic()", "accounts/runner.py", True),
        ("from time import sleep", "accounts/runner.py", True),
        ("import time\ntime.strftime('%Y')", "accounts/runner.py", False),
        ("from datetime import datetime\ndatetime.now()", "submit/compose.py", True),
        ("import datetime as d\nd.datetime.now()", "submit/compose.py", True),
        ("from datetime import datetime\ndatetime.fromtimestamp(1)", "clock.py", False),
        ("import asyncio\nasyncio.create_subprocess_exec('x')", "accounts/x.py", True),
        ("def f():\n    import subprocess", "cli/main.py", True),
    ],
)
def test_the_rule_itself_can_fail(text: str, place: str, is_wrong: bool) -> None:
    assert bool(violations(text, place)) == is_wrong
