"""What is served without a token."""

from __future__ import annotations

import pytest

from postroom.api.openapi import document
from postroom.api.routes import ROUTES
from postroom.cluster.members import Member
from postroom.store.connection import Store
from tests.fakes.clock import FakeClock
from tests.unit.api.conftest import Api


async def _register_worker(api: Api) -> None:
    await api.services.members.register(Member(id="n-imap-1", kind="imap", node="n", pid=1))


async def test_health_needs_fresh_account_workers(api: Api, clock: FakeClock) -> None:
    open_api = api.anonymous()
    got = await open_api("GET", "/health")
    assert (got.status, got.json["message"]) == (500, "0 of 1 account workers are running")
    await _register_worker(api)
    got = await open_api("GET", "/health")
    assert (got.status, got.json) == (200, {"success": True})
    await clock.advance(31)
    assert (await open_api("GET", "/health")).status == 500


async def test_health_needs_the_store(api: Api) -> None:
    await _register_worker(api)
    down = Store("unix:///nonexistent/store.sock")
    got = await api.rebuilt(store=down).anonymous()("GET", "/health")
    assert got.status == 500
    await down.close()


async def test_health_leaves_no_key(api: Api, store: Store) -> None:
    await _register_worker(api)
    before = await store.command("DBSIZE")
    await api.anonymous()("GET", "/health")
    assert await store.command("DBSIZE") == before


async def test_the_document_is_the_one_printed_from_the_tables(api: Api) -> None:
    got = await api.anonymous()("GET", "/swagger.json")
    assert got.body == document(ROUTES, "0.0.0")


@pytest.mark.parametrize(
    ("target", "kind"),
    [
        ("/", "text/html"),
        ("/admin/reference", "text/html"),
        ("/static/reference.js", "javascript"),
        ("/static/reference.css", "text/css"),
    ],
)
async def test_pages_load_nothing_from_elsewhere(api: Api, target: str, kind: str) -> None:
    got = await api.anonymous()("GET", target)
    assert got.status == 200
    assert kind in got.headers["content-type"]
    assert "default-src 'none'" in got.headers["content-security-policy"]
    assert b"http://" not in got.body
    assert b"https://" not in got.body


async def test_robots_are_kept_out_and_the_old_page_redirects(api: Api) -> None:
    assert b"Disallow: /" in (await api.anonymous()("GET", "/robots.txt")).body
    got = await api.anonymous()("GET", "/admin/swagger")
    assert (got.status, got.headers["location"]) == (302, "/admin/reference")
