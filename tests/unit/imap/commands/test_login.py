from __future__ import annotations

import base64

import pytest

from postroom.imap.commands import Authenticate, Enable, Id, Login
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.model.secret import Secret
from tests.unit.imap.dialogue import greeted, line, play, sent

FULL = "IMAP4rev1 SPECIAL-USE LIST-EXTENDED LIST-STATUS CONDSTORE LITERAL+ SASL-IR"


def test_plain_goes_along_with_the_command_or_waits() -> None:
    coded = base64.b64encode(b"\0bob\0p")
    command = Authenticate("PLAIN", "bob", Secret("p"))
    assert sent(command, FULL, 0) == [b"P1 AUTHENTICATE PLAIN " + coded + b"\r\n"]
    assert sent(command) == [b"P1 AUTHENTICATE PLAIN\r\n", coded + b"\r\n"]


def test_login_mechanism_answers_twice() -> None:
    command = Authenticate("LOGIN", "bob", Secret("p"))
    assert sent(command, FULL, 2) == [b"P1 AUTHENTICATE LOGIN\r\n", b"Ym9i\r\n", b"cA==\r\n"]


def test_tokens_are_sent_and_an_error_challenge_is_answered() -> None:
    client = greeted(FULL)
    client.begin(Authenticate("XOAUTH2", "bob@x", Secret("tok")))
    first = client.outgoing().split()[3]
    assert base64.b64decode(first) == b"user=bob@x\x01auth=Bearer tok\x01\x01"
    client.receive(b"+ eyJzdGF0dXMiOiI0MDAifQ==\r\n")
    assert client.outgoing() == b"\r\n"
    bearer = sent(Authenticate("OAUTHBEARER", "a,b=c", Secret("tok")), FULL)
    assert base64.b64decode(bearer[0].split()[3]).startswith(b"n,a=a=2Cb=3Dc,\x01auth=Bearer tok")
    assert bearer[1] == b"AQ==\r\n"
    with pytest.raises(ProtocolViolation):
        client.receive(b"+ again\r\n")


def test_a_login_under_way_does_not_show_its_password() -> None:
    for command in (
        Login("bob", Secret("canary-pass")),
        Authenticate("PLAIN", "bob", Secret("canary-pass")),
    ):
        exchange = command.start(Offered(frozenset({"SASL-IR"})))
        shown = repr(exchange) + repr(command)
        assert "canary" not in shown
        assert "Y2FuYXJ5" not in shown
        assert "segments" not in shown
    assert "canary" not in repr(Line().raw("LOGIN").quoted("canary-pass"))


def test_both_ends_say_what_they_are() -> None:
    assert line(Id({"name": "x", "os": "y z"})) == b'ID ("name" "x" "os" "y z")'
    assert line(Id()) == b"ID NIL"
    found, _ = play(Id(), b'* ID ("name" "Cyrus" "version" NIL)\r\nP1 OK\r\n')
    assert found == {"name": "Cyrus"}
    assert play(Id(), b"* ID NIL\r\nP1 OK\r\n")[0] == {}


def test_enabling_tells_what_was_enabled() -> None:
    answer = b"* ENABLED CONDSTORE X\r\nP1 OK\r\n"
    assert play(Enable(("CONDSTORE",)), answer)[0] == {"CONDSTORE", "X"}


def test_another_answer_by_the_name_of_capability_changes_nothing() -> None:
    client = greeted("IMAP4rev1 IDLE NAMESPACE")
    client.receive(b'* CAPABILITY (("" "/")) NIL NIL\r\n')
    assert client.capabilities == {"IMAP4REV1", "IDLE", "NAMESPACE"}
