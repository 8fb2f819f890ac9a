"""Runtime settings through their door, on a real store."""

from __future__ import annotations

import asyncio

import pytest

from postroom.crypto import Sealer
from postroom.errors import ConfigurationError, InvalidInput, SealBroken
from postroom.store.connection import Store
from postroom.store.layout import check_layout
from postroom.store.settings import Settings
from postroom.store.wake import SETTINGS_TOPIC, Wake
from tests.fakes.clock import FakeClock


@pytest.fixture
def settings(store: Store, clock: FakeClock) -> Settings:
    return Settings(store, Sealer("key"), clock)


async def test_an_empty_setting_has_its_default(settings: Settings) -> None:
    assert await settings.get("deliveryAttempts") == 10
    assert await settings.get("webhooks") is None
    assert await settings.get_many(["notifyText", "localAddresses"]) == {
        "notifyText": True,
        "localAddresses": [],
    }


async def test_values_of_each_kind_come_back_as_they_were_stored(settings: Settings) -> None:
    values = {
        "webhooksEnabled": True,
        "webhooks": "https://u:p@example.com/hook",
        "webhookEvents": ["*"],
        "openAiTemperature": 0.5,
        "logs": {"all": True, "maxLogLines": 5},
        "webhookErrorFlag": {"message": "\u4e2d"},
        "serviceSecret": "s3cret",
    }
    await settings.put(values)
    assert await settings.get_many(values) == values
    assert await settings.stored() == values


async def test_null_clears_a_setting(settings: Settings) -> None:
    await settings.put({"smtpEhloName": "mx.example.com", "deliveryAttempts": 3})
    await settings.put({"smtpEhloName": None, "deliveryAttempts": None, "notifyText": False})
    assert await settings.get_many(["smtpEhloName", "deliveryAttempts", "notifyText"]) == {
        "smtpEhloName": None,
        "deliveryAttempts": 10,
        "notifyText": False,
    }


async def test_storing_nothing_is_no_error(settings: Settings) -> None:
    await settings.put({})
    assert await settings.seed({}) == []


async def test_secret_settings_are_sealed_in_the_store(
    settings: Settings, store: Store, clock: FakeClock
) -> None:
    await settings.put({"smtpServerPassword": "canary", "cookiePassword": "canary"})
    fields = await store.command("HVALS", store.keys.shared("settings"))
    assert all(b"canary" not in field and b"$wd01$" in field for field in fields)
    assert await settings.get("smtpServerPassword") == "canary"
    with pytest.raises(SealBroken):
        await Settings(store, Sealer("other"), clock).get("smtpServerPassword")


async def test_an_unknown_setting_is_refused_by_name(settings: Settings) -> None:
    for call in (settings.get("nope"), settings.put({"nope": 1}), settings.seed({"nope": 1})):
        with pytest.raises(InvalidInput) as caught:
            await call
        assert caught.value.extra["fields"][0]["key"] == "nope"
    assert await settings.stored() == {}


async def test_a_change_by_another_process_is_seen_after_a_second(
    settings: Settings, store: Store, clock: FakeClock
) -> None:
    other = Settings(store, Sealer("key"), clock)
    assert await settings.get("deliveryAttempts") == 10
    await other.put({"deliveryAttempts": 3})
    assert await settings.get("deliveryAttempts") == 10
    await clock.advance(1)
    assert await settings.get("deliveryAttempts") == 3


async def test_a_wake_up_shows_a_change_at_once(
    settings: Settings, store: Store, clock: FakeClock
) -> None:
    wake = Wake(store, clock)
    tasks = [asyncio.create_task(wake.run()), asyncio.create_task(settings.run(wake))]
    try:
        await asyncio.sleep(0)
        while not await store.command("PUBSUB", "NUMPAT"):
            await asyncio.sleep(0)
        assert await settings.get("deliveryAttempts") == 10
        await Settings(store, Sealer("key"), clock).put({"deliveryAttempts": 3})
        async with asyncio.timeout(10):
            while await settings.get("deliveryAttempts") == 10:
                await asyncio.sleep(0)
    finally:
        for task in tasks:
            task.cancel()
    assert SETTINGS_TOPIC == "settings"


async def test_a_seed_fills_an_empty_setting_once(settings: Settings) -> None:
    assert await settings.seed({"smtpServerPort": 25, "smtpServerEnabled": True}) == [
        "smtpServerPort",
        "smtpServerEnabled",
    ]
    await settings.put({"smtpServerPort": 26})
    assert await settings.seed({"smtpServerPort": 27}) == []
    assert await settings.get("smtpServerPort") == 26


async def test_the_service_secret_is_made_once(
    settings: Settings, store: Store, clock: FakeClock
) -> None:
    others = [Settings(store, Sealer("key"), clock) for _ in range(5)]
    made = await asyncio.gather(*(one.ensure_service_secret() for one in others))
    assert len(set(made)) == 1
    assert len(bytes.fromhex(made[0])) == 16
    assert await settings.ensure_service_secret() == made[0]
    assert len(await settings.get("serviceId")) == 32


async def test_a_store_of_another_layout_is_refused(store: Store) -> None:
    await check_layout(store)
    await check_layout(store)
    await store.command("SET", store.keys.shared("layout"), "99")
    with pytest.raises(ConfigurationError, match="99"):
        await check_layout(store)


async def test_a_change_during_a_read_is_seen_by_the_next_question(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reply that is on its way may be older than the change that was told meanwhile."""
    await settings.put({"deliveryAttempts": 3})
    batch = store.batch

    async def changed_after_the_read(commands: object) -> list[object]:
        replies = await batch(commands)  # type: ignore[arg-type]  # passed on as it came
        await store.command("HSET", store.keys.shared("settings"), "deliveryAttempts", "4")
        settings.forget()
        return replies

    monkeypatch.setattr(store, "batch", changed_after_the_read)
    assert await settings.get("deliveryAttempts") == 3
    monkeypatch.undo()
    assert await settings.get("deliveryAttempts") == 4
