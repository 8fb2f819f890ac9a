"""Access tokens: stored under the hash of their value, never by the value (contract A10, N7).

A token is one JSON record; a sorted set keeps the order of creation, a set per account the tokens
that are bound to it. The record of an expired token is removed by the store itself, its id from
the sets when they are read next.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import msgspec

from postroom.clock import Clock, iso, parse_iso
from postroom.crypto import new_token_value, token_id
from postroom.model.paging import page_count
from postroom.model.token import TokenAccess, TokenRecord
from postroom.model.wire import encode
from postroom.store.connection import Argument, Store
from postroom.store.scripts import Script
from postroom.store.token_export import pack, unpack

__all__ = ["TokenPage", "Tokens", "drop_tokens_of", "pack", "unpack"]

# Records asked for in one round trip: one holds up to 1 MB of the caller's metadata.
_CHUNK = 200


@dataclass(frozen=True, slots=True)
class TokenPage:
    """One page of tokens, newest first; `pages` is at least 1 (contract B1)."""

    total: int
    pages: int
    items: tuple[TokenRecord, ...]


class Tokens:
    """The tokens of the store."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def issue(self, record: TokenRecord) -> str:
        """Store a new token and return its value, which is kept nowhere."""
        value = new_token_value()
        await self.add(
            msgspec.structs.replace(record, id=token_id(value), created_ms=self._clock.now_ms())
        )
        return value

    async def add(self, record: TokenRecord) -> bool:
        """Store a token that has its id; False, and nothing is changed, when the id exists."""
        keys = [self._token(record.id), self._store.keys.shared("tokens")]
        if record.account is not None:
            keys.append(_bound(self._store, record.account))
        ttl_ms: int | str = ""
        if record.expires is not None:
            ttl_ms = max(1, parse_iso(record.expires) - self._clock.now_ms())
        arguments: list[Argument] = [record.id, encode(record), record.created_ms, ttl_ms]
        return bool(await self._store.run(Script.PUT_TOKEN, keys, arguments))

    async def find_by_value(self, value: str) -> TokenRecord | None:
        """The token of a value; None when unknown, expired or not of a token's form.

        This is the question to ask about a request: an id must open no door.
        """
        return await self._first(_ids(value)[:1])

    async def find(self, value_or_id: str) -> TokenRecord | None:
        """The token of a value or of an id, for who administers tokens."""
        return await self._first(_ids(value_or_id))

    async def list(
        self, *, page: int = 0, page_size: int = 20, account: str | None = None, query: str = ""
    ) -> TokenPage:
        """A page of all tokens, or of those bound to `account`; `query` looks into their texts."""
        records = [
            record for record in await self._all(account) if _matches(record, query.casefold())
        ]
        start = page * page_size
        return TokenPage(
            total=len(records),
            pages=page_count(len(records), page_size),
            items=tuple(records[start : start + page_size]),
        )

    async def delete(self, value_or_id: str) -> bool:
        """Remove a token; False when there is none."""
        record = await self.find(value_or_id)
        if record is None:
            return False
        await self._remove(record.id, record.account)
        return True

    async def touch(self, token: str, ip: str | None) -> None:
        """Note the last use of the token with the id `token`."""
        found = await self._find_all([token])
        if found:
            access = TokenAccess(time=iso(self._clock.now_ms()), ip=ip)
            record = msgspec.structs.replace(found[0], access=access)
            await self._store.run(Script.TOUCH_TOKEN, [self._token(token)], [encode(record)])

    async def export_packed(self, value_or_id: str) -> str | None:
        """The one-line export of a token (contract config.md 3)."""
        record = await self.find(value_or_id)
        return None if record is None else pack(record)

    async def import_packed(self, text: str) -> bool:
        """Store an exported token; False when its id exists. Raises ConfigurationError."""
        return await self.add(unpack(text))

    async def _all(self, account: str | None) -> Sequence[TokenRecord]:
        keys = self._store.keys
        if account is None:
            ids = await self._store.command("ZREVRANGE", keys.shared("tokens"), 0, -1)
        else:
            ids = await self._store.command("SMEMBERS", _bound(self._store, account))
        names = [name.decode() for name in ids]
        records: list[TokenRecord] = []
        for chunk in _chunks(names):
            records += await self._find_all(chunk)
        await self._forget(set(names) - {record.id for record in records}, account)
        records.sort(key=lambda record: (-record.created_ms, record.id))
        return records

    async def _first(self, ids: Sequence[str]) -> TokenRecord | None:
        found = await self._find_all(ids)
        return found[0] if found else None

    async def _find_all(self, ids: Iterable[str]) -> Sequence[TokenRecord]:
        raws = await self._store.batch([("GET", self._token(name)) for name in ids])
        records = [msgspec.json.decode(raw, type=TokenRecord) for raw in raws if raw is not None]
        alive = []
        for record in records:
            if record.expires is None or parse_iso(record.expires) > self._clock.now_ms():
                alive.append(record)
            else:
                await self._remove(record.id, record.account)
        return alive

    async def _remove(self, token: str, account: str | None) -> None:
        await self._store.command("UNLINK", self._token(token))
        await self._forget({token}, account)

    async def _forget(self, ids: set[str], account: str | None) -> None:
        """Take ids without a record off the sets; the record goes first, so no kill hides it."""
        if not ids:
            return
        commands: list[tuple[str, ...]] = [("ZREM", self._store.keys.shared("tokens"), *ids)]
        if account is not None:
            commands.append(("SREM", _bound(self._store, account), *ids))
        await self._store.batch(commands)

    def _token(self, token: str) -> str:
        return self._store.keys.shared(f"token:{token}")


async def drop_tokens_of(store: Store, account: str) -> int:
    """Remove every token that is bound to an account; how many there were."""
    keys = [_bound(store, account), store.keys.shared("tokens")]
    return int(await store.run(Script.DROP_TOKENS, keys, [store.keys.shared("token:")]))


def _bound(store: Store, account: str) -> str:
    return store.keys.shared(f"account-tokens:{account}")


def _ids(value_or_id: str) -> list[str]:
    """The id of the value first; a text of another form names no token."""
    try:
        return [token_id(value_or_id), value_or_id.lower()]
    except ValueError:
        return []


def _matches(record: TokenRecord, query: str) -> bool:
    texts = (record.description, record.account or "", record.id)
    return not query or any(query in text.casefold() for text in texts)


def _chunks(names: list[str]) -> Iterable[list[str]]:
    names_left = iter(names)
    return iter(lambda: list(itertools.islice(names_left, _CHUNK)), [])
