"""The connection to the store, and the only file that imports the Redis package.

What it offers is small on purpose: one command, a batch of commands in one round trip, and a
script. Values are bytes both ways. Any trouble of the connection is a StoreUnavailable (503);
a script's own refusal arrives as the error class it names (see `scripts/`). A command whose reply
was lost is sent once more, so every script has to bear being run twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TryAgainError,
)

from postroom.errors import Fenced, StoreUnavailable
from postroom.store.keys import Keys
from postroom.store.scripts import Script, load

Argument = str | bytes | int | float
# A reply later than this means a stalled server; no blocking command is ever sent (see wake.py).
SOCKET_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 3.0
# Calls of one process at a time; more would only queue inside the server, whose scripts run one by
# one, and each connection costs some 30 KB at either end. The others wait their turn.
AT_ONCE = 16
# Beside them: who listens for wake-ups keeps a connection of its own.
LISTENERS = 4
# Replies of a server that cannot serve just now: full, a replica, in the middle of a failover. The
# package has classes for some, which take the word off the text; the others keep their word.
_NOT_NOW = (OutOfMemoryError, ReadOnlyError, MasterDownError, ClusterDownError, TryAgainError)
_NOT_NOW_WORDS = ("LOADING", "MISCONF", "BUSY", "NOREPLICAS")


class Store:
    """One process's connection pool to the store."""

    def __init__(self, url: str, prefix: str = "") -> None:
        self.url = url
        self.keys = Keys(prefix)
        self._client = redis.Redis.from_url(
            url,
            decode_responses=False,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=CONNECT_TIMEOUT_S,
            max_connections=AT_ONCE + LISTENERS,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.05), 1),
            health_check_interval=30,
        )
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def close(self) -> None:
        """Close every connection; the store is not used afterwards."""
        await self._client.aclose()

    async def command(self, *words: Argument) -> Any:
        """The reply to one command. Raises StoreUnavailable."""
        async with self._turns, _translated():
            return await self._client.execute_command(*words)  # type: ignore[no-untyped-call]

    async def batch(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """The replies to several commands in one round trip, not atomic."""
        if not commands:
            return []
        async with self._turns, _translated():
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            # The package would put the command, with whatever it stores, into the error's text.
            replies = await pipeline.execute(raise_on_error=False)
            for reply in replies:
                if isinstance(reply, RedisError):
                    raise reply
            return replies

    async def run(self, script: Script, keys: Sequence[str], arguments: Sequence[Argument]) -> Any:
        """The reply of an atomic script; Fenced when the script found another owner."""
        async with self._turns, _translated():
            source = load(script)
            try:
                return await self._client.evalsha(source.sha, len(keys), *keys, *arguments)
            except NoScriptError:
                return await self._client.eval(source.text, len(keys), *keys, *arguments)

    async def ping(self) -> None:
        """Raise StoreUnavailable unless the server answers."""
        await self.command("PING")

    async def listen(self, channel: str) -> AsyncIterator[tuple[str, bytes]]:
        """(channel, message) pairs of the pattern `channel`; ends with StoreUnavailable."""
        cancellation = _Cancellation()
        async with _translated():
            pubsub = self._client.pubsub(ignore_subscribe_messages=True)
            try:
                await pubsub.psubscribe(channel)
                while True:
                    message = await pubsub.get_message(timeout=5.0)
                    cancellation.raise_if_lost()
                    if message is not None:
                        yield message["channel"].decode(), message["data"]
            finally:
                await pubsub.aclose()  # type: ignore[no-untyped-call]  # redis leaves it untyped


class _Cancellation:
    """Notices a cancellation that the Redis package swallowed.

    redis 8.1 goes on as if nothing had been when the task is cancelled while it connects or
    shakes hands; a task that is told to end would then wait for ever.
    """

    def __init__(self) -> None:
        self._task = asyncio.current_task()
        self._before = self._task.cancelling() if self._task else 0

    def raise_if_lost(self) -> None:
        if self._task is not None and self._task.cancelling() > self._before:
            raise asyncio.CancelledError


@asynccontextmanager
async def _translated() -> AsyncIterator[None]:
    cancellation = _Cancellation()
    try:
        yield
        cancellation.raise_if_lost()
    except ResponseError as error:
        cancellation.raise_if_lost()
        text = str(error)
        if text.startswith("FENCED"):
            raise Fenced("The account has another owner") from error
        if text.startswith("STALE"):
            raise StoreUnavailable("Another write of the same state came first") from error
        if isinstance(error, _NOT_NOW) or text.startswith(_NOT_NOW_WORDS):
            raise _unavailable(error) from error
        raise
    except (TimeoutError, RedisError, OSError) as error:
        cancellation.raise_if_lost()
        raise _unavailable(error) from error


def _unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable("The store does not answer", log={"reason": repr(error)})
