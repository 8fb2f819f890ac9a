"""Prepared settings, token and password (contract config.md 3)."""

from __future__ import annotations

import pytest

from postroom.auth.passwords import hash_password, is_password, pack_hash
from postroom.config.options import Options
from postroom.crypto import Sealer
from postroom.errors import ConfigurationError
from postroom.model.secret import Secret
from postroom.model.token import TokenRecord
from postroom.store.connection import Store
from postroom.store.settings import Settings
from postroom.store.tokens import Tokens
from postroom.supervisor.prepared import prepare
from tests.fakes.clock import FakeClock


def settings_of(store: Store, clock: FakeClock) -> Settings:
    return Settings(store, Sealer(None), clock)


async def test_settings_are_stored_and_unknown_keys_dropped(store: Store, clock: FakeClock) -> None:
    options = Options(prepared_settings={"webhooks": "https://example.com/", "nonsense": 1})
    await prepare(store, options, clock)
    assert await settings_of(store, clock).get("webhooks") == "https://example.com/"
    assert "nonsense" not in await settings_of(store, clock).stored()


@pytest.mark.parametrize("name", ["authData", "serviceId"])
async def test_internal_settings_cannot_be_prepared(
    store: Store, clock: FakeClock, name: str
) -> None:
    await prepare(store, Options(prepared_settings={name: "x"}), clock)
    assert await settings_of(store, clock).get(name) != "x"


async def test_a_setting_that_fails_validation_stops_the_start(
    store: Store, clock: FakeClock
) -> None:
    with pytest.raises(ConfigurationError, match="EENGINE_SETTINGS: webhooksEnabled"):
        await prepare(store, Options(prepared_settings={"webhooksEnabled": "maybe"}), clock)


async def test_seeds_fill_a_setting_the_first_time_only(store: Store, clock: FakeClock) -> None:
    await prepare(store, Options(smtp_port=2600, smtp_secret=Secret("s")), clock)
    await settings_of(store, clock).put({"smtpServerPort": 2700})
    await prepare(store, Options(smtp_port=2800), clock)
    found = await settings_of(store, clock).get_many(["smtpServerPort", "smtpServerPassword"])
    assert found == {"smtpServerPort": 2700, "smtpServerPassword": "s"}


async def test_a_token_is_imported_once(store: Store, clock: FakeClock) -> None:
    tokens = Tokens(store, clock)
    value = await tokens.issue(TokenRecord(description="first", scopes=("api",)))
    packed = await tokens.export_packed(value)
    assert packed is not None
    await tokens.delete(value)
    for _ in range(2):
        await prepare(store, Options(prepared_token=Secret(packed)), clock)
    found = await tokens.find_by_value(value)
    assert found is not None
    assert (found.description, found.scopes) == ("first", ("api",))
    assert (await tokens.list()).total == 1


async def test_a_bad_token_or_password_stops_the_start(store: Store, clock: FakeClock) -> None:
    with pytest.raises(ConfigurationError, match="EENGINE_PREPARED_TOKEN"):
        await prepare(store, Options(prepared_token=Secret("nonsense")), clock)
    for text in ("nonsense", pack_hash("$argon2$x"), "\xff"):
        with pytest.raises(ConfigurationError, match="EENGINE_PREPARED_PASSWORD"):
            await prepare(store, Options(prepared_password=Secret(text)), clock)


async def test_a_password_is_set_for_admin(store: Store, clock: FakeClock) -> None:
    packed = pack_hash(hash_password("correct horse"))
    await prepare(store, Options(prepared_password=Secret(packed)), clock)
    found = await settings_of(store, clock).get("authData")
    assert (found["user"], found["passwordVersion"]) == ("admin", clock.now_ms())
    assert is_password("correct horse", found["password"])
    assert not is_password("wrong horse", found["password"])


async def test_the_service_secret_is_made_once(store: Store, clock: FakeClock) -> None:
    await prepare(store, Options(), clock)
    first = await settings_of(store, clock).get("serviceSecret")
    await prepare(store, Options(), clock)
    assert first
    assert await settings_of(store, clock).get("serviceSecret") == first


async def test_requiring_tokens_follows_the_option_whenever_it_is_given(
    store: Store, clock: FakeClock
) -> None:
    await prepare(store, Options(require_api_auth=False), clock)
    assert await settings_of(store, clock).get("disableTokens") is True
    await prepare(store, Options(), clock)
    assert await settings_of(store, clock).get("disableTokens") is True
    await prepare(store, Options(require_api_auth=True), clock)
    assert await settings_of(store, clock).get("disableTokens") is False
