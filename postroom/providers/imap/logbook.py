"""Protocol logs on their way to the store: one line per thing said, written once a second.

A connection hands a line over and goes on: no line waits for the store, and an account that talks
faster than it can be written loses the middle, not its memory. The writer exists only while there
is something to write.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import msgspec

from postroom.clock import Clock, iso
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger

log = get_logger("providers.imap")

WRITE_S = 1.0
# Of one account between two writes: a second of a busy dialogue. More is said in bulk only, such as
# the listing of a large mailbox, of which the newest lines do.
MOST_UNWRITTEN = 2_000


class Logs(Protocol):
    """Where the lines go (`store.protocol_log.ProtocolLogs`)."""

    async def append(self, account: str, lines: list[bytes], most: int, /) -> None: ...


@dataclass(frozen=True, slots=True)
class LogSettings:
    """The setting `logs`: of all accounts or of those that ask for it, and how many lines."""

    is_all: bool = False
    most_lines: int = 10_000

    @classmethod
    def of(cls, value: Any) -> LogSettings:
        """Read from the setting's value; what it leaves out has its default."""
        told: Mapping[str, Any] = value if isinstance(value, Mapping) else {}
        most = told.get("maxLogLines")
        return cls(bool(told.get("all")), cls().most_lines if most is None else int(most))


@dataclass(slots=True)
class _Unwritten:
    most: int
    lines: deque[bytes] = field(default_factory=lambda: deque(maxlen=MOST_UNWRITTEN))
    lost: int = 0


class LogBook:
    """The protocol logs that one process writes."""

    def __init__(self, logs: Logs, clock: Clock) -> None:
        self._logs = logs
        self._clock = clock
        self._unwritten: dict[str, _Unwritten] = {}
        self._writer: asyncio.Task[None] | None = None

    def write(self, account: str, connection: str, most: int, direction: str, text: str) -> None:
        """Take one line; it is in the store about a second later."""
        waiting = self._unwritten.get(account)
        if waiting is None:
            waiting = self._unwritten[account] = _Unwritten(most)
        waiting.most = most
        waiting.lost += len(waiting.lines) == MOST_UNWRITTEN
        waiting.lines.append(self._line(connection, direction, text))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._write_while_there_is_something())

    async def close(self) -> None:
        """Write what is left, and stop."""
        if self._writer is not None:
            self._writer.cancel()
            await asyncio.gather(self._writer, return_exceptions=True)
        await self._write_all()

    async def _write_while_there_is_something(self) -> None:
        while self._unwritten:
            await self._clock.sleep(WRITE_S)
            await self._write_all()

    async def _write_all(self) -> None:
        for account, waiting in list(self._unwritten.items()):
            del self._unwritten[account]
            lines = list(waiting.lines)
            if waiting.lost:
                lines.insert(0, self._line("", "note", f"{waiting.lost} lines were left out"))
            try:
                await self._logs.append(account, lines, waiting.most)
            except StoreUnavailable as error:
                # A log is not worth memory while the store is away.
                log.warn("protocol_log.lost", account=account, lines=len(lines), **error.log)

    def _line(self, connection: str, direction: str, text: str) -> bytes:
        time = iso(self._clock.now_ms())
        told = {"time": time, "connection": connection, "direction": direction, "text": text}
        return msgspec.json.encode(told)
