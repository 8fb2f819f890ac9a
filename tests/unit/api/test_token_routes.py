"""Access tokens over the REST face, on a real store."""

from __future__ import annotations

import pytest

from tests.unit.api.conftest import Api, register

PATH = "/v1/tokens"


@pytest.mark.parametrize("path", ["/v1/tokens", "/v1/token"])
async def test_a_bound_token_is_issued_shown_and_deleted(api: Api, path: str) -> None:
    await register(api)
    body = {"description": " my app ", "scopes": "api", "account": "jane"}
    made = await api("POST", path, body, path=path)
    assert made.status == 200
    value, name = made.json["token"], made.json["id"]
    shown = await api("GET", f"/v1/tokens/{name}", path="/v1/tokens/{token}")
    assert (shown.json["description"], shown.json["account"]) == ("my app", "jane")
    assert shown.json["scopes"] == ["api"]
    assert value.encode() not in shown.body
    gone = await api("DELETE", f"{path}/{value}", path=f"{path}/{{token}}")
    assert gone.json == {"deleted": True}
    again = await api("DELETE", f"{path}/{value}", path=f"{path}/{{token}}")
    assert again.json == {"deleted": False}
    assert (await api("GET", f"/v1/tokens/{name}", path="/v1/tokens/{token}")).status == 404


async def test_restrictions_and_permissions_are_kept(api: Api) -> None:
    body = {
        "description": "narrow",
        "scopes": ["api"],
        "permissions": {"actions": ["read"], "groups": "message"},
        "restrictions": {
            "addresses": "192.0.2.0/24",
            "rateLimit": {"maxRequests": 5, "timeWindow": 60},
        },
        "expires": "2099-01-01",
        "metadata": "{}",
    }
    made = await api("POST", PATH, body, path=PATH)
    shown = await api("GET", f"{PATH}/{made.json['id']}", path=f"{PATH}/{{token}}")
    assert shown.json["permissions"] == {"actions": ["read"], "groups": ["message"]}
    assert shown.json["restrictions"] == {
        "referrers": None,
        "addresses": ["192.0.2.0/24"],
        "rateLimit": {"maxRequests": 5, "timeWindow": 60},
    }
    assert shown.json["expires"] == "2099-01-01T00:00:00.000Z"


@pytest.mark.parametrize(
    ("change", "keys"),
    [
        ({"account": "jane"}, set()),
        ({}, {"account"}),
        ({"scopes": ["*"], "account": "jane"}, {"scopes.0"}),
        ({"scopes": ["metrics"], "account": "jane"}, {"scopes.0"}),
        ({"permissions": {"groups": ["admin"]}}, {"permissions.groups.0"}),
        ({"permissions": {"groups": []}}, {"permissions.groups"}),
        ({"permissions": {}}, {"permissions"}),
        ({"account": "jane", "expires": "2001-01-01"}, {"expires"}),
        ({"account": "jane", "restrictions": {"addresses": ["x"]}}, {"restrictions.addresses.0"}),
    ],
)
async def test_a_token_must_be_bound_or_narrowed(
    api: Api, change: dict[str, object], keys: set[str]
) -> None:
    await register(api)
    got = await api("POST", PATH, {"description": "x", "scopes": ["api"], **change}, path=PATH)
    assert {field["key"] for field in got.json.get("fields", [])} == keys


async def test_a_token_for_an_unknown_account_is_404(api: Api) -> None:
    body = {"description": "x", "scopes": ["api"], "account": "nobody"}
    assert (await api("POST", PATH, body, path=PATH)).status == 404


async def test_tokens_are_listed_in_pages_and_all_at_once_on_the_old_path(api: Api) -> None:
    await register(api)
    for text in ("one", "two"):
        await api("POST", PATH, {"description": text, "scopes": ["api"], "account": "jane"})
    page = await api("GET", f"{PATH}?account=jane&pageSize=1", path=PATH)
    assert (page.json["total"], page.json["pages"], len(page.json["tokens"])) == (2, 2, 1)
    old = await api("GET", f"{PATH}/account/jane", path=f"{PATH}/account/{{account}}")
    assert len(old.json["tokens"]) == 2


async def test_a_malformed_token_name_is_400(api: Api) -> None:
    got = await api("GET", f"{PATH}/xyz", path=f"{PATH}/{{token}}")
    assert [field["key"] for field in got.json["fields"]] == ["token"]
