"""Built messages, read back by the standard library and looked at as bytes."""

from __future__ import annotations

import re
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest

from postroom.errors import InvalidInput
from postroom.mime.build import Body, Part, build, type_of
from postroom.mime.fields import address_field, date_field, id_field, text_field
from postroom.model.message import Address


def parsed(raw: bytes) -> EmailMessage:
    message = message_from_bytes(raw, policy=policy.default)
    assert isinstance(message, EmailMessage)
    return message


def test_everything_is_seven_bit_with_crlf_and_short_lines() -> None:
    fields = [
        address_field("From", [Address(name="J\u00fcrgen, \u00d6l", address="a@b.c")]),
        text_field("Subject", "Gr\u00fc\u00dfe " * 40),
        date_field(1_795_000_000_000),
    ]
    body = Body("\u00e4" * 3000 + "\nend", "<p>" + "x" * 5000 + "</p>", (Part(b"\x00\xff" * 999),))
    raw = build(fields, body)
    assert raw.isascii()
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", raw)
    assert max(len(line) for line in raw.split(b"\r\n")) <= 998
    read = parsed(raw)
    assert read["From"].addresses[0].display_name == "J\u00fcrgen, \u00d6l"
    assert str(read["Subject"]).rstrip() == ("Gr\u00fc\u00dfe " * 40).rstrip()
    plain = read.get_body(("plain",))
    assert plain is not None
    assert plain.get_content().splitlines() == ["\u00e4" * 3000, "end"]
    assert next(read.iter_attachments()).get_content() == b"\x00\xff" * 999


def test_long_message_ids_are_never_encoded() -> None:
    long = "<" + "x" * 200 + "@example.org>"
    raw = build([id_field("References", ["<a@b>", long, "<c@d>"])], Body("x"))
    assert f"\r\n {long}\r\n ".encode() in raw
    cid = "c" * 200
    related = build([], Body(None, "<p>", (Part(b"x", cid=cid),)))
    assert f"Content-ID: <{cid}>\r\n".encode() in related


@pytest.mark.parametrize(
    "name",
    ["Plain Name", 'Quote "Q"', "Doe, Jane", "back\\slash", "a@b.c", "\u4e2d\u6587", "x" * 200],
)
def test_display_names_survive(name: str) -> None:
    raw = build([address_field("To", [Address(name=name, address="a@b.c")] * 3)], Body("x"))
    found = parsed(raw)["To"].addresses
    assert [(one.display_name, one.addr_spec) for one in found] == [(name, "a@b.c")] * 3


@pytest.mark.parametrize("break_", ["\r\n", "\n", "\r", "\x00"])
def test_line_breaks_in_header_values_are_refused(break_: str) -> None:
    bad = f"x{break_}Bcc: evil@x.y"
    with pytest.raises(InvalidInput):
        text_field("Subject", bad)
    with pytest.raises(InvalidInput):
        text_field(f"X{break_}", "x")
    with pytest.raises(InvalidInput):
        id_field("References", [bad])
    with pytest.raises(InvalidInput):
        address_field("To", [Address(name=bad, address="a@b.c")])
    with pytest.raises(InvalidInput):
        address_field("To", [Address(address=f"a@b.c{break_}")])
    for part in (Part(b"x", filename=bad), Part(b"x", cid=bad)):
        with pytest.raises(InvalidInput):
            build([], Body("x", None, (part,)))


def test_the_tree_has_the_shape_that_the_parts_ask_for() -> None:
    inline = Part(b"GIF", filename="a.gif", cid="one")
    attached = Part(b"PDF", filename="na\u00efve \u4e2d.pdf")
    raw = build([], Body("t", "<img src='cid:one'>", (inline, attached)))
    kinds = [part.get_content_type() for part in parsed(raw).walk()]
    assert kinds == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/gif",
        "application/pdf",
    ]
    last = list(parsed(raw).walk())[-1]
    assert last.get_filename() == "na\u00efve \u4e2d.pdf"
    assert last.get_content_disposition() == "attachment"


def test_an_attached_message_is_carried_as_it_is() -> None:
    inner = b"Subject:  odd\r\nX: y\r\n\r\nbody\r\n"
    raw = build([], Body("t", None, (Part(inner, content_type="message/rfc822"),)))
    assert inner in raw


def test_an_attached_eight_bit_message_becomes_seven_bit_and_keeps_its_text() -> None:
    inner = b"Subject: x\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\xc3\xbc\r\n"
    raw = build([], Body("t", None, (Part(inner, content_type="message/rfc822"),)))
    assert raw.isascii()
    carried = next(parsed(raw).iter_attachments()).get_content()
    assert carried.get_content().strip() == "\u00fc"


@pytest.mark.parametrize(
    ("name", "given", "kind"),
    [
        ("a.png", None, "image/png"),
        ("a.png", "text/x", "text/x"),
        ("a.unknownext", None, "application/octet-stream"),
        (None, "bad type\r\nX: y", "application/octet-stream"),
        (None, "TEXT/Calendar; method=REQUEST", "text/calendar"),
    ],
)
def test_content_types_are_given_or_guessed(name: str | None, given: str | None, kind: str) -> None:
    assert type_of(name, given) == kind
