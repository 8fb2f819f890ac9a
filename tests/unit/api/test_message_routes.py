"""Messages over the REST face: what is asked of the owner, and how its answers pass through."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from postroom.errors import MessageNotFound
from postroom.model.mailbox import Mailbox, MailboxList
from postroom.model.message import (
    Address,
    FlagChange,
    FlagResult,
    MessageDeleted,
    MessageDetail,
    MessageList,
    MessageMoved,
    MessageSummary,
    MessageText,
    MessageUpdated,
    MovedTo,
)
from postroom.model.operations import (
    DeleteMessage,
    Download,
    DownloadAttachment,
    DownloadSource,
    GetMessage,
    GetText,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    SearchMessages,
    UpdateMessage,
)
from tests.unit.api.answering import chunks_of
from tests.unit.api.conftest import Api

BASE = "/v1/account/{account}"
SUMMARY = MessageSummary(id="AAAAAQAAAeE", uid=481, subject="Hi", from_=Address(address="a@b.cc"))
PAGE = MessageList(
    total=1, page=0, pages=1, next_page_cursor=None, prev_page_cursor=None, messages=(SUMMARY,)
)


async def test_a_list_is_asked_for_with_its_defaults_and_passed_through(api: Api) -> None:
    api.gateway.answers = {ListMessages: PAGE}
    got = await api("GET", "/v1/account/jane/messages?path=INBOX", path=f"{BASE}/messages")
    assert got.json["messages"][0]["uid"] == 481
    account, operation, _ = api.gateway.asked[0]
    assert account == "jane"
    assert operation == ListMessages(path="INBOX", page=0, page_size=20, cursor=None)


async def test_a_list_needs_a_path(api: Api) -> None:
    got = await api("GET", "/v1/account/jane/messages", path=f"{BASE}/messages")
    assert [field["key"] for field in got.json["fields"]] == ["path"]


async def test_search_criteria_arrive_as_they_were_said(api: Api) -> None:
    api.gateway.answers = {SearchMessages: PAGE}
    body = {
        "search": {"unseen": "true", "from": "x", "since": "2026-01-02", "labels": {"not": "a"}}
    }
    target = "/v1/account/jane/search?path=INBOX&page=2"
    got = await api("POST", target, body, path=f"{BASE}/search")
    assert got.status == 200
    operation = api.gateway.asked[0][1]
    assert operation == SearchMessages(
        path="INBOX",
        page=2,
        search={
            "unseen": True,
            "from": "x",
            "since": "2026-01-02T00:00:00.000Z",
            "labels": {"not": ["a"]},
        },
    )


async def test_an_unknown_criterion_is_named(api: Api) -> None:
    body = {"search": {"colour": "red", "larger": "many"}}
    got = await api("POST", "/v1/account/jane/search?path=INBOX", body, path=f"{BASE}/search")
    assert {field["key"] for field in got.json["fields"]} == {"search.colour", "search.larger"}


async def test_web_safe_html_implies_text_cleaning_and_embedding(api: Api) -> None:
    api.gateway.answers = {GetMessage: MessageDetail(id="m", headers={"subject": ["Hi"]})}
    path = f"{BASE}/message/{{message}}"
    await api("GET", "/v1/account/jane/message/m?webSafeHtml=true", path=path)
    asked = api.gateway.asked[0][1]
    assert asked == GetMessage(
        message="m",
        text_type="*",
        web_safe_html=True,
        embed_attached_images=True,
        pre_process_html=True,
    )
    target = "/v1/account/jane/message/m?webSafeHtml=true&embedAttachedImages=false"
    await api("GET", target, path=path)
    again = api.gateway.asked[1][1]
    assert isinstance(again, GetMessage)
    assert again.embed_attached_images is False


async def test_mailboxes_text_update_move_and_delete_are_asked(api: Api) -> None:
    api.gateway.answers = {
        ListMailboxes: MailboxList(mailboxes=(Mailbox(path="INBOX", name="INBOX"),)),
        GetText: MessageText(plain="hello", has_more=False),
        UpdateMessage: MessageUpdated(flags=FlagResult(add=("\\Seen",))),
        MoveMessage: MessageMoved(path="Archive", id="n", uid=7),
        DeleteMessage: MessageDeleted(deleted=False, moved=MovedTo(destination="Trash")),
    }
    message = "/v1/account/jane/message/m"
    template = f"{BASE}/message/{{message}}"
    await api("GET", "/v1/account/jane/mailboxes?counters=true", path=f"{BASE}/mailboxes")
    await api("GET", "/v1/account/jane/text/t?textType=PLAIN", path=f"{BASE}/text/{{text}}")
    await api("PUT", message, {"flags": {"add": "\\Seen"}}, path=template)
    await api("PUT", f"{message}/move", {"path": "Archive"}, path=f"{template}/move")
    await api("DELETE", f"{message}?force=true", path=template)
    assert [asked[1] for asked in api.gateway.asked] == [
        ListMailboxes(counters=True),
        GetText(text="t", text_type="plain"),
        UpdateMessage(message="m", flags=FlagChange(add=("\\Seen",))),
        MoveMessage(message="m", path="Archive"),
        DeleteMessage(message="m", force=True),
    ]


async def test_set_excludes_add(api: Api) -> None:
    body = {"flags": {"set": ["a"], "add": ["b"]}}
    got = await api("PUT", "/v1/account/jane/message/m", body)
    assert [field["key"] for field in got.json["fields"]] == ["flags.set"]


async def test_an_error_of_the_owner_is_the_answer(api: Api) -> None:
    api.gateway.answers = {GetMessage: MessageNotFound("Message was not found")}
    path = f"{BASE}/message/{{message}}"
    got = await api("GET", "/v1/account/jane/message/m", path=path)
    assert (got.status, got.json["code"]) == (404, "MessageNotFound")


async def test_the_time_limit_header_sets_the_deadline(api: Api) -> None:
    api.gateway.answers = {ListMessages: PAGE}
    target = "/v1/account/jane/messages?path=INBOX"
    await api("GET", target, headers={"x-ee-timeout": "1500"})
    await api("GET", target)
    assert [asked[2].remaining_s() for asked in api.gateway.asked] == [1.5, 10.0]
    for wrong in ("-1", "7200001", "soon"):
        got = await api("GET", target, headers={"x-ee-timeout": wrong})
        assert [field["key"] for field in got.json["fields"]] == ["x-ee-timeout"]


async def test_a_download_is_streamed_with_its_name_and_type(api: Api) -> None:
    found = Download("text/plain", 'r\u00e9sum\u00e9 "1".txt', 6, chunks_of(b"abc", b"def"))
    api.gateway.answers = {DownloadAttachment: found}
    got = await api("GET", "/v1/account/jane/attachment/a1")
    assert (got.status, got.body) == (200, b"abcdef")
    assert got.headers["content-type"] == "text/plain"
    assert got.headers["content-length"] == "6"
    disposition = got.headers["content-disposition"]
    assert disposition.startswith('attachment; filename="r_sum_ _1_.txt"')
    assert "filename*=utf-8''r%C3%A9sum%C3%A9" in disposition


async def test_a_name_from_a_mail_cannot_add_a_header(api: Api) -> None:
    found = Download("text/plain\r\nx-evil: 1", "a\r\nx-evil: 1.txt", None, chunks_of(b"x"))
    api.gateway.answers = {DownloadSource: found}
    got = await api("GET", "/v1/account/jane/message/m/source")
    assert "x-evil" not in got.headers
    assert got.headers["content-type"] == "application/octet-stream"


async def test_a_download_that_fails_before_its_first_byte_is_an_error(api: Api) -> None:
    async def failing() -> AsyncIterator[bytes]:
        raise MessageNotFound("Message was not found")
        yield b""

    api.gateway.answers = {DownloadSource: Download("message/rfc822", None, None, failing())}
    got = await api("GET", "/v1/account/jane/message/m/source")
    assert (got.status, got.json["code"]) == (404, "MessageNotFound")


@pytest.mark.parametrize("sent", [0, 1, 3])
async def test_a_client_that_leaves_ends_the_producer(api: Api, sent: int) -> None:
    leaves, ended, count = asyncio.Event(), asyncio.Event(), 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal count
        try:
            while True:
                if count == sent:
                    leaves.set()
                    await asyncio.Event().wait()
                count += 1
                yield b"x"
        finally:
            ended.set()

    api.gateway.answers = {DownloadSource: Download("message/rfc822", None, None, endless())}
    async with asyncio.timeout(5):
        await api("GET", "/v1/account/jane/message/m/source", leaves=leaves)
    assert ended.is_set()


async def test_a_client_that_leaves_cancels_the_question(api: Api) -> None:
    leaves, cancelled = asyncio.Event(), asyncio.Event()

    async def slow() -> MessageList:
        leaves.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()
        return PAGE

    api.gateway.answers = {ListMessages: slow}
    async with asyncio.timeout(5):
        await api("GET", "/v1/account/jane/messages?path=INBOX", leaves=leaves)
    assert cancelled.is_set()


async def test_a_client_that_leaves_does_not_stop_a_change(api: Api) -> None:
    leaves, is_done = asyncio.Event(), False

    async def change() -> MessageUpdated:
        nonlocal is_done
        leaves.set()
        await asyncio.sleep(0)
        is_done = True
        return MessageUpdated()

    api.gateway.answers = {UpdateMessage: change}
    body = {"flags": {"add": ["\\Seen"]}}
    await api("PUT", "/v1/account/jane/message/m", body, leaves=leaves)
    assert is_done
