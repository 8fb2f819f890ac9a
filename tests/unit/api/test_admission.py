"""Who may come in: 401 and 403 exactly as the contract orders them."""

from __future__ import annotations

import pytest

from postroom.model.message import MessageList
from postroom.model.operations import ListMessages
from postroom.model.token import RateLimit, TokenPermissions, TokenRestrictions
from tests.fakes.clock import FakeClock
from tests.unit.api.conftest import Api, register

MESSAGES = "/v1/account/jane/messages?path=INBOX"
EMPTY = MessageList(
    total=0, page=0, pages=1, next_page_cursor=None, prev_page_cursor=None, messages=()
)


@pytest.fixture(autouse=True)
def _answers(api: Api) -> None:
    api.gateway.answers = {ListMessages: EMPTY}


async def test_without_a_token_it_is_401_in_the_one_error_shape(api: Api) -> None:
    got = await api.anonymous()("GET", "/v1/accounts", path="/v1/accounts")
    assert got.status == 401
    assert got.json == {
        "statusCode": 401,
        "error": "Unauthorized",
        "message": "Missing authentication",
    }
    assert got.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("Bearer nonsense", "InvalidToken"),
        ("Bearer " + "0" * 64, "UnknownToken"),
        ("Bearer " + "zz" * 32, "InvalidToken"),
    ],
)
async def test_a_bad_token_is_401(api: Api, given: str, code: str) -> None:
    got = await api.anonymous()("GET", "/v1/accounts", headers={"authorization": given})
    assert (got.status, got.json["code"]) == (401, code)


async def test_the_id_of_a_token_opens_nothing(api: Api) -> None:
    page = await api.services.tokens.list()
    header = {"authorization": f"Bearer {page.items[0].id}"}
    assert (await api.anonymous()("GET", "/v1/accounts", headers=header)).status == 401


async def test_a_token_may_come_in_the_query(api: Api) -> None:
    target = f"/v1/accounts?access_token={api.caller.token}"
    assert (await api.anonymous()("GET", target)).status == 200


async def test_tokens_are_not_asked_for_when_checks_are_off(api: Api) -> None:
    assert (
        await api.rebuilt(is_auth_required=False).anonymous()("GET", "/v1/accounts")
    ).status == 200
    await api.services.settings.put({"disableTokens": True})
    assert (await api.anonymous()("GET", "/v1/accounts")).status == 200


async def test_a_token_of_another_scope_is_refused_with_the_scope(api: Api) -> None:
    smtp = await api.with_token(scopes=("smtp",))
    got = await smtp("GET", "/v1/accounts", path="/v1/accounts")
    assert (got.status, got.json["message"]) == (403, "Unauthorized scope")
    assert got.json["requestedScope"] == "api"


async def test_permissions_narrow_a_token(api: Api) -> None:
    reads = TokenPermissions(actions=("read",), groups=("message",))
    narrowed = await api.with_token(scopes=("api",), permissions=reads)
    assert (await narrowed("GET", MESSAGES)).status == 200
    got = await narrowed("GET", "/v1/accounts", path="/v1/accounts")
    assert got.json["requiredPermission"] == {"action": "read", "group": "account"}
    assert (await narrowed("PUT", "/v1/account/jane/message/m", {})).status == 403
    admin = await api.with_token(scopes=("api",), permissions=TokenPermissions(actions=("read",)))
    assert (await admin("GET", "/v1/settings")).status == 403


async def test_a_bound_token_reaches_its_own_account_only(api: Api) -> None:
    await register(api)
    bound = await api.with_token(scopes=("api",), account="jane")
    assert (await bound("GET", MESSAGES)).status == 200
    assert (await bound("GET", "/v1/account/%20jane%20")).status == 200
    for target in ("/v1/account/joe", "/v1/accounts", "/v1/outbox", "/v1/tokens"):
        got = await bound("GET", target)
        assert (got.status, got.json["message"]) == (403, "Unauthorized account"), target
    assert (await bound("GET", "/v1/tokens?account=joe")).status == 403
    own = await bound("GET", "/v1/tokens?account=jane", path="/v1/tokens")
    assert own.json["total"] == 1


async def test_an_address_list_sees_through_mapped_addresses(api: Api) -> None:
    listed = TokenRestrictions(addresses=("192.0.2.0/24",))
    token = await api.with_token(scopes=("api",), restrictions=listed)
    assert (await token("GET", MESSAGES)).status == 200
    token.caller.address = "::ffff:192.0.2.9"
    assert (await token("GET", MESSAGES)).status == 200
    token.caller.address = "198.51.100.1"
    got = await token("GET", MESSAGES)
    assert (got.status, got.json["remoteAddress"]) == (403, "198.51.100.1")


async def test_a_forwarded_address_counts_from_listed_proxies_only(api: Api) -> None:
    listed = TokenRestrictions(addresses=("203.0.113.5",))
    token = (await api.with_token(scopes=("api",), restrictions=listed)).rebuilt(
        trusted_proxies=("192.0.2.7",)
    )
    claim = {"x-forwarded-for": "203.0.113.5"}
    assert (await token("GET", MESSAGES, headers=claim)).status == 200
    token.caller.address = "198.51.100.1"
    assert (await token("GET", MESSAGES, headers=claim)).status == 403


async def test_a_referrer_pattern_is_obeyed(api: Api) -> None:
    listed = TokenRestrictions(referrers=("https://*.example.com/*",))
    token = await api.with_token(scopes=("api",), restrictions=listed)
    good = {"referer": "https://app.example.com/inbox"}
    assert (await token("GET", MESSAGES, headers=good)).status == 200
    got = await token("GET", MESSAGES)
    assert (got.status, got.json["message"]) == (403, "Unauthorized referrer")


async def test_a_rate_limit_counts_in_windows(api: Api, clock: FakeClock) -> None:
    await clock.advance(60 - clock.now_ms() / 1000 % 60)
    limit = RateLimit(max_requests=2, time_window=60)
    restricted = TokenRestrictions(rate_limit=limit)
    token = await api.with_token(scopes=("api",), restrictions=restricted)
    left = [(await token("GET", MESSAGES)).headers["x-ratelimit-remaining"] for _ in range(2)]
    assert left == ["1", "0"]
    await clock.advance(20)
    got = await token("GET", MESSAGES)
    assert (got.status, got.json["ttl"]) == (429, 40)
    assert got.headers["x-ratelimit-limit"] == "2"
    assert got.headers["x-ratelimit-reset"] == "40"
    assert "x-ratelimit-remaining" not in got.headers
    await clock.advance(40)
    assert (await token("GET", MESSAGES)).status == 200


async def test_the_last_use_is_noted(api: Api) -> None:
    token = await api.with_token(scopes=("api",), account="jane")
    await token("GET", MESSAGES)
    record = await api.services.tokens.find_by_value(token.caller.token or "")
    assert record is not None
    assert record.access.ip == "192.0.2.7"


async def test_a_refused_call_reads_no_input_and_asks_nobody(api: Api) -> None:
    got = await api.anonymous()("POST", "/v1/account", raw=b"{broken")
    assert got.status == 401
    assert api.gateway.asked == []
