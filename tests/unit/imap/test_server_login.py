from __future__ import annotations

import base64
import random

import pytest

from postroom.imap.server_login import MOST_WRONG, LoginPhase

CAPABILITIES = ("IMAP4rev1", "ID", "SASL-IR", "AUTH=PLAIN")
PLAIN = base64.b64encode(b"\0bob\0pa ss")


def begun() -> LoginPhase:
    return LoginPhase(CAPABILITIES, {"name": "Postroom"})


def test_what_may_be_asked_before_login_is_answered() -> None:
    phase = begun()
    assert phase.greet("ready") == b"* OK ready\r\n"
    assert phase.receive(b"a CAPABILITY\r\nb noop\r\n") == (
        b"* CAPABILITY IMAP4rev1 ID SASL-IR AUTH=PLAIN\r\na OK Completed\r\nb OK Completed\r\n"
    )
    answer = phase.receive(b'c ID ("name" "Mail" "version" NIL)\r\nd ID NIL\r\n')
    assert answer == b'* ID ("name" "Postroom")\r\nc OK Completed\r\n' * 1 + (
        b'* ID ("name" "Postroom")\r\nd OK Completed\r\n'
    )
    assert phase.client == {}
    assert phase.receive(b"e LOGOUT\r\nf NOOP\r\n") == b"* BYE Good-bye\r\ne OK Completed\r\n"
    assert phase.is_over


@pytest.mark.parametrize(
    ("sent", "answered"),
    [
        (b"a LOGIN bob {5}\r\npa ss\r\n", b"+ OK\r\n"),
        (b'a login "bob" "pa ss"\r\n', b""),
        (b"a LOGIN {3+}\r\nbob {5+}\r\npa ss\r\n", b""),
        (b"a AUTHENTICATE PLAIN " + PLAIN + b"\r\n", b""),
        (b"a authenticate plain\r\n" + PLAIN + b"\r\n", b"+ \r\n"),
    ],
)
def test_every_way_to_log_in_is_understood_wherever_it_is_split(
    sent: bytes, answered: bytes
) -> None:
    for at in range(len(sent)):
        phase = begun()
        assert phase.receive(sent[:at]) + phase.receive(sent[at:]) == answered
        assert phase.asked is not None
        assert (phase.asked.tag, phase.asked.user, phase.asked.password) == ("a", "bob", "pa ss")
        assert "pa ss" not in repr(phase.asked)
        assert phase.accept(["CAPABILITY X"], "bob authenticated") == (
            b"* CAPABILITY X\r\na OK bob authenticated\r\n"
        )


def test_a_refused_client_may_try_again_and_what_it_sent_ahead_waits() -> None:
    phase = begun()
    assert phase.receive(b"a LOGIN bob x\r\nb NOOP\r\nc LOGIN bob y\r\n") == b""
    assert phase.refuse("[AUTHENTICATIONFAILED] no") == (
        b"a NO [AUTHENTICATIONFAILED] no\r\nb OK Completed\r\n"
    )
    assert phase.asked is not None
    assert phase.asked.password == "y"
    assert phase.refuse("no", is_last=True) == b"c NO no\r\n* BYE Good-bye\r\n"
    assert phase.is_over


def test_what_comes_after_the_login_is_handed_over_unread() -> None:
    phase = begun()
    ahead = b"b SELECT INBOX\r\nc FETCH 1 {99"
    phase.receive(b"a LOGIN bob x\r\n" + ahead)
    phase.accept([], "in")
    assert phase.receive(b"9}\r\n") == b""
    assert phase.take_pending() == ahead + b"9}\r\n"


def test_a_name_cannot_smuggle_in_a_line() -> None:
    phase = begun()
    phase.receive(b"a LOGIN {7+}\r\nb\r\n* OK x\r\n")
    assert phase.asked is not None
    assert phase.accept([], f"{phase.asked.user} authenticated").count(b"\r\n") == 1


@pytest.mark.parametrize(
    "wrong",
    [
        b"a AUTHENTICATE PLAIN =\r\n",
        b"a AUTHENTICATE PLAIN\r\n*\r\n",
        b"a AUTHENTICATE PLAIN !!!!\r\n",
        b"a AUTHENTICATE PLAIN " + base64.b64encode(b"\xff\0\xff\0\xff") + b"\r\n",
        b"a AUTHENTICATE PLAIN " + base64.b64encode(b"bob\0x") + b"\r\n",
        b"a LOGIN bob\r\n",
        b"a LOGIN bob (x)\r\n",
        b"a SELECT INBOX\r\n",
        b"a STARTTLS\r\n",
    ],
)
def test_what_cannot_be_is_bad_and_logs_nobody_in(wrong: bytes) -> None:
    phase = begun()
    assert b"a BAD " in phase.receive(wrong)
    assert phase.asked is None
    assert phase.receive(b"b NOOP\r\n") == b"b OK Completed\r\n"


def test_other_mechanisms_are_refused() -> None:
    for mechanism in (b"XOAUTH2", b"LOGIN", b""):
        assert b"a NO [CANNOT]" in begun().receive(b"a AUTHENTICATE " + mechanism + b"\r\n")


def test_a_client_that_talks_nonsense_is_shown_out() -> None:
    phase = begun()
    answer = phase.receive(b"\x00\r\n((\r\n" + b"GET / HTTP/1.1\r\n" * MOST_WRONG)
    assert answer.endswith(b"* BYE Too many errors\r\n")
    assert answer.count(b"BAD") == MOST_WRONG
    assert phase.is_over


def test_nobody_fills_the_memory_before_login() -> None:
    for flood in (b"a LOGIN {99999999}\r\n", b"x" * 20_000, b"a LOGIN " + b"{8000+}\r\n" * 1):
        phase = begun()
        answer = phase.receive(flood)
        assert phase.is_over == (b"BYE" in answer)
        if not phase.is_over:
            assert b"BYE" in phase.receive(b"y" * 40_000)
            assert phase.is_over


def test_nobody_fills_the_memory_while_a_login_is_checked() -> None:
    phase = begun()
    assert phase.receive(b"a LOGIN bob x\r\n" + b"b NOOP\r\n" * 100) == b""
    assert b"BYE" in phase.receive(b"b NOOP\r\n" * 10_000)
    assert phase.is_over


def test_any_bytes_give_answers_and_no_errors() -> None:
    rng = random.Random(20261125)
    pieces = (
        b"a LOGIN ",
        b"bob ",
        b"{3}\r\n",
        b"{3+}\r\n",
        b"x y\r\n",
        b"AUTHENTICATE PLAIN",
        b"\r\n",
    )
    pieces += (b"a ID (", b'"', b"\\", b"\xff", b"\0", b"a CAPABILITY\r\n", PLAIN, b"a ", b")")
    for _ in range(3000):
        phase = begun()
        for _ in range(rng.randint(1, 6)):
            phase.receive(b"".join(rng.choices(pieces, k=rng.randint(1, 6))))
            if phase.asked is not None and rng.random() < 0.5:
                phase.refuse("no")
