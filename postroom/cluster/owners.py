"""Who holds which account: one hash per partition, written by two scripts only.

A hold is `worker:epoch`. The epoch comes from the partition's counter `owners-version`, which
rises with every change and never falls, so a token is never valid twice (invariant I22). The same
counter tells a worker cheaply that nothing has changed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from postroom.cluster.members import Member, Members
from postroom.errors import AccountNotFound
from postroom.model.account import AccountState
from postroom.model.owner import Owner, parse_owner
from postroom.store.connection import Argument, Store
from postroom.store.keys import partition_of
from postroom.store.scripts import Script
from postroom.store.wake import ASSIGN_TOPIC, channel, worker_topic

# Accounts that one script assigns or releases; more would hold up the store.
_BATCH = 500
_ANY = "*"


@dataclass(frozen=True, slots=True)
class Give:
    """An account for a worker, if its owner is still the one that was `seen` (None: nobody)."""

    account: str
    worker: str
    seen: Owner | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """Where an account stands: its state, and its live owner if it has one."""

    state: AccountState
    owner: Owner | None
    member: Member | None


class Owners:
    """The holds of all accounts."""

    def __init__(self, store: Store, members: Members) -> None:
        self._store = store
        self._members = members
        self._versions: dict[int, bytes | None] = {}
        self._holds: dict[int, dict[str, Owner]] = {}

    async def assign(self, account: str, worker: str) -> Owner:
        """Give an account to a worker, whoever holds it. Raises AccountNotFound."""
        triples: list[Argument] = [account, worker, _ANY]
        (epoch,) = await self._assign(partition_of(account), triples)
        if epoch == 0:
            raise AccountNotFound("Account was not found")
        return Owner(worker=worker, epoch=epoch)

    async def give(self, gifts: Iterable[Give]) -> dict[str, Owner]:
        """Give many accounts; those that are gone or changed hands meanwhile are left out."""
        given: dict[str, Owner] = {}
        for partition, batch in _batches(gifts):
            triples: list[Argument] = []
            for gift in batch:
                triples += [gift.account, gift.worker, gift.seen.token if gift.seen else ""]
            epochs = await self._assign(partition, triples)
            for gift, epoch in zip(batch, epochs, strict=True):
                if epoch:
                    given[gift.account] = Owner(worker=gift.worker, epoch=epoch)
        return given

    async def release(self, account: str, owner: Owner) -> bool:
        """Give one's hold back; False when it was lost before."""
        return await self.release_all({account: owner}) == 1

    async def release_all(self, holds: Mapping[str, Owner]) -> int:
        """Give many holds back (hand-over on SIGTERM); how many were still held."""
        gifts = [Give(account, owner.worker, owner) for account, owner in holds.items()]
        released = 0
        for partition, batch in _batches(gifts):
            pairs: list[Argument] = [channel(self._store, ASSIGN_TOPIC)]
            for gift in batch:
                pairs += [gift.account, gift.seen.token if gift.seen else ""]
            keys = self._keys(partition, "owners", "owners-version")
            released += int(await self._store.run(Script.DISOWN_ACCOUNTS, keys, pairs))
        return released

    async def holds(self) -> dict[str, Owner]:
        """Every hold there is; only partitions that changed since the last question are read."""
        partitions = list(self._store.keys.partitions())
        versions = await self._store.batch(
            [("GET", *self._keys(partition, "owners-version")) for partition in partitions]
        )
        latest = dict(zip(partitions, versions, strict=True))
        changed = [one for one in partitions if self._versions.get(one, b"") != latest[one]]
        rows = await self._store.batch(
            [("HGETALL", *self._keys(partition, "owners")) for partition in changed]
        )
        for partition, fields in zip(changed, rows, strict=True):
            # The holds may be newer than the version that was read before them, never older.
            self._holds[partition] = {
                account.decode(): parse_owner(token.decode()) for account, token in fields.items()
            }
            self._versions[partition] = latest[partition]
        return {name: owner for holds in self._holds.values() for name, owner in holds.items()}

    async def owned_by(self, worker: str) -> dict[str, int]:
        """The accounts of a worker with the epoch of each hold."""
        holds = await self.holds()
        return {name: owner.epoch for name, owner in holds.items() if owner.worker == worker}

    async def owner_of(self, account: str) -> tuple[Owner, Member] | None:
        """The live owner of an account, if there is one."""
        key = self._store.keys.of(account, "owners")
        return await self._live(await self._store.command("HGET", key, account))

    async def placement(self, account: str) -> Placement:
        """State and live owner in one round trip. Raises AccountNotFound."""
        state, token = await self._store.batch(
            [
                ("HGET", self._store.keys.account(account), "state"),
                ("HGET", self._store.keys.of(account, "owners"), account),
            ]
        )
        if state is None:
            raise AccountNotFound("Account was not found")
        owner, member = await self._live(token) or (None, None)
        return Placement(AccountState(state.decode()), owner, member)

    async def _live(self, token: bytes | None) -> tuple[Owner, Member] | None:
        if token is None:
            return None
        owner = parse_owner(token.decode())
        member = await self._members.find(owner.worker)
        return None if member is None else (owner, member)

    async def _assign(self, partition: int, triples: list[Argument]) -> list[int]:
        keys = self._keys(partition, "owners", "owners-version", "accounts")
        arguments = [channel(self._store, worker_topic("")), *triples]
        epochs: list[int] = await self._store.run(Script.ASSIGN_ACCOUNTS, keys, arguments)
        return epochs

    def _keys(self, partition: int, *names: str) -> list[str]:
        return [self._store.keys.part(partition, name) for name in names]


def _batches(gifts: Iterable[Give]) -> list[tuple[int, list[Give]]]:
    by_partition: defaultdict[int, list[Give]] = defaultdict(list)
    for gift in gifts:
        by_partition[partition_of(gift.account)].append(gift)
    return [
        (partition, items[start : start + _BATCH])
        for partition, items in by_partition.items()
        for start in range(0, len(items), _BATCH)
    ]
