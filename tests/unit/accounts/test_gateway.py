from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from postroom.accounts.gateway import Gateway
from postroom.clock import Deadline
from postroom.errors import AccountNotFound, AccountUnusable, WorkerNotAvailable
from postroom.model.account import AccountState
from postroom.model.message import MessageStored
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    Download,
    ListMessages,
    MoveMessage,
    Operation,
    RequestReconnect,
)
from postroom.model.owner import Owner
from tests.fakes.clock import FakeClock


@dataclass
class Place:
    state: AccountState = AccountState.CONNECTED
    owner: Owner | None = None
    address: str = ""

    @property
    def member(self) -> Place | None:
        return self if self.owner is not None else None


@dataclass
class Town:
    """Where the account stands, question by question; the last answer stays."""

    places: list[Place]
    asked: int = 0

    async def placement(self, account: str, /) -> Place:
        if account == "unknown":
            raise AccountNotFound("Account was not found")
        self.asked += 1
        return self.places.pop(0) if len(self.places) > 1 else self.places[0]


@dataclass
class Phone:
    """Calls to workers; nobody is at the addresses in `dead`."""

    dead: set[str] = field(default_factory=set)
    calls: list[tuple[str, str]] = field(default_factory=list)

    async def ask(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline, /
    ) -> bytes:
        self.calls.append((address, name))
        if address in self.dead:
            raise WorkerNotAvailable("The account's worker went away")
        return b'{"path":"Sent","isRepeat":true}'

    async def stream(
        self, address: str, account: str, name: str, body: bytes, deadline: Deadline, /
    ) -> Download:
        raise NotImplementedError


OLD = Place(owner=Owner(worker="w1", epoch=1), address="unix:///1")
NEW = Place(owner=Owner(worker="w2", epoch=2), address="unix:///2")
LIST = ListMessages(path="INBOX")


def soon() -> Deadline:
    return Deadline.after(FakeClock(), 10)


async def test_the_owner_is_asked_and_its_bytes_are_passed_on() -> None:
    town, phone = Town([OLD]), Phone()
    answer = await Gateway(town, phone).ask("a", LIST, soon())
    assert answer.startswith(b'{"path"')
    assert (phone.calls, town.asked) == ([("unix:///1", "list_messages")], 1)


async def test_a_typed_answer_is_a_value() -> None:
    asked = AppendMessage(path="Sent", raw=b"x", once=True)
    stored = await Gateway(Town([OLD]), Phone()).ask_typed("a", asked, soon())
    assert stored == MessageStored(path="Sent", is_repeat=True)


async def test_a_new_owner_is_asked_when_the_old_one_is_gone() -> None:
    phone = Phone(dead={"unix:///1"})
    await Gateway(Town([OLD, NEW]), phone).ask("a", LIST, soon())
    assert [address for address, _ in phone.calls] == ["unix:///1", "unix:///2"]


@pytest.mark.parametrize(
    ("operation", "calls"),
    [
        (AppendMessage(path="Sent", raw=b"x"), 1),
        (MoveMessage(message="x", path="y"), 1),
        (DeleteMessage(message="x"), 1),
        (AppendMessage(path="Sent", raw=b"x", once=True), 2),
    ],
)
async def test_what_might_be_done_twice_is_not_repeated(operation: Operation, calls: int) -> None:
    phone = Phone(dead={"unix:///1", "unix:///2"})
    with pytest.raises(WorkerNotAvailable):
        await Gateway(Town([OLD, NEW]), phone).ask("a", operation, soon())
    assert len(phone.calls) == calls


async def test_the_same_dead_owner_is_not_asked_again() -> None:
    phone = Phone(dead={"unix:///1"})
    with pytest.raises(WorkerNotAvailable):
        await Gateway(Town([OLD]), phone).ask("a", LIST, soon())
    assert len(phone.calls) == 1


async def test_an_account_without_owner_is_a_503() -> None:
    with pytest.raises(WorkerNotAvailable):
        await Gateway(Town([Place()]), Phone()).ask("a", LIST, soon())


async def test_an_unknown_account_is_a_404() -> None:
    with pytest.raises(AccountNotFound):
        await Gateway(Town([OLD]), Phone()).ask("unknown", LIST, soon())


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (AccountState.INIT, "NotYetConnected"),
        (AccountState.AUTHENTICATION_ERROR, "AuthenticationFails"),
        (AccountState.CONNECT_ERROR, "ConnectionError"),
        (AccountState.UNSET, "NotSyncing"),
        (AccountState.PAUSED, "NoAvailable"),
        (AccountState.DISCONNECTED, "NoAvailable"),
    ],
)
async def test_an_unusable_account_says_why(state: AccountState, code: str) -> None:
    place = Place(state, OLD.owner, OLD.address)
    gateway = Gateway(Town([place]), Phone())
    with pytest.raises(AccountUnusable) as refused:
        await gateway.ask("a", LIST, soon())
    assert refused.value.public_code == code
    assert refused.value.extra == {"state": state.value}
    await gateway.ask("a", RequestReconnect(), soon())
