"""The protocol log over the REST face."""

from __future__ import annotations

from postroom.model.account import Account
from postroom.store.protocol_log import PAGE_LINES, ProtocolLogs
from tests.unit.api.conftest import Api


async def test_a_log_is_text_with_one_object_a_line(api: Api) -> None:
    await api.services.accounts.create(Account(account="jane"), [])
    lines = [b'{"text":"%d"}' % number for number in range(PAGE_LINES + 1)]
    await ProtocolLogs(api.services.store).append("jane", lines, 10_000)
    got = await api("GET", "/v1/logs/jane")
    assert got.status == 200
    assert got.headers["content-type"].startswith("text/plain")
    assert got.body.splitlines() == lines


async def test_an_account_without_a_log_answers_an_empty_text(api: Api) -> None:
    got = await api("GET", "/v1/logs/nobody")
    assert (got.status, got.body) == (200, b"")
