"""The golden table of reply recipients (invariant I17, contract F32 to F34)."""

from __future__ import annotations

import pytest

from postroom.errors import InvalidInput
from postroom.model.message import Address, ReferencedMessage
from postroom.submit.recipients import (
    Recipients,
    for_reference,
    reply_id,
    subject_for,
    thread_ids,
)


def many(text: str) -> tuple[Address, ...]:
    return tuple(Address(address=one) for one in text.split())


def shown(addresses: tuple[Address, ...]) -> str:
    return " ".join(one.address for one in addresses)


# action, original (from, reply-to, to, cc), given (to, cc, bcc), result (to, cc, bcc)
TABLE = [
    ("reply", ("a", "", "me", "c"), ("", "", ""), ("a", "", "")),
    ("reply", ("a", "r s", "me", "c"), ("", "", ""), ("r s", "", "")),
    ("reply", ("a", "r", "me", "c"), ("x", "y", "z"), ("x", "y", "z")),
    ("reply", ("a", "", "me", ""), ("", "y", "z"), ("a", "y", "z")),
    ("reply", ("me", "", "b", ""), ("", "", ""), ("me", "", "")),
    ("reply-all", ("a", "", "me b", "c"), ("", "", ""), ("a b", "c", "")),
    ("reply-all", ("a", "r", "me b", "c"), ("", "", ""), ("r b", "c", "")),
    ("reply-all", ("a", "", "ME A b", "B c me"), ("", "", ""), ("a b", "c", "")),
    ("reply-all", ("a", "", "me", "c"), ("x a", "y c", "z x"), ("a x", "c y", "z")),
    ("reply-all", ("me", "", "b", "c"), ("", "", ""), ("b", "c", "")),
    ("reply-all", ("me", "", "me", ""), ("", "", ""), ("me", "", "")),
    ("reply-all", ("a", "", "me", ""), ("", "", ""), ("a", "", "")),
    ("forward", ("a", "r", "me b", "c"), ("x", "y", "z"), ("x", "y", "z")),
]


@pytest.mark.parametrize(("action", "original", "given", "result"), TABLE)
def test_recipients_follow_the_table(
    action: str,
    original: tuple[str, str, str, str],
    given: tuple[str, str, str],
    result: tuple[str, str, str],
) -> None:
    sender, reply_to, to, cc = original
    message = ReferencedMessage(
        id="m",
        path="INBOX",
        from_=Address(address=sender),
        reply_to=many(reply_to),
        to=many(to),
        cc=many(cc),
    )
    asked = Recipients(*(many(text) for text in given))
    found = for_reference(action, message, "me", asked)
    assert (shown(found.to), shown(found.cc), shown(found.bcc)) == result


def test_a_forward_needs_a_recipient() -> None:
    with pytest.raises(InvalidInput):
        for_reference("forward", ReferencedMessage(id="m", path="I"), "me", Recipients())


@pytest.mark.parametrize(
    ("action", "subject", "result"),
    [
        ("reply", "Plans", "Re: Plans"),
        ("reply-all", "RE: Plans", "RE: Plans"),
        ("reply", "Regarding", "Re: Regarding"),
        ("reply", None, "Re:"),
        ("forward", "Plans", "Fwd: Plans"),
        ("forward", "fwd:Plans", "fwd:Plans"),
        ("forward", "Re: Plans", "Fwd: Re: Plans"),
    ],
)
def test_subjects_get_their_prefix_once(action: str, subject: str | None, result: str) -> None:
    assert subject_for(action, subject) == result


def test_the_thread_is_unique_and_bracketed() -> None:
    message = ReferencedMessage(
        id="m", path="I", message_id="c@x", in_reply_to="<b@x>", references="<a@x>\r\n <b@x>"
    )
    assert thread_ids(message) == ("<a@x>", "<b@x>", "<c@x>")
    assert reply_id("reply", message) == "<c@x>"
    assert reply_id("forward", message) is None
