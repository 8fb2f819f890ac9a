"""What every route does with requests that are wrong in themselves."""

from __future__ import annotations

import asyncio

import pytest

from postroom.api.services import Limits
from postroom.errors import StoreUnavailable
from postroom.model.operations import ListMessages
from postroom.store.connection import Store
from tests.unit.api.conftest import Api

SHAPE = {"statusCode", "error", "message"}


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/nothing"),
        ("GET", "/v1"),
        ("PATCH", "/v1/accounts"),
        ("POST", "/v1/accounts"),
        ("GET", "/nothing"),
    ],
)
async def test_an_unknown_path_or_method_is_404(api: Api, method: str, target: str) -> None:
    got = await api(method, target)
    assert got.status == 404
    assert set(got.json) == SHAPE
    assert got.json["error"] == "Not Found"


@pytest.mark.parametrize("raw", [b"{", b'{"a":1', b"\xff\xfe", b"[" * 5000, b"nul"])
async def test_malformed_json_is_400(api: Api, raw: bytes) -> None:
    got = await api("POST", "/v1/account", raw=raw)
    assert got.status == 400
    assert set(got.json) == SHAPE


@pytest.mark.parametrize("raw", [b"null", b"[]", b"1", b'"x"'])
async def test_a_body_that_is_no_object_is_400(api: Api, raw: bytes) -> None:
    got = await api("POST", "/v1/account", raw=raw)
    assert (got.status, got.json["message"]) == (400, "Invalid input")


@pytest.mark.parametrize(
    ("headers", "text"),
    [
        # What curl sends with -d alone.
        ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type: application/json"),
        ({"content-type": "text/xml"}, "Content-Type: application/json"),
        ({"content-encoding": "gzip"}, "Content-Encoding"),
    ],
)
async def test_another_media_type_is_415_and_says_what_is_wanted(
    api: Api, headers: dict[str, str], text: str
) -> None:
    got = await api("POST", "/v1/account", raw=b"<a/>", headers=headers)
    assert (got.status, got.json["error"]) == (415, "Unsupported Media Type")
    assert text in got.json["message"]


async def test_a_body_over_the_limit_is_413_declared_or_not(api: Api) -> None:
    small = api.rebuilt(limits=Limits(max_body_bytes=200, max_plain_body_bytes=100))
    for headers in ({}, {"content-length": "1"}):
        got = await small("POST", "/v1/account", raw=b" " * 150, headers=headers)
        assert (got.status, got.json["error"]) == (413, "Request Entity Too Large")
    got = await small("POST", "/v1/account/jane/submit", raw=b" " * 300)
    assert (got.status, got.json["code"]) == (413, "MessageTooLarge")


async def test_a_body_that_does_not_arrive_in_time_is_408(api: Api) -> None:
    hasty = api.rebuilt(limits=Limits(body_timeout_s=0.01))

    async def never(*_: object) -> object:
        return await asyncio.Event().wait()

    application = hasty.caller.application

    async def stalling(scope: object, receive: object, send: object) -> None:
        await application(scope, never, send)

    hasty.caller.application = stalling
    assert (await hasty("POST", "/v1/account", {})).status == 408


async def test_no_answer_in_time_is_504(api: Api) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    api.gateway.answers = {ListMessages: never}
    headers = {"x-ee-timeout": "10"}
    got = await api("GET", "/v1/account/a/messages?path=INBOX", headers=headers)
    assert (got.status, got.json["code"]) == (504, "Timeout")


async def test_a_store_that_is_down_is_503(api: Api) -> None:
    down = Store("unix:///nonexistent/store.sock")
    tokens = type(api.services.tokens)(down, api.services.clock)
    got = await api.rebuilt(tokens=tokens)("GET", "/v1/accounts")
    assert (got.status, got.json["code"]) == (503, StoreUnavailable.code)
    await down.close()


async def test_a_mistake_of_ours_is_500_without_details(api: Api) -> None:
    async def broken() -> None:
        raise RuntimeError("canary: password=hunter2")

    api.gateway.answers = {ListMessages: broken}
    got = await api("GET", "/v1/account/a/messages?path=INBOX")
    assert got.status == 500
    assert b"canary" not in got.body
    assert set(got.json) == SHAPE


async def test_a_path_that_is_no_utf8_is_400(api: Api) -> None:
    assert (await api("GET", "/v1/account/%ff%fe")).status == 400


async def test_a_flood_of_query_fields_is_400(api: Api) -> None:
    target = "/v1/accounts?" + "&".join(f"a{n}=1" for n in range(500))
    assert (await api("GET", target)).status == 400


async def test_a_repeated_parameter_is_refused(api: Api) -> None:
    got = await api("GET", "/v1/accounts?page=1&page=2", path="/v1/accounts")
    assert [field["key"] for field in got.json["fields"]] == ["page"]


async def test_a_client_that_leaves_while_it_sends_crashes_nothing(api: Api) -> None:
    sent: list[dict[str, object]] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/v1/account",
        "raw_path": b"/v1/account",
        "query_string": b"",
        "root_path": "",
        "headers": [(b"authorization", f"Bearer {api.caller.token}".encode())],
        "client": ("192.0.2.7", 4242),
        "server": ("127.0.0.1", 3000),
    }
    await api.caller.application(scope, receive, send)
    assert sent[0]["status"] == 499
