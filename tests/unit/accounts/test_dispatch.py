from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from postroom.accounts.dispatch import Dispatch
from postroom.clock import Deadline
from postroom.errors import InvalidInput, WorkerNotAvailable
from postroom.model.message import MessageList
from postroom.model.operations import BY_NAME, Download, DownloadSource, ListMessages
from postroom.model.wire import encode_packed
from tests.fakes.clock import FakeClock


class Shelf:
    """Answers two operations."""

    async def list_messages(self, asked: ListMessages, deadline: Deadline) -> MessageList:
        return MessageList(
            total=asked.page,
            page=0,
            pages=1,
            next_page_cursor=None,
            prev_page_cursor=None,
            messages=(),
        )

    async def download_source(self, asked: DownloadSource, deadline: Deadline) -> Download:
        return Download("message/rfc822", None, 1, _one())


async def _one() -> AsyncIterator[bytes]:
    yield b"x"


def answering_for(account: str) -> Any:
    if account != "here":
        raise WorkerNotAvailable("No worker holds the account")
    return Shelf()


DISPATCH = Dispatch(answering_for)


def soon() -> Deadline:
    return Deadline.after(FakeClock(), 10)


async def test_the_answer_is_the_json_of_the_contract() -> None:
    body = encode_packed(ListMessages(path="INBOX", page=3))
    answer = await DISPATCH.answer("here", "list_messages", body, soon())
    assert answer == (
        b'{"total":3,"page":0,"pages":1,"nextPageCursor":null,"prevPageCursor":null,"messages":[]}'
    )


async def test_a_download_is_passed_on() -> None:
    body = encode_packed(DownloadSource(message="x"))
    answer = await DISPATCH.answer("here", "download_source", body, soon())
    assert isinstance(answer, Download)


@pytest.mark.parametrize(
    ("name", "body"),
    [("close", b"\x80"), ("__init__", b"\x80"), ("list_messages", b"\xff"), ("get_text", b"\x80")],
)
async def test_unknown_names_and_broken_bodies_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(InvalidInput):
        await DISPATCH.answer("here", name, body, soon())


async def test_an_account_held_elsewhere_is_refused() -> None:
    with pytest.raises(WorkerNotAvailable):
        await DISPATCH.answer("there", "request_sync", b"\x80", soon())


def test_every_operation_has_a_method_of_its_name() -> None:
    from postroom.providers.imap.answering import ImapAnswering

    assert [name for name in BY_NAME if not hasattr(ImapAnswering, name)] == []
