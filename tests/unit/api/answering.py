"""A gateway whose answers a test has put in: operations as values in, bytes out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from postroom.clock import Deadline
from postroom.errors import PostroomError
from postroom.model.operations import Download, Operation
from postroom.model.wire import encode


class PreparedGateway:
    """Answers each kind of operation with what `answers` holds for it, and remembers the calls."""

    def __init__(self) -> None:
        self.answers: dict[type[Operation], Any] = {}
        self.asked: list[tuple[str, Operation, Deadline]] = []

    async def ask(self, account: str, operation: Operation, deadline: Deadline) -> bytes:
        return encode(await self._found(account, operation, deadline))

    async def ask_typed(self, account: str, operation: Operation, deadline: Deadline) -> Any:
        return await self._found(account, operation, deadline)

    async def stream(self, account: str, operation: Operation, deadline: Deadline) -> Download:
        found = await self._found(account, operation, deadline)
        assert isinstance(found, Download)
        return found

    async def _found(self, account: str, operation: Operation, deadline: Deadline) -> Any:
        self.asked.append((account, operation, deadline))
        answer = self.answers[type(operation)]
        if isinstance(answer, PostroomError):
            raise answer
        return await answer() if callable(answer) else answer


async def chunks_of(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
