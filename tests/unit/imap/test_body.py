from __future__ import annotations

import pytest

from postroom.imap.body import MOST_MIME_DEPTH, read_body
from postroom.imap.tokens import tokenise
from postroom.imap.types import BodyPart


def body(text: bytes) -> BodyPart:
    found = read_body(tokenise(text)[0])
    assert found is not None
    return found


def numbers(part: BodyPart) -> list[str]:
    return [f"{part.part}:{part.type}/{part.subtype}"] + [
        line for child in part.children for line in numbers(child)
    ]


TEXT = b'("TEXT" "PLAIN" ("CHARSET" "US-ASCII") NIL NIL "7BIT" 1152 23)'


def test_a_simple_message_is_part_one() -> None:
    part = body(TEXT)
    assert (part.part, part.type, part.subtype, part.encoding) == ("1", "text", "plain", "7bit")
    assert part.size == 1152
    assert part.parameters == {"charset": "US-ASCII"}


def test_parts_are_numbered_as_rfc_9051_6_4_5_shows() -> None:
    inner = b"(" + TEXT + TEXT + b' "ALTERNATIVE")'
    message = (
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 99 (NIL "s" NIL NIL NIL NIL NIL NIL NIL NIL) '
        b"(" + TEXT + inner + b' "MIXED") 7)'
    )
    single = (
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 99 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) '
        + TEXT
        + b' 7 NIL ("attachment" ("filename" "x.eml")))'
    )
    root = body(
        b"(" + TEXT + inner + message + single + b' "MIXED" ("BOUNDARY" "x") ("inline" NIL))'
    )
    assert numbers(root) == [
        ":multipart/mixed",
        "1:text/plain",
        "2:multipart/alternative",
        "2.1:text/plain",
        "2.2:text/plain",
        "3:message/rfc822",
        "3:multipart/mixed",
        "3.1:text/plain",
        "3.2:multipart/alternative",
        "3.2.1:text/plain",
        "3.2.2:text/plain",
        "4:message/rfc822",
        "4.1:text/plain",
    ]
    assert root.disposition == "inline"
    assert root.children[2].envelope is not None
    assert root.children[2].envelope.subject == b"s"
    assert root.children[3].disposition == "attachment"
    assert root.children[3].disposition_parameters == {"filename": "x.eml"}


@pytest.mark.parametrize(
    "text",
    [
        b'("TEXT" "PLAIN" NIL NIL NIL NIL NIL)',
        b'("TEXT")',
        b'(NIL NIL NIL NIL NIL "7BIT" "12")',
        b"(" + TEXT + b")",
        b"(() ())",
        b'("MESSAGE" "RFC822" NIL NIL NIL "7BIT" 1 NIL NIL NIL)',
        b'("MESSAGE" "DELIVERY-STATUS" NIL NIL NIL "7BIT" 1 12)',
        b'("APPLICATION" "PDF" ("a" NIL "b" "c") NIL NIL "BASE64" 5 NIL ("attachment" NIL))',
        b'("IMAGE" "PNG" ("NAME") NIL NIL NIL 5 NIL "attachment")',
    ],
)
def test_odd_structures_give_parts_not_errors(text: bytes) -> None:
    part = body(text)
    assert part.type
    assert part.subtype
    assert part.size >= 0


def test_a_size_that_is_missing_is_zero_and_a_multipart_without_subtype_is_mixed() -> None:
    assert body(b'("TEXT" "PLAIN" NIL NIL NIL NIL NIL)').size == 0
    assert body(b"(" + TEXT + b")").subtype == "mixed"
    assert body(b'(NIL NIL NIL NIL NIL "7BIT" "12")').size == 12


def test_structures_nested_beyond_the_limit_are_cut_off() -> None:
    deep = MOST_MIME_DEPTH + 50
    part = body(b"(" * deep + TEXT + b' "MIXED")' * deep)
    depth = 0
    while part.children:
        part, depth = part.children[0], depth + 1
    assert depth == MOST_MIME_DEPTH


def test_no_structure_is_none() -> None:
    assert read_body(None) is None
    assert read_body([]) is None
    assert read_body("x") is None
