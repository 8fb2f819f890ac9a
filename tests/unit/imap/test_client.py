from __future__ import annotations

import tracemalloc
from dataclasses import dataclass

import pytest

from postroom.imap.client import ImapClient
from postroom.imap.commands import Append, Fetch, Idle, Login, Noop, StartTls
from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import Alert, Bye, Exists, Expunged
from postroom.model.secret import Secret
from tests.unit.imap.dialogue import greeted, play


def test_capabilities_come_from_the_greeting_a_code_or_a_line() -> None:
    client = ImapClient()
    client.receive(b"* OK [CAPABILITY IMAP4rev1 idle] ready\r\n")
    assert client.capabilities == {"IMAP4REV1", "IDLE"}
    client.receive(b"* CAPABILITY IMAP4rev1 MOVE\r\n")
    assert client.offered.has("move")
    client.begin(Noop())
    client.receive(b"P1 OK [CAPABILITY IMAP4rev2] done\r\n")
    assert client.offered.has("UIDPLUS")
    assert client.capabilities_told == 3


@pytest.mark.parametrize(
    "data", [b"220 smtp ready\r\n", b"* 3 EXISTS\r\n", b"HTTP/1.1 400 Bad\r\n"]
)
def test_a_peer_that_is_no_imap_server_is_a_violation(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        ImapClient().receive(data)


def test_a_refusal_carries_code_text_and_kind() -> None:
    with pytest.raises(ImapRefused) as refused:
        play(Noop(), b"P1 NO [ALREADYEXISTS] Not {5} again\r\n")
    assert refused.value.response_code == refused.value.public_code == "ALREADYEXISTS"
    assert refused.value.server_text == "Not {5} again"
    assert not refused.value.is_bad
    with pytest.raises(ImapRefused) as refused:
        play(Noop(), b"P1 BAD\r\n")
    assert refused.value.is_bad
    assert refused.value.response_code is None


@pytest.mark.parametrize("data", [b"P1 OK\r\n", b"X OK\r\n", b"+ go\r\n", b"P1 BYE x\r\n"])
def test_answers_to_nothing_are_violations(data: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        greeted().receive(data)


def test_an_answer_with_the_tag_of_an_older_command_is_a_violation() -> None:
    client = greeted()
    client.begin(Noop())
    client.receive(b"P1 OK done\r\n")
    client.begin(Noop())
    with pytest.raises(ProtocolViolation):
        client.receive(b"P1 OK done\r\n")


def test_a_literal_waits_for_the_server() -> None:
    client = greeted()
    client.begin(Append("INBOX", b"hello"))
    assert client.outgoing() == b"P1 APPEND INBOX {5}\r\n"
    assert client.outgoing() == b""
    client.receive(b"+ OK\r\n")
    assert client.outgoing() == b"hello\r\n"
    client.receive(b"P1 OK [APPENDUID 7 3] done\r\n")
    assert client.result().uid == 3


def test_a_refused_literal_is_not_sent() -> None:
    client = greeted()
    client.begin(Append("INBOX", b"hello"))
    client.outgoing()
    client.receive(b"P1 NO [TOOBIG] no\r\n")
    assert not client.is_busy
    assert client.outgoing() == b""
    with pytest.raises(ImapRefused):
        client.result()


def test_idle_ends_with_done_only_after_the_server_listens() -> None:
    client = greeted()
    client.begin(Idle())
    assert client.outgoing() == b"P1 IDLE\r\n"
    client.stop_idle()
    assert client.outgoing() == b""
    client.receive(b"+ idling\r\n")
    assert client.is_idling
    assert client.receive(b"* 4 EXISTS\r\n* 2 EXPUNGE\r\n") == [Exists(4), Expunged(2)]
    client.stop_idle()
    assert client.outgoing() == b"DONE\r\n"
    client.receive(b"P1 OK done\r\n")
    assert not client.is_busy


def test_alerts_and_goodbyes_are_news() -> None:
    _, news = play(Noop(), b"* OK [ALERT] Disk is full\r\n* BYE later\r\nP1 OK done\r\n")
    assert news == [Alert("Disk is full"), Bye("later")]


@pytest.mark.parametrize("injected", [b"* CAPABILITY AUTH=PLAIN\r\n", b"P2 OK\r\n", b"x"])
def test_bytes_in_the_clear_after_starttls_are_never_read(injected: bytes) -> None:
    client = greeted("IMAP4rev1 STARTTLS")
    client.begin(StartTls())
    client.receive(b"P1 OK go\r\n" + injected)
    client.result()
    assert client.capabilities == {"IMAP4REV1", "STARTTLS"}
    with pytest.raises(ProtocolViolation):
        client.begin_tls()


@dataclass(frozen=True)
class Compressing(Command[None]):
    """COMPRESS DEFLATE as the client sees it."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange((b"COMPRESS DEFLATE\r\n",), done, is_last=True)


PACKED = b"\x00\r\n* 3 EXISTS\r\nP1 OK\r\n"


def test_what_follows_the_ok_of_compress_is_handed_over_unread_at_every_split() -> None:
    stream = b"* 2 EXISTS\r\nP1 OK go\r\n" + PACKED
    for at in range(len(stream) + 1):
        client = greeted("IMAP4rev1 COMPRESS=DEFLATE")
        client.begin(Compressing())
        news = client.receive(stream[:at])
        news += client.receive(stream[at:])
        client.result()
        assert news == [Exists(2)]
        assert client.take_pending() == PACKED
        assert client.take_pending() == b""
        client.begin_compressed()
        assert client.offered.has("COMPRESS=DEFLATE")
        assert client.receive(b"* 4 EXISTS\r\n") == [Exists(4)]


def test_compressed_bytes_that_nobody_took_are_not_read_as_a_dialogue() -> None:
    client = greeted()
    client.begin(Compressing())
    client.receive(b"P1 OK go\r\n* 3 EXISTS\r\n")
    with pytest.raises(RuntimeError):
        client.begin_compressed()
    assert client.receive(b"* 4 EXISTS\r\n") == []


def test_a_refused_compress_leaves_the_dialogue_as_it_was() -> None:
    client = greeted()
    client.begin(Compressing())
    assert client.receive(b"P1 NO busy\r\n* 3 EXISTS\r\n") == [Exists(3)]


def test_what_was_offered_in_the_clear_is_forgotten_with_tls() -> None:
    client = greeted("IMAP4rev1 STARTTLS")
    client.begin(StartTls())
    client.receive(b"P1 OK go\r\n")
    client.begin_tls()
    assert client.capabilities == frozenset()


def test_a_secret_shows_in_no_representation() -> None:
    command = Login("bob", Secret("hunter2"))
    assert "hunter2" not in repr(command)
    client = greeted()
    client.begin(command)
    client.receive(b"P1 NO wrong\r\n")
    with pytest.raises(ImapRefused) as refused:
        client.result()
    assert "hunter2" not in repr(refused.value) + str(refused.value.log)


def test_connections_to_servers_of_a_kind_share_their_capabilities() -> None:
    first, second = greeted("IMAP4rev1 IDLE"), greeted("IMAP4rev1 IDLE")
    assert first.capabilities is second.capabilities
    assert greeted("IMAP4rev1").capabilities != first.capabilities


def test_an_idle_client_is_small() -> None:
    """Thousands are held; the capabilities are shared, and what was read is gone."""
    greeting = (
        b"* OK [CAPABILITY IMAP4rev1 " + b" ".join(b"X%d" % n for n in range(60)) + b"] hi\r\n"
    )
    big = b"* 1 FETCH (UID 1 BODY[] {100000}\r\n" + b"x" * 100_000 + b")\r\nP1 OK done\r\n"

    def idle() -> ImapClient:
        client = ImapClient()
        client.receive(greeting)
        client.begin(Fetch("1", "(BODY[])"))
        client.outgoing()
        client.receive(big[:50_000])
        client.receive(big[50_000:])
        client.result()
        client.begin(Idle())
        client.outgoing()
        client.receive(b"+ idling\r\n")
        return client

    warm = idle()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        held = [idle() for _ in range(50)]
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert warm.capabilities is held[0].capabilities
    assert (after - before) / len(held) < 2_000


def test_a_result_is_given_once() -> None:
    client = greeted()
    client.begin(Noop())
    client.receive(b"P1 OK done\r\n")
    client.result()
    with pytest.raises(RuntimeError):
        client.result()
