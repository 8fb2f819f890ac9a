"""Accounts over the REST face, on a real store."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
import pytest

from postroom.errors import AccountUnusable
from postroom.model.operations import Done, GetQuota, RequestReconnect, RequestSync
from postroom.model.quota import QuotaTold, StorageQuota
from tests.unit.api.conftest import IMAP, Api, register

ACCOUNT = "/v1/account/{account}"


async def test_a_new_account_is_new_and_the_same_id_again_is_existing(api: Api) -> None:
    assert (await register(api)).json == {"account": "jane", "state": "new"}
    assert (await register(api, name="Jane Doe")).json == {"account": "jane", "state": "existing"}
    shown = await api("GET", "/v1/account/jane", path=ACCOUNT)
    assert shown.json["name"] == "Jane Doe"


async def test_null_as_id_makes_a_random_one(api: Api) -> None:
    got = await api("POST", "/v1/account", {"account": None, "name": "x"})
    assert got.status == 200
    assert len(got.json["account"]) > 10


async def test_secrets_are_masked_and_the_mask_is_refused(api: Api) -> None:
    await register(api)
    shown = await api("GET", "/v1/account/jane", path=ACCOUNT)
    assert b"canary" not in shown.body
    assert shown.json["smtp"]["secure"] is False
    assert shown.json["imap"]["auth"] == {"user": "jane", "pass": "******"}
    back = await api("PUT", "/v1/account/jane", {"imap": shown.json["imap"]}, path=ACCOUNT)
    assert back.status == 400
    assert [field["key"] for field in back.json["fields"]] == ["imap.auth.pass"]


async def test_logins_in_urls_and_header_values_are_masked_and_may_come_back_so(api: Api) -> None:
    secret = {
        "webhooks": "https://user:canary-hook@example.com/hook",
        "proxy": "socks5://user:canary-proxy@example.com:1080",
        "webhooksCustomHeaders": [{"key": "X-Key", "value": "canary-header"}, {"key": "X-Empty"}],
    }
    await register(api, **secret)
    shown = await api("GET", "/v1/account/jane", path=ACCOUNT)
    assert b"canary" not in shown.body
    assert shown.json["webhooks"] == "https://******:******@example.com/hook"
    assert shown.json["webhooksCustomHeaders"][0] == {"key": "X-Key", "value": "******"}
    assert b"canary" not in (await api("GET", "/v1/accounts", path="/v1/accounts")).body
    before = await api.services.accounts.get("jane")
    same = {name: shown.json[name] for name in secret}
    for method, target in (("PUT", "/v1/account/jane"), ("POST", "/v1/account")):
        body = {**same, "name": "J"} | ({"account": "jane"} if method == "POST" else {})
        assert (await api(method, target, body)).status == 200
    after = await api.services.accounts.get("jane")
    assert after == msgspec.structs.replace(before, name="J")
    moved = {"webhooks": "https://******:******@evil.example/hook"}
    for target, method in (("/v1/account/jane", "PUT"), ("/v1/account", "POST")):
        for name in ("jane", "new"):
            body = {**moved, "name": "J"} | ({"account": name} if method == "POST" else {})
            refused = await api(method, target, body)
            assert refused.status == 400
            assert [field["key"] for field in refused.json["fields"]] == ["webhooks"]


async def test_every_wrong_field_is_named(api: Api) -> None:
    body = {
        "account": "a" * 257,
        "email": "not an address",
        "imap": {"host": "bad host", "port": 70000, "auth": {"pass": "x"}},
        "smtp": {"host": "smtp.example.com"},
        "webhooks": "ftp://example.com",
        "surprise": 1,
    }
    got = await api("POST", "/v1/account", body, path="/v1/account")
    assert got.status == 400
    assert got.json["message"] == "Invalid input"
    assert {field["key"] for field in got.json["fields"]} == {
        "account",
        "email",
        "imap.host",
        "imap.port",
        "imap.auth.user",
        "smtp.port",
        "webhooks",
        "surprise",
        "name",
    }


async def test_text_is_converted_and_trimmed(api: Api) -> None:
    await register(api, "  spaced  ", imap={**IMAP, "port": "993", "secure": "true"}, path="INBOX")
    shown = await api("GET", "/v1/account/spaced", path=ACCOUNT)
    assert shown.json["imap"]["port"] == 993
    assert shown.json["imap"]["secure"] is True
    assert shown.json["path"] == ["INBOX"]


async def test_update_replaces_a_server_and_partial_merges_into_it(api: Api) -> None:
    await register(api)
    merged = {"imap": {"partial": True, "auth": {"user": "other"}}}
    assert (await api("PUT", "/v1/account/jane", merged, path=ACCOUNT)).status == 200
    account = await api.services.accounts.get("jane")
    assert account.imap is not None
    assert account.imap.auth is not None
    assert account.imap.auth.user == "other"
    assert account.imap.auth.password is not None
    assert account.imap.auth.password.reveal() == "canary-imap"
    assert account.imap.port == 993
    replaced = {"imap": {"host": "new.example.com", "port": 143}, "smtp": False}
    assert (await api("PUT", "/v1/account/jane", replaced)).status == 200
    account = await api.services.accounts.get("jane")
    assert account.imap is not None
    assert (account.imap.host, account.imap.auth, account.smtp) == ("new.example.com", None, None)


async def test_an_incomplete_partial_change_is_refused_and_changes_nothing(api: Api) -> None:
    await register(api, smtp=False)
    change = {"smtp": {"partial": True, "port": 25}}
    got = await api("PUT", "/v1/account/jane", change, path=ACCOUNT)
    assert got.status == 400
    assert (await api.services.accounts.get("jane")).smtp is None


async def test_a_server_without_host_is_refused(api: Api) -> None:
    got = await api("POST", "/v1/account", {"account": "a", "name": "a", "imap": {"port": 993}})
    assert [field["key"] for field in got.json["fields"]] == ["imap.host"]


async def test_an_unexpected_address_is_refused(api: Api) -> None:
    body = {"account": "a", "name": "a", "email": "a@example.com", "expectedEmail": "b@example.com"}
    got = await api("POST", "/v1/account", body)
    assert [field["key"] for field in got.json["fields"]] == ["email"]


async def test_an_unknown_account_is_404_on_every_account_route(api: Api) -> None:
    for method, target, body in (
        ("GET", "/v1/account/nobody", None),
        ("PUT", "/v1/account/nobody", {"name": "x"}),
        ("DELETE", "/v1/account/nobody", None),
        ("PUT", "/v1/account/nobody/sync", {"sync": True}),
        ("PUT", "/v1/account/nobody/reconnect", {"reconnect": False}),
    ):
        got = await api(method, target, body)
        assert (got.status, got.json["code"]) == (404, "AccountNotFound"), target


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "\u00e4 \u00f6", "*{x}:y", "per%cent", "?q=1#x"])
async def test_any_text_may_be_an_account_id(api: Api, name: str) -> None:
    await register(api, name)
    got = await api("GET", f"/v1/account/{quote(name, safe='')}", path=ACCOUNT)
    assert got.json["account"] == name


async def test_deleting_ends_the_account_and_its_tokens(api: Api) -> None:
    await register(api)
    bound = await api.with_token(scopes=("api",), account="jane")
    got = await bound("DELETE", "/v1/account/jane", path=ACCOUNT)
    assert got.json == {"account": "jane", "deleted": True}
    assert (await bound("GET", "/v1/account/jane")).status == 401
    assert (await api("GET", "/v1/account/jane")).status == 404


async def test_accounts_are_listed_by_id_with_true_totals(api: Api) -> None:
    for name in ("b", "a", "c"):
        await register(api, name)
    page = await api("GET", "/v1/accounts?pageSize=2", path="/v1/accounts")
    assert [entry["account"] for entry in page.json["accounts"]] == ["a", "b"]
    assert (page.json["total"], page.json["pages"]) == (3, 2)
    past = await api("GET", "/v1/accounts?page=9&state=init", path="/v1/accounts")
    assert (past.json["accounts"], past.json["total"]) == ([], 3)


async def test_wrong_query_parameters_are_all_named(api: Api) -> None:
    target = "/v1/accounts?page=-1&pageSize=1001&state=odd"
    got = await api("GET", target, path="/v1/accounts")
    keys = {field["key"] for field in got.json["fields"]}
    assert keys == {"page", "pageSize", "state"}


async def test_a_query_parameter_that_no_route_knows_changes_nothing(api: Api) -> None:
    await register(api)
    target = "/v1/account/jane?_=1700000000&account=other&x-ee-timeout=x&locale=de"
    got = await api("GET", target, path=ACCOUNT)
    assert (got.status, got.json["account"]) == (200, "jane")


async def test_sync_and_reconnect_ask_the_owner_only_when_told_to(api: Api) -> None:
    await register(api)
    api.gateway.answers = {RequestSync: Done(), RequestReconnect: Done()}
    path = "/v1/account/{account}/sync"
    assert (await api("PUT", "/v1/account/jane/sync", {"sync": False}, path=path)).json == {
        "sync": False
    }
    assert api.gateway.asked == []
    got = await api("PUT", "/v1/account/jane/sync", {"sync": True}, path=path)
    assert got.json == {"sync": True}
    await api("PUT", "/v1/account/jane/reconnect", {"reconnect": True})
    assert [type(asked[1]) for asked in api.gateway.asked] == [RequestSync, RequestReconnect]


async def test_a_flush_is_noted_once_and_only_when_told_to(api: Api) -> None:
    await register(api)
    path = "/v1/account/{account}/flush"
    got = await api("PUT", "/v1/account/jane/flush", {"flush": False}, path=path)
    assert got.json == {"flush": False}
    assert (await api.services.accounts.get("jane")).flushed_ms == 0
    body = {"flush": True, "notifyFrom": "2026-01-02T03:04:05.000Z", "imapIndexer": "fast"}
    got = await api("PUT", "/v1/account/jane/flush", body, path=path)
    assert got.json == {"flush": True}
    account = await api.services.accounts.get("jane")
    assert account.flushed_ms > 0
    assert (account.notify_from, account.imap_indexer) == (body["notifyFrom"], "fast")
    refused = await api("PUT", "/v1/account/jane/flush", {"flush": True}, path=path)
    assert (refused.status, refused.json["code"]) == (429, "LockFail")
    missing = await api("PUT", "/v1/account/nobody/flush", {"flush": True})
    assert (missing.status, missing.json["code"]) == (404, "AccountNotFound")


async def test_the_setting_names_the_indexer_of_new_accounts(api: Api) -> None:
    await register(api, "before")
    await api("POST", "/v1/settings", {"imapIndexer": "fast"})
    await register(api, "after")
    await register(api, "before")
    indexers = [
        (await api.services.accounts.get(name)).imap_indexer for name in ("before", "after")
    ]
    assert indexers == [None, "fast"]


async def test_an_unusable_account_tells_code_and_state(api: Api) -> None:
    await register(api)
    refused = AccountUnusable(
        "No", code="AuthenticationFails", extra={"state": "authenticationError"}
    )
    api.gateway.answers = {RequestSync: refused}
    got = await api("PUT", "/v1/account/jane/sync", {"sync": True})
    assert got.status == 503
    assert got.json == {
        "statusCode": 503,
        "error": "Service Unavailable",
        "message": "No",
        "code": "AuthenticationFails",
        "state": "authenticationError",
    }


async def test_the_quota_is_asked_for_on_demand_and_false_when_there_is_none(api: Api) -> None:
    await register(api)
    shown = await api("GET", "/v1/account/jane", path=ACCOUNT)
    assert "quota" not in shown.json
    assert api.gateway.asked == []
    told = StorageQuota(usage=1024, limit=4096, status="25%")
    for answer, quota in (
        (QuotaTold(quota=told), {"usage": 1024, "limit": 4096, "status": "25%"}),
        (QuotaTold(), False),
        (AccountUnusable("x", code="NotYetConnected"), False),
    ):
        api.gateway.answers = {GetQuota: answer}
        shown = await api("GET", "/v1/account/jane?quota=true", path=ACCOUNT)
        assert shown.json["quota"] == quota
