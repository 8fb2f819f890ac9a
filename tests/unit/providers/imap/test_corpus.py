"""Odd messages of tests/corpus/mime, delivered to a real Dovecot and read back."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from postroom.crypto import Sealer
from postroom.model.message import MessageDetail
from postroom.model.operations import DownloadAttachment, GetMessage, ListMessages
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from tests.fakes.dovecot import Dovecot, running_dovecot
from tests.unit.providers.imap.test_answering import CLOCK, USERS, Desk, soon, whole

pytestmark = pytest.mark.dovecot
CORPUS = Path(__file__).parents[3] / "corpus" / "mime"


@pytest.fixture(scope="module")
def server() -> Iterator[Dovecot]:
    with running_dovecot("ssl = no\n") as started:
        yield started


@pytest_asyncio.fixture
async def desk(server: Dovecot, store: Store) -> AsyncIterator[Desk]:
    opened = Desk(server, store, f"corpus{next(USERS)}")
    await Accounts(store, Sealer(None), CLOCK).create(opened.account, [])
    yield opened
    await opened.answering.close()


async def read(desk: Desk, name: str) -> MessageDetail:
    desk.deliver((CORPUS / f"{name}.eml").read_bytes())
    wanted = GetMessage(message=await desk.first(), text_type="*", web_safe_html=True)
    return await desk.answering.get_message(wanted, soon())


@pytest.mark.parametrize(
    ("name", "subject", "plain"),
    [
        ("iso-2022-jp-body", "\u65e5\u672c", "\u65e5\u672c\u8a9e\n"),
        ("utf-8-declared-latin-1", "lie", "Gr\u00fc\u00dfe\n"),
        ("character-split-over-words", "\u00e4\u00f6", "x\n"),
        ("missing-end-boundary", "cut", "first part"),
        ("no-body", "nothing", ""),
        ("nested-rfc822", "outer", "outer text"),
        ("unknown-charset", "\u00e4", "Gr\u00fc\u00dfe\n"),
        ("auto-reply", "Holiday", "Away.\n"),
        ("proto-and-group", "group", "x\n"),
    ],
)
async def test_odd_messages_are_read(desk: Desk, name: str, subject: str, plain: str) -> None:
    found = await read(desk, name)
    assert found.subject == subject
    assert found.text is not None
    assert found.text.plain == plain


async def test_undeclared_cyrillic_is_recognised(desk: Desk) -> None:
    found = await read(desk, "windows-1251-undeclared")
    assert found.text is not None
    assert (found.text.plain or "").startswith("\u041f\u0440\u0438\u0432\u0435\u0442")


async def test_a_part_without_end_is_still_an_attachment(desk: Desk) -> None:
    found = await read(desk, "missing-end-boundary")
    (attachment,) = found.attachments
    wanted = DownloadAttachment(attachment=attachment.id)
    assert await whole(await desk.answering.download_attachment(wanted, soon())) == b"ABC"


async def test_an_enclosed_message_is_one_attachment(desk: Desk) -> None:
    found = await read(desk, "nested-rfc822")
    (attachment,) = found.attachments
    assert attachment.content_type == "message/rfc822"
    wanted = DownloadAttachment(attachment=attachment.id)
    raw = await whole(await desk.answering.download_attachment(wanted, soon()))
    assert raw.startswith(b"Subject: inner")


async def test_a_file_name_in_pieces_is_put_together(desk: Desk) -> None:
    found = await read(desk, "rfc2231-name-in-pieces")
    assert [one.filename for one in found.attachments] == ["r\u00e9sum\u00e9.pdf"]


async def test_rubbish_in_base64_does_not_hide_the_text(desk: Desk) -> None:
    found = await read(desk, "base64-with-rubbish")
    assert found.text is not None
    assert (found.text.plain or "").startswith("Hallo Welt")


async def test_codecs_that_are_no_charsets_are_harmless(desk: Desk) -> None:
    found = await read(desk, "codec-that-is-no-charset")
    assert found.text is not None
    assert found.text.plain == "plain words\n"


async def test_broken_headers_are_read_as_far_as_they_go(desk: Desk) -> None:
    found = await read(desk, "eight-bit-headers")
    assert found.subject == "Gr\u00fc\u00dfe aus der alten Zeit mit Umlauten"
    assert found.from_ is not None
    assert found.from_.name == "J\u00fcrgen"
    assert found.date is not None
    assert found.headers is not None
    assert found.headers["__proto__"] == ["x"]


async def test_groups_are_opened_and_an_empty_one_is_nobody(desk: Desk) -> None:
    found = await read(desk, "proto-and-group")
    assert found.from_ is None
    assert [one.address for one in found.to] == ["a@example.com", "b@example.com"]


async def test_an_automatic_reply_shows_in_list_and_message(desk: Desk) -> None:
    assert (await read(desk, "auto-reply")).is_auto_reply
    page = await desk.answering.list_messages(ListMessages(path="INBOX"), soon())
    assert page.messages[0].is_auto_reply


async def test_a_message_of_5000_parts_is_read(desk: Desk) -> None:
    part = b"--b\r\nContent-Type: image/png\r\n\r\nx\r\n"
    head = b"Subject: flood\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
    desk.deliver(head + part * 5000 + b"--b--\r\n")
    found = await desk.answering.get_message(GetMessage(message=await desk.first()), soon())
    assert found.subject == "flood"
    assert len(found.attachments) == 5000
