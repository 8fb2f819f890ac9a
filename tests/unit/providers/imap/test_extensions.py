"""What a server's extensions give its users: on a Dovecot with all of them, and on one without."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from postroom.crypto import Sealer
from postroom.model.operations import GetMessage, GetQuota, ListMessages, SearchMessages
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, message, running_dovecot
from tests.unit.providers.imap.test_answering import CLOCK, USERS, Desk, soon

pytestmark = pytest.mark.dovecot
QUOTA = """
mail_plugins = quota
protocol imap {
  mail_plugins = quota imap_quota
}
plugin {
  quota = count:User quota
  quota_vsizes = yes
  quota_rule = *:storage=1M
}
"""
OLD = "imap_capability = IMAP4rev1 UIDPLUS LITERAL+\n"


@pytest.fixture(scope="module", params=["full", "old"])
def server(request: pytest.FixtureRequest) -> Iterator[Dovecot]:
    extra = QUOTA if request.param == "full" else OLD
    with running_dovecot("ssl = no\n" + extra) as started:
        yield started


@pytest_asyncio.fixture
async def desk(server: Dovecot, store: Store) -> AsyncIterator[Desk]:
    opened = Desk(server, store, f"extended{next(USERS)}")
    await Accounts(store, Sealer(None), CLOCK).create(opened.account, [])
    yield opened
    await opened.answering.close()


def is_full(desk: Desk) -> bool:
    return "imap_quota" in desk.server.conf.read_text()


async def test_lists_show_how_a_text_begins_where_the_server_tells_it(desk: Desk) -> None:
    desk.deliver(message("a", text="How it begins.\n"))
    page = await desk.answering.list_messages(ListMessages(path="INBOX"), soon())
    wanted = "How it begins." if is_full(desk) else None
    assert page.messages[0].preview == wanted
    search = SearchMessages(path="INBOX", search={"subject": "a"})
    assert (await desk.answering.search_messages(search, soon())).messages[0].preview == wanted
    found = await desk.answering.get_message(GetMessage(message=page.messages[0].id), soon())
    assert found.preview == wanted


async def test_a_time_of_day_is_exact_with_within_and_a_day_without(desk: Desk) -> None:
    noon = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0)
    noon -= timedelta(days=3)
    client = desk.server.client(desk.user)
    client.append("INBOX", "", noon, message("noon"))  # type: ignore[arg-type] # typeshed
    client.logout()

    async def count(**search: datetime) -> int:
        fields = {name: moment.isoformat() for name, moment in search.items()}
        asked = SearchMessages(path="INBOX", search=fields)
        return (await desk.answering.search_messages(asked, soon())).total

    hour = timedelta(hours=1)
    assert await count(since=noon - hour) == 1
    assert await count(before=noon - hour) == 0
    assert await count(since=noon - hour, before=noon + hour) == (1 if is_full(desk) else 0)
    # Without WITHIN the whole day counts.
    assert await count(since=noon + hour) == (0 if is_full(desk) else 1)


async def test_the_quota_is_told_by_servers_that_have_one(desk: Desk) -> None:
    desk.deliver(message("a", text="x" * 20_000 + "\n"))
    quota = (await desk.answering.get_quota(GetQuota(), soon())).quota
    if not is_full(desk):
        assert quota is None
        return
    assert quota is not None
    assert quota.limit == 1024 * 1024
    assert 20_000 < quota.usage < 60_000
    assert quota.status.endswith("%")


async def test_pages_of_a_search_are_cut_from_ranges(desk: Desk) -> None:
    for at in range(7):
        desk.deliver(message(f"m{at}"))
    for page, subjects in ((0, ["m6", "m5", "m4"]), (2, ["m0"]), (3, [])):
        asked = SearchMessages(path="INBOX", search={"seen": False}, page=page, page_size=3)
        found = await desk.answering.search_messages(asked, soon())
        assert found.total == 7
        assert [one.subject for one in found.messages] == subjects
