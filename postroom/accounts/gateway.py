"""The way from any process to the worker that holds an account.

The state is looked at before the owner is asked, so that a call to an account that cannot answer
fails with its own reason (contract J2) and not by a timeout; state and owner are one round trip.
A worker that went away is looked up once more: the account may have a new owner already. The call
is repeated only there, and only when doing it twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar

import msgspec

from postroom.clock import Deadline
from postroom.errors import AccountUnusable, WorkerNotAvailable
from postroom.model.account import USABLE_STATES, AccountState
from postroom.model.operations import (
    ANSWERS,
    AppendMessage,
    DeleteMessage,
    Download,
    MoveMessage,
    Operation,
    RequestReconnect,
    RequestSync,
    operation_name,
)
from postroom.model.owner import Owner
from postroom.model.wire import encode_packed

# Contract J2 and errors.md.
_CODES = {
    AccountState.INIT: "NotYetConnected",
    AccountState.AUTHENTICATION_ERROR: "AuthenticationFails",
    AccountState.CONNECT_ERROR: "ConnectionError",
    AccountState.UNSET: "NotSyncing",
}
_OTHER_CODE = "NoAvailable"
_TEXTS = {
    "NotYetConnected": "The account is not connected yet",
    "AuthenticationFails": "The mail server refuses the account's credentials",
    "ConnectionError": "The mail server of the account cannot be reached",
    "NotSyncing": "The account has no mailbox to read",
    "NoAvailable": "The account is not available",
}
# These are how an account leaves a bad state: they go through in any.
_ANY_STATE = (RequestSync, RequestReconnect)

R = TypeVar("R")


class Seat(Protocol):
    """A live worker (`cluster.members.Member`)."""

    @property
    def address(self) -> str: ...


class Standing(Protocol):
    """An account's state and its live owner (`cluster.owners.Placement`)."""

    @property
    def state(self) -> AccountState: ...

    @property
    def owner(self) -> Owner | None: ...

    @property
    def member(self) -> Seat | None: ...


class Whereabouts(Protocol):
    """Where accounts stand (`cluster.owners.Owners`)."""

    async def placement(self, account: str, /) -> Standing: ...


class Line(Protocol):
    """Calls to a worker (`rpc.client.RpcClient`)."""

    async def ask(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline, /
    ) -> bytes: ...

    async def stream(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline, /
    ) -> Download: ...


class Gateway:
    """Asks the owners of accounts."""

    def __init__(self, owners: Whereabouts, rpc: Line) -> None:
        self._owners = owners
        self._rpc = rpc

    async def ask(self, account: str, operation: Operation, deadline: Deadline) -> bytes:
        """The answer as JSON, to be passed on as it is."""
        return await self._call(self._rpc.ask, account, operation, deadline)

    async def ask_typed(self, account: str, operation: Operation, deadline: Deadline) -> Any:
        """The answer as the value that `ANSWERS` names."""
        raw = await self.ask(account, operation, deadline)
        return msgspec.json.decode(raw, type=ANSWERS[type(operation)])

    async def stream(self, account: str, operation: Operation, deadline: Deadline) -> Download:
        """The answer of an operation that is a download."""
        return await self._call(self._rpc.stream, account, operation, deadline)

    async def _call(
        self,
        send: Callable[[str, str, str, bytes, Deadline], Awaitable[R]],
        account: str,
        operation: Operation,
        deadline: Deadline,
    ) -> R:
        name = operation_name(type(operation))
        body = encode_packed(operation)
        owner, address = await self._find(account, operation)
        try:
            return await send(address, account, name, body, deadline)
        except WorkerNotAvailable:
            again, address = await self._find(account, operation)
            if again == owner or not _is_repeatable(operation):
                raise
            return await send(address, account, name, body, deadline)

    async def _find(self, account: str, operation: Operation) -> tuple[Owner, str]:
        standing = await self._owners.placement(account)
        if standing.state not in USABLE_STATES and not isinstance(operation, _ANY_STATE):
            raise unusable(standing.state)
        if standing.owner is None or standing.member is None:
            raise WorkerNotAvailable("No worker holds the account")
        return standing.owner, standing.member.address


def unusable(state: AccountState) -> AccountUnusable:
    """The error of contract J2 for an account in this state."""
    code = _CODES.get(state, _OTHER_CODE)
    return AccountUnusable(_TEXTS[code], code=code, extra={"state": state.value})


def _is_repeatable(operation: Operation) -> bool:
    """Whether a second run after a lost answer leaves what one run would have left."""
    if isinstance(operation, AppendMessage):
        return operation.once
    return not isinstance(operation, MoveMessage | DeleteMessage)
