"""Mailboxes: the cursor and the index of each, its number in message ids, what was seen before.

The index of a mailbox is a hash of packed blocks whose content only the provider understands.
A step of sync is one fenced script that writes cursor, blocks and events together (invariants I9,
I15, I22); nothing here is written without its owner but folder numbers, which never change.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from postroom.errors import AccountNotFound
from postroom.model.event import PreparedEvent
from postroom.model.mailbox import MailboxCursor
from postroom.model.owner import Owner
from postroom.model.wire import encode
from postroom.store.connection import Argument, Store
from postroom.store.event_arguments import triples
from postroom.store.keys import partition_of
from postroom.store.scripts import Script
from postroom.store.wake import channel, events_topic

# Message-IDs remembered per account for contract C11: some 1 MB; beyond it the oldest are
# forgotten, and a copy that turns up that late looks new again.
SIGHTS_KEPT = 10_000
# Notes about moves per account, two a message: some 3 MB. The oldest are forgotten; a message
# that moves after that is told as deleted and new only.
MOVES_KEPT = 20_000
# Of a SHA-256: with 10,000 remembered, two differing Message-IDs collide once in 10^15.
_SIGHT_BYTES = 8
_UID_VALIDITY_BYTES = 8


class Mailboxes:
    """The mailboxes of all accounts."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def cursors(self, account: str) -> dict[str, MailboxCursor]:
        """What is recorded of each known mailbox, by path."""
        rows = await self._store.batch([("HGETALL", self._key(account, "mailboxes"))])
        return {
            path.decode(): msgspec.json.decode(raw, type=MailboxCursor)
            for path, raw in rows[0].items()
        }

    async def cursor(self, account: str, path: str) -> MailboxCursor | None:
        """What is recorded of one mailbox."""
        raw = await self._store.command("HGET", self._key(account, "mailboxes"), path)
        return msgspec.json.decode(raw, type=MailboxCursor) if raw is not None else None

    async def number_for(self, account: str, uid_validity: int, path: str) -> int:
        """The folder number of message ids (contract A2). Raises AccountNotFound."""
        keys = [self._store.keys.account(account), self._key(account, "numbers")]
        pair = uid_validity.to_bytes(_UID_VALIDITY_BYTES, "big") + path.encode()
        number = int(await self._store.run(Script.NUMBER_MAILBOX, keys, [pair]))
        if number == 0:
            raise AccountNotFound("Account was not found")
        return number

    async def resolve(self, account: str, number: int) -> tuple[int, str] | None:
        """UIDVALIDITY and path of a folder number; None when it was never handed out."""
        pair = await self._store.command("HGET", self._key(account, "numbers"), f"n:{number}")
        if pair is None:
            return None
        validity, path = pair[:_UID_VALIDITY_BYTES], pair[_UID_VALIDITY_BYTES:]
        return int.from_bytes(validity, "big"), path.decode()

    async def blocks(self, account: str, number: int) -> dict[int, bytes]:
        """The index blocks of a mailbox by block number."""
        rows = await self._store.batch([("HGETALL", self._store.keys.index(account, number))])
        return {int(block): raw for block, raw in rows[0].items()}

    async def some_blocks(
        self, account: str, number: int, wanted: Sequence[int]
    ) -> dict[int, bytes]:
        """These blocks of the index of a mailbox; no bytes for one that is not stored."""
        if not wanted:
            return {}
        rows = await self._store.command("HMGET", self._store.keys.index(account, number), *wanted)
        return {block: raw or b"" for block, raw in zip(wanted, rows, strict=True)}

    async def has_index(self, account: str, number: int) -> bool:
        """Whether anything of the index of a mailbox is stored."""
        return bool(await self._store.command("EXISTS", self._store.keys.index(account, number)))

    async def commit(
        self,
        account: str,
        owner: Owner,
        cursor: MailboxCursor,
        *,
        blocks: Mapping[int, bytes],
        dropped_number: int | None = None,
        events: Sequence[PreparedEvent] = (),
        sighted: Sequence[str] = (),
        moves: Mapping[str, bytes] | None = None,
    ) -> None:
        """Write one step of sync with its events, or nothing of it. Raises Fenced.

        An empty block removes the block; `dropped_number` names an index to drop first;
        `sighted` are the Message-IDs that `first_sights` was asked about for the events, `moves`
        what to remember of moves by field; no bytes forget a field.
        """
        keys = self._step_keys(account, cursor.number)
        keys.insert(4, self._key(account, "seen"))
        keys += [self._key(account, "moves"), self._key(account, "moves-order")]
        if dropped_number is not None:
            keys.append(self._store.keys.index(account, dropped_number))
        arguments: list[Argument] = [*self._step(account, owner, cursor.path), encode(cursor)]
        arguments += [SIGHTS_KEPT, len(blocks)]
        for block, raw in blocks.items():
            arguments += [block, raw]
        arguments += [len(sighted), *(_sight(message_id) for message_id in sighted)]
        notes = moves or {}
        arguments += [MOVES_KEPT, len(notes)]
        for field, raw in notes.items():
            arguments += [field, raw]
        await self._store.run(Script.COMMIT_MAILBOX, keys, arguments + triples(events))

    async def drop(
        self,
        account: str,
        owner: Owner,
        cursor: MailboxCursor,
        events: Sequence[PreparedEvent] = (),
    ) -> None:
        """Forget a mailbox that is gone, with its events; its number stays. Raises Fenced."""
        keys = self._step_keys(account, cursor.number)
        arguments = self._step(account, owner, cursor.path) + triples(events)
        await self._store.run(Script.DROP_MAILBOX, keys, arguments)

    async def trials(self, account: str) -> dict[tuple[int, int], int]:
        """How often reading a message, by folder number and UID, ended with its worker's life."""
        rows = await self._store.batch([("HGETALL", self._key(account, "trials"))])
        found = {}
        for name, times in rows[0].items():
            number, _, uid = name.partition(b":")
            found[int(number), int(uid)] = int(times)
        return found

    async def count_trial(
        self, account: str, owner: Owner, number: int, uids: Sequence[int], *, by: Literal[1, -1]
    ) -> None:
        """Count readings that begin (1), or that ended with the worker alive (-1). Fenced."""
        keys = [self._store.keys.of(account, "owners"), self._key(account, "trials")]
        names = [f"{number}:{uid}" for uid in uids]
        await self._store.run(Script.COUNT_TRIAL, keys, [account, owner.token, by, *names])

    async def forget_trials(self, account: str, number: int, uids: Sequence[int]) -> None:
        """The messages are harmless, or were given up."""
        names = [f"{number}:{uid}" for uid in uids]
        await self._store.command("HDEL", self._key(account, "trials"), *names)

    async def moved_notes(self, account: str, fields: Sequence[str]) -> dict[str, bytes]:
        """What is remembered of moves under these fields; a field not remembered is left out."""
        if not fields:
            return {}
        rows = await self._store.command("HMGET", self._key(account, "moves"), *fields)
        return {name: raw for name, raw in zip(fields, rows, strict=True) if raw is not None}

    async def first_sights(self, account: str, message_ids: Sequence[str]) -> list[bool]:
        """For each Message-ID whether it was never seen in the account before (contract C11).

        Nothing is remembered here: hand the same ids to `commit` as `sighted`, so that a kill
        between the two changes no answer.
        """
        key = self._key(account, "seen")
        sights = [_sight(message_id) for message_id in message_ids]
        scores = await self._store.batch([("ZSCORE", key, sight) for sight in sights])
        earlier: set[bytes] = set()
        answers = []
        for sight, score in zip(sights, scores, strict=True):
            answers.append(score is None and sight not in earlier)
            earlier.add(sight)
        return answers

    def _key(self, account: str, noun: str) -> str:
        return self._store.keys.account(account, noun)

    def _step_keys(self, account: str, number: int) -> list[str]:
        keys = self._store.keys
        return [
            keys.of(account, "owners"),
            keys.account(account),
            self._key(account, "mailboxes"),
            keys.index(account, number),
            keys.of(account, "events"),
        ]

    def _step(self, account: str, owner: Owner, path: str) -> list[Argument]:
        topic = events_topic(partition_of(account))
        return [account, owner.token, channel(self._store, topic), path]


def _sight(message_id: str) -> bytes:
    return hashlib.sha256(message_id.encode(errors="surrogatepass")).digest()[:_SIGHT_BYTES]
