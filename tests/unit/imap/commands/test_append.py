from __future__ import annotations

import pytest

from postroom.imap.commands import Append, AppendAll, NewMessage, append_all
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Appended
from tests.unit.imap.dialogue import greeted, line, play, sent

UTF8_MESSAGE = b"Subject: caf\xc3\xa9\r\n\r\nx"


def test_append_gives_flags_and_date() -> None:
    first, _ = sent(Append("INBOX", b"x", ("\\Seen", "$a"), 1_700_000_000_000))
    assert first == b'P1 APPEND INBOX (\\Seen $a) "14-Nov-2023 22:13:20 +0000" {1}\r\n'


def test_a_message_beyond_the_limit_is_refused_before_it_is_sent() -> None:
    client = greeted("IMAP4rev1 LITERAL+ APPENDLIMIT=10")
    with pytest.raises(ImapRefused) as refused:
        client.begin(Append("INBOX", b"x" * 11))
    assert refused.value.public_code == "TOOBIG"
    assert not client.is_busy
    assert client.outgoing() == b""
    client.begin(Append("INBOX", b"x" * 10))
    assert client.outgoing().endswith(b"{10+}\r\nxxxxxxxxxx\r\n")
    assert len(sent(Append("INBOX", b"x" * 11), "IMAP4rev1 APPENDLIMIT LITERAL+", 0)) == 1


def test_eight_bit_headers_are_utf8_data_where_that_is_switched_on() -> None:
    accept = Offered(frozenset({"LITERAL+", "UTF8=ACCEPT"}), is_utf8=True)
    written = Append("INBOX", UTF8_MESSAGE).start(accept).segments
    assert written == (b"APPEND INBOX UTF8 (~{19+}\r\n" + UTF8_MESSAGE + b")\r\n",)
    plain = Append("INBOX", UTF8_MESSAGE, is_plain=True).start(accept).segments
    assert plain == (b"APPEND INBOX {19+}\r\n" + UTF8_MESSAGE + b"\r\n",)
    assert b"UTF8" not in Append("INBOX", b"a: b\r\n\r\n\xff").start(accept).segments[0]
    both = Offered(accept.capabilities | {"IMAP4REV2"}, is_utf8=True)
    assert Append("INBOX", UTF8_MESSAGE).start(both).segments == plain


def test_a_message_with_nul_is_a_binary_literal() -> None:
    assert sent(Append("INBOX", b"a\0b"), "BINARY") == [b"P1 APPEND INBOX ~{3}\r\n", b"a\0b\r\n"]
    assert sent(Append("INBOX", b"a\0b")) == [b"P1 APPEND INBOX {3}\r\n", b"a\0b\r\n"]


def test_several_messages_go_at_once_and_learn_their_uids() -> None:
    both = AppendAll("a", (NewMessage(b"x", ("\\Seen",)), NewMessage(b"yz")))
    assert line(both, "LITERAL+") == b"APPEND a (\\Seen) {1+}\r\nx {2+}\r\nyz"
    told, _ = play(both, b"P1 OK [APPENDUID 7 3:4] done\r\n")
    assert told == (Appended(7, 3), Appended(7, 4))
    for code in (b"", b"[APPENDUID 7 x] ", b"[APPENDUID] "):
        assert play(both, b"P1 OK " + code + b"done\r\n")[0] == (Appended(), Appended())
    assert play(both, b"P1 OK [APPENDUID 7 3] done\r\n")[0] == (Appended(7), Appended(7))


@pytest.mark.parametrize(("capabilities", "commands"), [("MULTIAPPEND", 1), ("", 2)])
async def test_several_messages_are_stored_on_any_server(capabilities: str, commands: int) -> None:
    ran: list[object] = []

    async def run(command: object) -> object:
        ran.append(command)
        many = isinstance(command, AppendAll)
        return (Appended(7, 1), Appended(7, 2)) if many else Appended(7, len(ran))

    offered = Offered(frozenset(capabilities.split()))
    stored = await append_all(run, offered, "a", (NewMessage(b"x"), NewMessage(b"y")))
    assert stored == (Appended(7, 1), Appended(7, 2))
    assert len(ran) == commands


def test_a_uid_that_cannot_be_is_not_told() -> None:
    appended, _ = play(Append("INBOX", b"x"), b"P1 OK [APPENDUID 0 99999999999] done\r\n")
    assert (appended.uid_validity, appended.uid) == (None, None)
