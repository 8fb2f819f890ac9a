"""The classification table of sending (I18, contract F9)."""

from __future__ import annotations

import pytest

from postroom.providers.interface import NotAccepted
from postroom.submit.verdict import Kind, Verdict, classify, tells_health


@pytest.mark.parametrize(
    ("code", "reply", "kind", "is_final"),
    [
        ("EENVELOPE", 550, Kind.PERMANENT, True),
        ("EMESSAGE", 554, Kind.PERMANENT, True),
        ("EPROTOCOL", 503, Kind.TRANSIENT, False),
        ("EENVELOPE", 451, Kind.THROTTLE, False),
        ("EPROTOCOL", 421, Kind.THROTTLE, False),
        ("EMESSAGE", 499, Kind.TRANSIENT, False),
        ("EAUTH", 535, Kind.AUTH, True),
        ("EAUTH", 454, Kind.TRANSIENT, False),
        ("ETLS", None, Kind.CONFIG, True),
        ("EAUTH", None, Kind.AUTH, True),
        ("EOAUTH2", None, Kind.AUTH, True),
        ("EENVELOPE", None, Kind.PERMANENT, True),
        ("EPROTOCOL", None, Kind.CONFIG, True),
        ("EDNS", None, Kind.TRANSIENT, False),
        ("ECONNECTION", None, Kind.TRANSIENT, False),
        ("ETIMEDOUT", None, Kind.TRANSIENT, False),
        ("ESOCKET", None, Kind.TRANSIENT, False),
        ("EWHATEVER", None, Kind.TRANSIENT, False),
    ],
)
def test_failures_are_classified(code: str, reply: int | None, kind: Kind, is_final: bool) -> None:
    assert classify(NotAccepted(code, "x", response_code=reply)) == Verdict(kind, is_final)


def test_an_unknown_outcome_is_never_final() -> None:
    failure = NotAccepted("EPROTOCOL", "x", is_unknown=True)
    assert classify(failure) == Verdict(Kind.TRANSIENT, is_final=False)


def test_faults_of_the_message_do_not_mark_the_account() -> None:
    assert not tells_health(NotAccepted("EMESSAGE", "x"))
    assert tells_health(NotAccepted("ECONNECTION", "x"))
