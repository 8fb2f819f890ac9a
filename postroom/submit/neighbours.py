"""What this room needs of others, as small Protocols; the real nouns fit them, fakes in tests."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, Protocol

from postroom.clock import Deadline
from postroom.model.account import Account
from postroom.model.operations import Download, Operation


class Directory(Protocol):
    """Where accounts are found (`store.accounts.Accounts`)."""

    async def get(self, account: str, /) -> Account: ...

    async def find(self, account: str, /) -> Account | None: ...


class HealthBook(Directory, Protocol):
    """A directory that also keeps the health of sending (contract errors.md, smtpStatus)."""

    async def set_smtp_status(self, account: str, status: Mapping[str, Any], /) -> bool: ...


class RuntimeSettings(Protocol):
    """Runtime settings (`store.settings.Settings`)."""

    async def get(self, name: str, /) -> Any: ...


class Asking(Protocol):
    """The way to an account's owner (`accounts.gateway.Gateway`)."""

    async def ask_typed(self, account: str, operation: Operation, deadline: Deadline, /) -> Any: ...

    async def stream(
        self, account: str, operation: Operation, deadline: Deadline, /
    ) -> Download: ...


class Listening(Protocol):
    """Wake-ups (`store.wake.Wake`)."""

    def wait_any(
        self, topics: list[str], at_most_s: float, /
    ) -> Coroutine[Any, Any, list[str]]: ...
