from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.imap.types import BodyPart, Envelope, EnvelopeAddress, FetchedMessage
from postroom.model.ids import MessageKey, parse_text_id
from postroom.model.wire import encode
from postroom.providers.imap.structure import MOST_PARTS, layout
from postroom.providers.imap.summary import (
    addresses_of,
    detail,
    detail_items,
    summarise,
    summary_items,
)

KEY = MessageKey(1, 481)


def part(number: str, kind: str, **more: object) -> BodyPart:
    main, _, sub = kind.partition("/")
    return BodyPart(part=number, type=main, subtype=sub, **more)  # type: ignore[arg-type]


def multipart(kind: str, *children: BodyPart) -> BodyPart:
    return BodyPart(part="", type="multipart", subtype=kind, children=children)


HTML = part("1", "text/html")
ENCLOSED = part("1", "message/rfc822", children=(part("1.1", "text/plain"),))


def test_an_entry_has_the_ids_of_the_contract() -> None:
    body = multipart(
        "mixed",
        multipart("alternative", part("1.1", "text/plain"), part("1.2", "text/html", size=9)),
        part("2", "application/pdf", disposition="attachment"),
    )
    entry = summarise(FetchedMessage(seq=7, uid=481, flags=("\\Recent",), body=body), KEY, path="A")
    assert entry.id == "AAAAAQAAAeE"
    assert entry.text is not None
    assert entry.text.id is not None
    assert parse_text_id(entry.text.id)[1].plain == ("1.1",)
    assert entry.text.encoded_size is not None
    assert entry.text.encoded_size.html == 9
    assert [one.content_type for one in entry.attachments] == ["application/pdf"]
    assert entry.flags == ()
    assert entry.unseen


@pytest.mark.parametrize(
    ("body", "plain", "html", "attached"),
    [
        (part("1", "text/plain", parameters={"name": "body.txt"}), ("1",), (), 0),
        (part("1", "text/plain", disposition="attachment"), (), (), 1),
        (multipart("mixed", part("1", "text/plain", parameters={"name": "log.txt"})), (), (), 1),
        (multipart("mixed", part("1", "text/plain"), part("2", "text/plain")), ("1", "2"), (), 0),
        (multipart("alternative", HTML, part("2", "text/calendar")), (), ("1",), 1),
        (multipart("alternative", HTML, part("2", "text/x-amp-html")), (), ("1",), 0),
        (multipart("mixed", ENCLOSED), (), (), 1),
        (multipart("mixed"), (), (), 0),
        (None, (), (), 0),
    ],
)
def test_text_is_told_from_attachments(
    body: BodyPart | None, plain: tuple[str, ...], html: tuple[str, ...], attached: int
) -> None:
    found = layout(body)
    assert (found.text_parts().plain, found.text_parts().html) == (plain, html)
    assert len(found.attachments) == attached


def test_parts_beyond_the_limit_are_left_out() -> None:
    body = multipart("mixed", *(part(str(n), "image/png") for n in range(MOST_PARTS + 5)))
    assert len(layout(body).attachments) == MOST_PARTS - 1


def test_people_are_read_from_what_servers_make_of_bad_headers() -> None:
    people = (
        EnvelopeAddress(None, b"Team", None),
        EnvelopeAddress(b"=?utf-8?Q?J=C3=BC?=", b"j", b"x.org"),
        EnvelopeAddress(None, b"bare", b"MISSING_DOMAIN"),
        EnvelopeAddress(b"Only Name", b"MISSING_MAILBOX", b"MISSING_DOMAIN"),
        EnvelopeAddress(None, b"MISSING_MAILBOX", b"MISSING_DOMAIN"),
        EnvelopeAddress(None, None, None),
    )
    found = [(one.name, one.address) for one in addresses_of(people)]
    assert found == [("J\u00fc", "j@x.org"), (None, "bare"), ("Only Name", "")]


def test_a_bad_date_gives_way_to_the_time_of_arrival() -> None:
    for date in ("nonsense", None, "Wed, 01 Jan 1800 00:00:00 +0000"):
        message = FetchedMessage(seq=1, internal_date_ms=1_000, envelope=Envelope(date=date))
        assert summarise(message, KEY, path="A").date == "1970-01-01T00:00:01.000Z"
    assert summarise(FetchedMessage(seq=1), KEY, path="A").date is None


def test_the_full_view_has_headers_and_special_uses() -> None:
    sections = {"HEADER": b"Subject: x\r\nPrecedence: auto-reply\r\n\r\n"}
    found = detail(FetchedMessage(seq=1, sections=sections), KEY, path="Sent", special_use="\\Sent")
    assert found.headers == {"subject": ["x"], "precedence": ["auto-reply"]}
    assert found.is_auto_reply
    assert (found.special_use, found.message_special_use) == ("\\Sent", "\\Sent")


def test_ids_are_asked_only_of_servers_that_have_them() -> None:
    assert "EMAILID THREADID" in summary_items({"OBJECTID"}.__contains__)
    assert "X-GM-THRID" in detail_items({"X-GM-EXT-1"}.__contains__)
    assert "EMAILID" not in detail_items(lambda name: False)


@given(some.binary(max_size=200), some.text(max_size=40), some.text(max_size=40))
def test_no_message_makes_it_fail(raw: bytes, word: str, other: str) -> None:
    people = (EnvelopeAddress(raw, raw, raw), EnvelopeAddress(None, raw, None))
    message = FetchedMessage(
        seq=1,
        flags=(word,),
        envelope=Envelope(date=word, subject=raw, from_=people, message_id=other),
        body=part("1", "text/plain", parameters={"name*": word, "charset": other}, id=other),
        sections={"HEADER": raw},
    )
    assert msgspec.json.decode(encode(detail(message, KEY, path=word)))
