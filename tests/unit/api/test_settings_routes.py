"""Runtime settings over the REST face, on a real store."""

from __future__ import annotations

from tests.unit.api.conftest import Api

PATH = "/v1/settings"


async def test_only_what_is_asked_for_is_shown(api: Api) -> None:
    body = {"webhooks": "https://hooks.example.com/a", "notifyTextSize": "1000"}
    got = await api("POST", PATH, body, path=PATH)
    assert got.json == {"updated": ["webhooks", "notifyTextSize"]}
    shown = await api("GET", f"{PATH}?webhooks=true&notifyTextSize=true&locale=", path=PATH)
    assert shown.json == {"webhooks": "https://hooks.example.com/a", "notifyTextSize": 1000}


async def test_secrets_are_shown_only_as_set(api: Api) -> None:
    await api("POST", PATH, {"serviceSecret": "canary-secret"})
    shown = await api("GET", f"{PATH}?serviceSecret=true&smtpServerPassword=true", path=PATH)
    assert shown.json["serviceSecret"] is True
    assert shown.json["smtpServerPassword"] is False
    assert b"canary" not in shown.body


async def test_logins_in_urls_and_header_values_are_masked(api: Api) -> None:
    url = "https://me:canary@hooks.example.com/a"
    header = {"key": "X-Key", "value": "canary"}
    await api("POST", PATH, {"webhooks": url, "webhooksCustomHeaders": [header]})
    target = f"{PATH}?webhooks=true&webhooksCustomHeaders=true"
    shown = (await api("GET", target, path=PATH)).json
    assert shown["webhooks"] == "https://******:******@hooks.example.com/a"
    assert shown["webhooksCustomHeaders"] == [{"key": "X-Key", "value": "******"}]
    again = await api("POST", PATH, shown, path=PATH)
    assert again.json == {"updated": []}
    assert await api.services.settings.get("webhooks") == url
    changed = {"webhooks": "https://******:******@evil.example.com/a"}
    got = await api("POST", PATH, changed, path=PATH)
    assert [field["key"] for field in got.json["fields"]] == ["webhooks"]


async def test_every_wrong_setting_is_named_and_nothing_is_written(api: Api) -> None:
    body = {
        "webhooks": "nowhere",
        "smtpServerPort": 99999,
        "locale": "xx",
        "unknownSetting": 1,
        "serviceId": "internal",
        "notifyText": True,
    }
    got = await api("POST", PATH, body, path=PATH)
    keys = {field["key"] for field in got.json["fields"]}
    assert keys == {"webhooks", "smtpServerPort", "locale", "unknownSetting", "serviceId"}
    assert (await api.services.settings.stored()).keys() <= {"serviceSecret", "serviceId"}


async def test_null_clears_only_what_may_be_null(api: Api) -> None:
    await api("POST", PATH, {"pageBrandName": "Ours"})
    assert (await api("POST", PATH, {"pageBrandName": None}, path=PATH)).status == 200
    assert await api.services.settings.get("pageBrandName") is None
    assert (await api("POST", PATH, {"webhooks": None}, path=PATH)).status == 400


async def test_the_service_url_is_an_origin(api: Api) -> None:
    await api("POST", PATH, {"serviceUrl": "https://mail.example.com:8443/path?x=1"})
    assert await api.services.settings.get("serviceUrl") == "https://mail.example.com:8443"


async def test_event_types_are_listed(api: Api) -> None:
    shown = await api("GET", f"{PATH}?eventTypes=true", path=PATH)
    assert "messageNew" in shown.json["eventTypes"]
