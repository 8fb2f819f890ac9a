"""Accounts: their registrations and their health, written atomically with their events.

One hash per account (`account_hash.py`) and one sorted set of ids per partition. The owner writes
the health, fenced; registering, changing and deleting are anybody's. A deleted account leaves no
key (invariant I21): `delete_account.lua` knows every kind of key that an account can have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from postroom.clock import Clock
from postroom.crypto import Sealer
from postroom.errors import AccountNotFound, SealBroken, StoreUnavailable
from postroom.model.account import Account, AccountState, AccountStatus
from postroom.model.event import PreparedEvent
from postroom.model.owner import Owner
from postroom.model.paging import page_count
from postroom.model.wire import encode, encode_record
from postroom.store.account_hash import StateUpdate, read_account, read_status, written
from postroom.store.account_listing import AccountFilter, every_id, matching
from postroom.store.connection import Argument, Store
from postroom.store.event_arguments import triples
from postroom.store.keys import partition_of
from postroom.store.scripts import Script
from postroom.store.tokens import drop_tokens_of
from postroom.store.wake import ASSIGN_TOPIC, channel, events_topic, worker_topic

__all__ = ["AccountPage", "Accounts", "StateUpdate"]

Registered = Literal["new", "existing"]
# A change loses its compare-and-set only to another change of the same account.
_UPDATE_ATTEMPTS = 20
_DAY_MS = 86_400_000
# The keys of delete_account.lua after the account's own hash, in its order.
_SHARED = ("accounts", "owners", "owners-version")
_NOUNS = ("mailboxes", "numbers", "seen", "lanes", "outboxes")
_LOG_AND_QUEUES = (
    "events",
    "schedule:submit",
    "leases:submit",
    "failed:submit",
    "schedule:notify",
    "leases:notify",
    "failed:notify",
)


@dataclass(frozen=True, slots=True)
class AccountPage:
    """One page of accounts by id; `pages` is at least 1 (contract B1)."""

    total: int
    pages: int
    items: list[tuple[Account, AccountStatus]]


class Accounts:
    """The accounts of the store."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock

    async def create(self, account: Account, events: Sequence[PreparedEvent]) -> Registered:
        """Register an account, or replace the record of an existing one (contract J7).

        The events are logged only when the account is new; the time of creation never changes.
        """
        name = account.account
        of = self._store.keys.of
        keys = [
            self._store.keys.account(name),
            of(name, "accounts"),
            of(name, "owners"),
            of(name, "events"),
        ]
        arguments: list[Argument] = [name, self._record(account), self._clock.now_ms()]
        arguments += [self._events(name), channel(self._store, ASSIGN_TOPIC), self._workers()]
        arguments += triples(events)
        is_new = await self._store.run(Script.CREATE_ACCOUNT, keys, arguments)
        return "new" if is_new else "existing"

    async def replace(self, account: Account) -> None:
        """Replace the record of an existing account. Raises AccountNotFound."""
        await self._replace(account, "")

    async def update(self, name: str, change: Callable[[Account], Account]) -> Account:
        """Replace an account by `change(account)`, by compare-and-set; `change` may run again."""
        for _ in range(_UPDATE_ATTEMPTS):
            fields = await self._fields(name)
            account = change(read_account(fields, self._sealer.unseal))
            if await self._replace(account, fields[b"revision"].decode()):
                return account
        raise StoreUnavailable("The account is being changed by too many others")

    async def get(self, name: str) -> Account:
        """The registration of an account. Raises AccountNotFound."""
        account, _ = await self.get_with_status(name)
        return account

    async def find(self, name: str) -> Account | None:
        """The registration of an account, if there is one."""
        try:
            return await self.get(name)
        except AccountNotFound:
            return None

    async def get_with_status(self, name: str) -> tuple[Account, AccountStatus]:
        """The registration and the health of an account. Raises AccountNotFound."""
        return self._read(await self._fields(name))

    async def list(
        self,
        *,
        page: int = 0,
        page_size: int = 20,
        state: AccountState | None = None,
        query: str = "",
    ) -> AccountPage:
        """A page of the accounts that pass the filters, sorted by id; their secrets stay sealed."""
        ids = await matching(self._store, AccountFilter(state, query))
        wanted = ids[page * page_size : (page + 1) * page_size]
        return AccountPage(
            total=len(ids),
            pages=page_count(len(ids), page_size),
            items=[
                _listed(name, fields)
                for name, fields in zip(wanted, await self._hashes(wanted), strict=True)
                if fields
            ],
        )

    async def ids(self) -> Sequence[str]:
        """The ids of all accounts, sorted."""
        return await every_id(self._store)

    async def revisions(self, names: Sequence[str]) -> dict[str, int]:
        """How often the record of each account was written; an account that is gone is left out."""
        replies = await self._store.batch(
            [("HGET", self._store.keys.account(name), "revision") for name in names]
        )
        pairs = zip(names, replies, strict=True)
        return {name: int(reply) for name, reply in pairs if reply is not None}

    async def delete(self, name: str, events: Sequence[PreparedEvent]) -> None:
        """Remove an account with everything of it. Raises AccountNotFound.

        Its tokens live in another slot: they go first, so that a kill in between leaves an
        account to delete again, and once more afterwards, in case one was issued meanwhile.
        """
        await drop_tokens_of(self._store, name)
        keys = self._store.keys
        fixed = [keys.account(name), *(keys.of(name, part) for part in _SHARED)]
        fixed += [keys.account(name, noun) for noun in _NOUNS]
        fixed += [keys.of(name, part) for part in _LOG_AND_QUEUES]
        arguments: list[Argument] = [name, keys.of(name, ""), self._events(name), self._workers()]
        further = [keys.account(name, f"idempotency:{day}") for day in self._days()]
        further += [
            keys.account(name, noun) for noun in ("trials", "protocol-log", "moves", "moves-order")
        ]
        arguments += [len(further), *further, *triples(events)]
        was_there = await self._store.run(Script.DELETE_ACCOUNT, fixed, arguments)
        await drop_tokens_of(self._store, name)
        if not was_there:
            raise AccountNotFound("Account was not found")

    async def set_state(
        self,
        name: str,
        owner: Owner,
        update: StateUpdate,
        events: Sequence[PreparedEvent] = (),
    ) -> None:
        """Write what the owner found out, with its events. Raises Fenced."""
        values, cleared = written(update)
        keys = [
            self._store.keys.of(name, "owners"),
            self._store.keys.account(name),
            self._store.keys.of(name, "events"),
        ]
        arguments: list[Argument] = [name, owner.token, self._events(name), len(values)]
        for field, value in values.items():
            arguments += [field, value]
        arguments += [len(cleared), *cleared, *triples(events)]
        await self._store.run(Script.SET_STATE, keys, arguments)

    async def set_smtp_status(self, name: str, status: Mapping[str, Any]) -> bool:
        """Note how the last delivery went; False when the account is gone."""
        keys = [self._store.keys.account(name)]
        return bool(await self._store.run(Script.SET_SMTP_STATUS, keys, [encode(status)]))

    async def _replace(self, account: Account, expected: str) -> bool:
        name = account.account
        keys = [self._store.keys.account(name), self._store.keys.of(name, "owners")]
        arguments: list[Argument] = [name, self._record(account), self._workers(), expected]
        revision = await self._store.run(Script.REPLACE_ACCOUNT, keys, arguments)
        if revision == 0:
            raise AccountNotFound("Account was not found")
        return bool(revision > 0)

    async def _fields(self, name: str) -> dict[bytes, bytes]:
        (fields,) = await self._hashes([name])
        if not fields:
            raise AccountNotFound("Account was not found")
        return fields

    async def _hashes(self, names: Iterable[str]) -> Sequence[dict[bytes, bytes]]:
        return await self._store.batch(
            [("HGETALL", self._store.keys.account(name)) for name in names]
        )

    def _read(self, fields: dict[bytes, bytes]) -> tuple[Account, AccountStatus]:
        return read_account(fields, self._sealer.unseal), read_status(fields)

    def _record(self, account: Account) -> bytes:
        return encode_record(account, self._sealer.seal)

    def _events(self, name: str) -> str:
        return channel(self._store, events_topic(partition_of(name)))

    def _workers(self) -> str:
        return channel(self._store, worker_topic(""))

    def _days(self) -> range:
        """The days whose idempotency buckets may live: two back, and one on for skewed clocks."""
        today = self._clock.now_ms() // _DAY_MS
        return range(today - 2, today + 2)


def _listed(name: str, fields: Mapping[bytes, bytes]) -> tuple[Account, AccountStatus]:
    # Nothing is opened: one account whose seal or record is broken must not hide the others.
    try:
        account = read_account(fields, lambda sealed: sealed)
    except SealBroken:
        account = Account(account=name)
    return account, read_status(fields)
