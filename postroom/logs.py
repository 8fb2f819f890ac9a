"""Log lines: one fact a line, as JSON for machines or as text on a person's terminal (floor F1).

A line carries `level` (10 trace to 60 fatal), `time` (ms), `pid`, `room`, `msg` and the caller's
fields: `get_logger("accounts").info("mailbox.synced", account=..., ms=41)`. Getting a logger at
module level is allowed: it opens nothing, and what `configure` set is read at each call.
Credentials never belong into a log call; as a second line of defence fields are masked by their
names (invariant I26).
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TextIO

import msgspec

from postroom.clock import SystemClock, iso
from postroom.model.secret import MASK, Secret

LEVELS: Mapping[str, int] = {
    "trace": 10,
    "debug": 20,
    "info": 30,
    "warn": 40,
    "error": 50,
    "fatal": 60,
    "silent": 100,
}
_NAMES = {number: name for name, number in LEVELS.items()}
_SECRET_NAMES = frozenset(
    {
        "accesstoken",
        "authorization",
        "clientsecret",
        "cookie",
        "pass",
        "passphrase",
        "password",
        "refreshtoken",
        "secret",
        "setcookie",
        "token",
    }
)
# Fields are small values; what nests deeper is cut, so a cyclic value cannot loop.
MAX_DEPTH = 6
# A field longer than this is somebody's message, not a fact about it.
MAX_TEXT = 4_000


@dataclass(slots=True)
class _Output:
    threshold: int = LEVELS["warn"]
    is_terminal: bool = False
    stream: TextIO | None = None


_output = _Output()
_clock = SystemClock()


def configure(level: str | None, stream: TextIO | None = None) -> None:
    """Set the process's level and output; without a level: info on a terminal, else trace."""
    target = stream or sys.stdout
    _output.stream = target
    _output.is_terminal = target.isatty()
    _output.threshold = LEVELS[level or ("info" if _output.is_terminal else "trace")]
    _adopt_library_loggers()


def redacted(value: Any, depth: int = 0) -> Any:
    """`value` as plain data without secrets: masked by key name, cut when deep or long."""
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        if depth >= MAX_DEPTH:
            return "..."
        return {str(k): _field(str(k), v, depth + 1) for k, v in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return "..." if depth >= MAX_DEPTH else [redacted(item, depth + 1) for item in value]
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."


def _field(name: str, value: Any, depth: int) -> Any:
    plain = name.lower().replace("_", "").replace("-", "")
    return MASK if plain in _SECRET_NAMES and value is not None else redacted(value, depth)


class Logger:
    """Writes lines of one room; `bind` gives a logger that adds fields to each line."""

    __slots__ = ("_fields", "_room")

    def __init__(self, room: str, fields: Mapping[str, Any] | None = None) -> None:
        self._room = room
        self._fields = dict(fields or {})

    def bind(self, **fields: Any) -> Logger:
        """A logger that adds `fields` to each line."""
        return Logger(self._room, {**self._fields, **fields})

    def trace(self, event: str, **fields: Any) -> None:
        self.write(10, event, fields)

    def debug(self, event: str, **fields: Any) -> None:
        self.write(20, event, fields)

    def info(self, event: str, **fields: Any) -> None:
        self.write(30, event, fields)

    def warn(self, event: str, **fields: Any) -> None:
        self.write(40, event, fields)

    warning = warn

    def error(self, event: str, **fields: Any) -> None:
        self.write(50, event, fields)

    def fatal(self, event: str, **fields: Any) -> None:
        self.write(60, event, fields)

    def exception(self, event: str, **fields: Any) -> None:
        """An error line with the traceback of the exception being handled."""
        self.write(50, event, {**fields, "stack": traceback.format_exc()})

    def write(self, level: int, event: str, fields: Mapping[str, Any]) -> None:
        """One line, unless the level is below the configured one."""
        if level >= _output.threshold:
            shown = {k: _field(k, v, 0) for k, v in {**self._fields, **fields}.items()}
            _put(_render(level, self._room, event, shown))


def get_logger(room: str) -> Logger:
    """The logger of a room."""
    return Logger(room)


def _render(level: int, room: str, event: str, fields: dict[str, Any]) -> str:
    now = _clock.now_ms()
    if _output.is_terminal:
        stack = fields.pop("stack", None)
        pairs = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{iso(now)[11:23]} {_NAMES.get(level, level):5} {room}: {event}{pairs}"
        return f"{line}\n{stack}" if stack else line
    head = {"level": level, "time": now, "pid": os.getpid(), "room": room, "msg": event}
    return msgspec.json.encode({**fields, **head}).decode()


def _put(line: str) -> None:
    stream = _output.stream or sys.stderr
    try:
        # One write a line: several processes share the stream.
        stream.write(line + "\n")
        stream.flush()
    except (OSError, ValueError):
        # The reader of our log went away; work goes on.
        return


class _Bridge(logging.Handler):
    """Lines of libraries that use the standard logging, from `warn` up."""

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {}
        if record.exc_info and record.exc_info[0] is not None:
            fields["stack"] = "".join(traceback.format_exception(*record.exc_info))
        Logger(record.name).write(record.levelno + 10, record.getMessage(), fields)


def _adopt_library_loggers() -> None:
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(logging.WARNING)
