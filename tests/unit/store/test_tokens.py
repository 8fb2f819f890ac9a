"""Tokens through their door, on a real store."""

from __future__ import annotations

import base64
import hashlib
from datetime import UTC, datetime

import msgspec
import pytest

from postroom.clock import iso
from postroom.errors import ConfigurationError
from postroom.model.token import (
    RateLimit,
    TokenPermissions,
    TokenRecord,
    TokenRestrictions,
)
from postroom.store.connection import Store
from postroom.store.tokens import Tokens, drop_tokens_of, pack, unpack
from tests.fakes.clock import FakeClock
from tests.unit.store.census import keys_of

FULL = TokenRecord(
    description="my app \u4e2d",
    scopes=("api", "smtp"),
    account="a:{1}*",
    permissions=TokenPermissions(actions=("read",), groups=("message",)),
    restrictions=TokenRestrictions(
        addresses=("10.0.0.0/8",),
        referrers=False,
        rate_limit=RateLimit(max_requests=5, time_window=60),
    ),
    metadata='{"a":1}',
    ip="10.0.0.1",
    remote_address="10.0.0.2",
)


@pytest.fixture
def tokens(store: Store, clock: FakeClock) -> Tokens:
    return Tokens(store, clock)


async def test_a_token_is_found_by_its_value_and_stored_under_its_hash_only(
    tokens: Tokens, store: Store, clock: FakeClock
) -> None:
    value = await tokens.issue(FULL)
    assert len(bytes.fromhex(value)) == 32
    record = await tokens.find_by_value(value)
    assert record is not None
    token = hashlib.sha256(bytes.fromhex(value)).hexdigest()
    assert record == msgspec.structs.replace(FULL, id=token, created_ms=clock.now_ms())
    for name in await keys_of(store):
        assert value not in name
        assert value.encode() not in await store.command("DUMP", name)


async def test_an_id_opens_no_door_but_names_the_token(tokens: Tokens) -> None:
    value = await tokens.issue(FULL)
    record = await tokens.find(value)
    assert record is not None
    assert await tokens.find(record.id) == record
    assert await tokens.find_by_value(record.id) is None


@pytest.mark.parametrize(
    "value", ["", "x", "*", "0" * 63, "0" * 65, "g" * 64, "0" * 64, "\u0660" * 64, " " * 128]
)
async def test_what_is_no_token_finds_nothing(tokens: Tokens, value: str) -> None:
    await tokens.issue(FULL)
    assert await tokens.find_by_value(value) is None
    assert await tokens.find(value) is None
    assert not await tokens.delete(value)


async def test_a_value_in_capitals_is_the_same_token(tokens: Tokens) -> None:
    value = await tokens.issue(FULL)
    assert await tokens.find_by_value(value.upper()) is not None


async def test_a_token_is_deleted_by_value_or_id_and_leaves_no_key(
    tokens: Tokens, store: Store
) -> None:
    first, second = await tokens.issue(FULL), await tokens.issue(FULL)
    record = await tokens.find(second)
    assert record is not None
    assert await tokens.delete(first)
    assert await tokens.delete(record.id)
    assert not await tokens.delete(first)
    assert await tokens.find_by_value(first) is None
    assert await keys_of(store) == set()


async def test_an_expired_token_is_refused_and_its_record_removed(
    tokens: Tokens, store: Store, clock: FakeClock
) -> None:
    expires = iso(clock.now_ms() + 60_000)
    value = await tokens.issue(msgspec.structs.replace(FULL, expires=expires))
    assert await tokens.find_by_value(value) is not None
    await clock.advance(60)
    assert await tokens.find_by_value(value) is None
    assert await keys_of(store) == set()


async def test_an_expired_token_is_not_listed_and_leaves_the_sets(
    tokens: Tokens, store: Store, clock: FakeClock
) -> None:
    expires = iso(clock.now_ms() + 60_000)
    await tokens.issue(msgspec.structs.replace(FULL, expires=expires))
    await clock.advance(61)
    assert (await tokens.list()).total == 0
    assert (await tokens.list(account=FULL.account)).total == 0
    assert await keys_of(store) == set()


async def test_the_store_removes_the_record_of_an_expiring_token_by_itself(
    tokens: Tokens, store: Store, clock: FakeClock
) -> None:
    expires = iso(clock.now_ms() + 60_000)
    value = await tokens.issue(msgspec.structs.replace(FULL, expires=expires))
    record = await tokens.find(value)
    assert record is not None
    await tokens.touch(record.id, "1.2.3.4")
    left = await store.command("PTTL", store.keys.shared(f"token:{record.id}"))
    assert 0 < left <= 60_000


async def test_the_last_use_is_noted_and_revives_no_deleted_token(
    tokens: Tokens, store: Store, clock: FakeClock
) -> None:
    value = await tokens.issue(FULL)
    record = await tokens.find(value)
    assert record is not None
    await tokens.touch(record.id, "1.2.3.4")
    touched = await tokens.find(value)
    assert touched is not None
    assert (touched.access.time, touched.access.ip) == (iso(clock.now_ms()), "1.2.3.4")
    await tokens.delete(value)
    await tokens.touch(record.id, "1.2.3.4")
    assert await keys_of(store) == set()


async def test_tokens_are_listed_newest_first_in_pages_by_account_and_by_text(
    tokens: Tokens, clock: FakeClock
) -> None:
    for number in range(5):
        await tokens.issue(
            TokenRecord(description=f"App {number}", account="a" if number % 2 else None)
        )
        await clock.advance(1)
    page = await tokens.list(page=1, page_size=2)
    assert (page.total, page.pages) == (5, 3)
    assert [record.description for record in page.items] == ["App 2", "App 1"]
    bound = await tokens.list(account="a")
    assert [record.description for record in bound.items] == ["App 3", "App 1"]
    assert [one.description for one in (await tokens.list(query="aPP 4")).items] == ["App 4"]
    assert (await tokens.list(account="nobody")).pages == 1


async def test_the_tokens_of_an_account_are_dropped_together(tokens: Tokens, store: Store) -> None:
    free = await tokens.issue(TokenRecord(description="free"))
    await tokens.issue(FULL)
    await tokens.issue(FULL)
    assert await drop_tokens_of(store, "a:{1}*") == 2
    assert await drop_tokens_of(store, "a:{1}*") == 0
    assert [one.description for one in (await tokens.list()).items] == ["free"]
    assert await tokens.find_by_value(free) is not None


async def test_an_exported_token_is_imported_once_and_works_with_the_same_value(
    tokens: Tokens, store: Store
) -> None:
    value = await tokens.issue(FULL)
    record = await tokens.find(value)
    exported = await tokens.export_packed(value)
    assert exported is not None
    await tokens.delete(value)
    assert await tokens.import_packed(exported)
    assert not await tokens.import_packed(exported)
    assert await tokens.find_by_value(value) == record
    assert await tokens.export_packed("0" * 64) is None


def test_an_exported_token_is_base64url_message_pack_of_the_contract() -> None:
    record = msgspec.structs.replace(
        FULL, id="ab" * 32, created_ms=1_700_000_000_000, expires="2030-01-01T00:00:00.000Z"
    )
    text = pack(record)
    assert "=" not in text
    raw = msgspec.msgpack.decode(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    assert raw["id"] == "ab" * 32
    assert raw["created"] == 1_700_000_000_000
    assert raw["scopes"] == ["api", "smtp"]
    assert raw["remoteAddress"] == "10.0.0.2"
    assert raw["restrictions"]["rateLimit"] == {"maxRequests": 5, "timeWindow": 60}
    assert unpack(text) == record


@pytest.mark.parametrize(
    "created",
    [1_700_000_000_000, "2023-11-14T22:13:20.000Z", datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)],
)
def test_the_time_of_creation_is_read_in_each_form(created: object) -> None:
    raw = msgspec.msgpack.encode({"id": "0" * 64, "created": created, "account": None})
    record = unpack(base64.urlsafe_b64encode(raw).decode().rstrip("="))
    assert (record.created_ms, record.scopes, record.account) == (1_700_000_000_000, (), None)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xc1",
        msgspec.msgpack.encode({"created": 1}),
        msgspec.msgpack.encode({"id": "0" * 64}),
        msgspec.msgpack.encode({"id": "0" * 63, "created": 1}),
        msgspec.msgpack.encode({"id": "z" * 64, "created": 1}),
        msgspec.msgpack.encode({"id": "0" * 64, "created": True}),
        msgspec.msgpack.encode({"id": "0" * 64, "created": "soon"}),
        msgspec.msgpack.encode({"id": "0" * 64, "created": 1, "scopes": "*"}),
        msgspec.msgpack.encode({"id": "0" * 64, "created": 1, "expires": 1e300}),
        msgspec.msgpack.encode([1, 2]),
    ],
)
def test_what_is_not_an_exported_token_is_refused(raw: bytes) -> None:
    with pytest.raises(ConfigurationError):
        unpack(base64.urlsafe_b64encode(raw).decode().rstrip("="))


@pytest.mark.parametrize("text", ["***", "\u4e2d", "a"])
def test_text_that_is_not_base64url_is_refused(text: str) -> None:
    with pytest.raises(ConfigurationError):
        unpack(text)
