"""Holds and their epochs, on a real store."""

from __future__ import annotations

import asyncio

import pytest

from postroom.cluster.members import FRESH_MS, Member, Members
from postroom.cluster.owners import Give, Owners
from postroom.crypto import Sealer
from postroom.errors import AccountNotFound
from postroom.model.account import Account, AccountState
from postroom.model.owner import Owner, parse_owner
from postroom.store.accounts import Accounts, StateUpdate
from postroom.store.connection import Store
from tests.fakes.clock import FakeClock

ODD = ["a", "b:1", "{p00}*", "\u4e2d\u6587"]


@pytest.fixture
def members(store: Store, clock: FakeClock) -> Members:
    return Members(store, clock)


@pytest.fixture
async def owners(store: Store, clock: FakeClock, members: Members) -> Owners:
    """The holds of a store with a few accounts, none of them held."""
    accounts = Accounts(store, Sealer(None), clock)
    for name in ODD:
        await accounts.create(Account(account=name), [])
    return Owners(store, members)


async def test_an_epoch_rises_with_every_hold_even_over_a_release(owners: Owners) -> None:
    epochs = []
    for worker in ("w1", "w2", "w1", "w1"):
        owner = await owners.assign("a", worker)
        epochs.append(owner.epoch)
        await owners.release("a", owner)
    assert epochs == sorted(set(epochs))


async def test_a_worker_sees_what_it_owns(owners: Owners) -> None:
    given = {name: await owners.assign(name, "w1") for name in ODD[:3]}
    await owners.assign("\u4e2d\u6587", "w2")
    assert await owners.owned_by("w1") == {name: one.epoch for name, one in given.items()}
    await owners.release("a", given["a"])
    assert set(await owners.owned_by("w1")) == set(ODD[1:3])
    assert await owners.owned_by("nobody") == {}


async def test_changes_by_another_process_are_seen(
    owners: Owners, store: Store, members: Members
) -> None:
    other = Owners(store, members)
    assert await owners.holds() == {}
    owner = await other.assign("a", "w1")
    assert await owners.holds() == {"a": owner}
    await other.release("a", owner)
    assert await owners.holds() == {}


async def test_a_lost_hold_cannot_be_released(owners: Owners) -> None:
    stale = await owners.assign("a", "w1")
    current = await owners.assign("a", "w2")
    assert not await owners.release("a", stale)
    assert await owners.holds() == {"a": current}


async def test_many_holds_are_released_together(owners: Owners) -> None:
    holds = {name: await owners.assign(name, "w1") for name in ODD}
    holds["a"] = Owner(worker="w1", epoch=0)
    assert await owners.release_all(holds) == len(ODD) - 1
    assert set(await owners.holds()) == {"a"}


async def test_an_unknown_account_has_no_owner(owners: Owners) -> None:
    with pytest.raises(AccountNotFound):
        await owners.assign("nobody", "w1")
    with pytest.raises(AccountNotFound):
        await owners.placement("nobody")
    assert await owners.owner_of("nobody") is None
    assert await owners.give([Give("nobody", "w1")]) == {}
    assert await owners.holds() == {}


async def test_an_account_is_given_only_if_its_owner_is_the_one_that_was_seen(
    owners: Owners,
) -> None:
    held = await owners.assign("a", "w1")
    late = [Give("a", "w2"), Give("a", "w2", Owner(worker="w1", epoch=held.epoch + 1))]
    assert await owners.give(late) == {}
    given = await owners.give([Give("a", "w2", held), Give("b:1", "w2")])
    assert {name: owner.worker for name, owner in given.items()} == {"a": "w2", "b:1": "w2"}
    assert await owners.holds() == given


async def test_two_coordinators_give_an_account_once(owners: Owners) -> None:
    rounds = await asyncio.gather(
        *(owners.give([Give(name, f"w{number}") for name in ODD]) for number in range(4))
    )
    assert sorted(name for given in rounds for name in given) == sorted(ODD)


async def test_thousands_of_accounts_are_given_in_batches(
    owners: Owners, store: Store, clock: FakeClock
) -> None:
    accounts = Accounts(store, Sealer(None), clock)
    names = [f"n{number}" for number in range(1_200)]
    for name in names:
        await accounts.create(Account(account=name), [])
    given = await owners.give([Give(name, "w1") for name in names])
    assert len(given) == 1_200
    assert await owners.release_all(given) == 1_200


async def test_only_a_live_worker_is_an_owner(
    owners: Owners, members: Members, clock: FakeClock
) -> None:
    held = await owners.assign("a", "w1")
    assert await owners.owner_of("a") is None
    await members.register(Member(id="w1", kind="imap", node="n", pid=1, address="unix:///w1"))
    found = await owners.owner_of("a")
    assert found is not None
    assert (found[0], found[1].address) == (held, "unix:///w1")
    await clock.advance(FRESH_MS / 1000 + 1)
    assert await owners.owner_of("a") is None


async def test_a_placement_tells_state_and_owner(
    owners: Owners, members: Members, store: Store, clock: FakeClock
) -> None:
    await members.register(Member(id="w1", kind="imap", node="n", pid=1))
    place = await owners.placement("a")
    assert (place.state, place.owner, place.member) == (AccountState.INIT, None, None)
    held = await owners.assign("a", "w1")
    await Accounts(store, Sealer(None), clock).set_state(
        "a", held, StateUpdate(state=AccountState.CONNECTED)
    )
    place = await owners.placement("a")
    assert (place.state, place.owner) == (AccountState.CONNECTED, held)
    assert place.member is not None


def test_an_owner_token_is_read_back() -> None:
    owner = Owner(worker="node-imap-x1", epoch=12)
    assert parse_owner(owner.token) == owner


@pytest.mark.parametrize("token", ["", "w1", ":1", "w1:", "w1:x"])
def test_what_is_no_owner_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match=r"owner token|invalid literal"):
        parse_owner(token)
