from __future__ import annotations

import pytest

from postroom.errors import InvalidInput
from postroom.imap.commands import Append, Create, Expunge, Fetch, Login, Rename, Store
from postroom.imap.encode import Line, Offered
from postroom.model.secret import Secret
from tests.unit.imap.dialogue import line, sent


def test_strings_are_bare_quoted_or_literal_as_needed() -> None:
    assert line(Create("Work")) == b"CREATE Work"
    assert line(Create('a "b"\\c')) == b'CREATE "a \\"b\\"\\\\c"'
    assert line(Create("Entw\u00fcrfe")) == b'CREATE "Entw&APw-rfe"'
    assert line(Create("NIL")) == b'CREATE "NIL"'
    assert line(Create("")) == b'CREATE ""'
    assert line(Rename("a", "b c")) == b'RENAME a "b c"'
    assert sent(Login("bob", Secret("p\r\nq")))[0].endswith(b'LOGIN "bob" {4}\r\n')


def test_literals_do_not_wait_where_the_server_allows_it() -> None:
    raw = b"x" * 5000
    assert len(sent(Append("INBOX", raw))) == 2
    assert len(sent(Append("INBOX", raw), "IMAP4rev1 LITERAL-")) == 2
    assert len(sent(Append("INBOX", raw[:4096]), "IMAP4rev1 LITERAL-")) == 1
    assert sent(Append("INBOX", b"ab"), "IMAP4rev1 LITERAL+") == [b"P1 APPEND INBOX {2+}\r\nab\r\n"]


@pytest.mark.parametrize("flag", ["a b", "a\r\nb", "", "(", "\u00e9", '"', "a]", "\\", "*"])
def test_a_flag_cannot_smuggle_in_a_command(flag: str) -> None:
    with pytest.raises(InvalidInput):
        sent(Store("1", (flag,), "add"))


@pytest.mark.parametrize("numbers", ["", "1 2", "1\r\nP2 LOGOUT", "a"])
def test_a_set_cannot_smuggle_in_a_command(numbers: str) -> None:
    with pytest.raises(InvalidInput):
        sent(Expunge(numbers))


def test_protocol_text_cannot_hold_line_ends() -> None:
    with pytest.raises(InvalidInput):
        sent(Fetch("1", "(FLAGS)\r\nP2 LOGOUT"))


def test_utf8_goes_in_quotes_once_it_may_and_broken_utf8_never() -> None:
    utf8 = Offered(is_utf8=True)
    assert Line(utf8).string("caf\u00e9").end() == (b'"caf\xc3\xa9"\r\n',)
    assert Line().string("caf\u00e9").end() == (b"{5}\r\n", b"caf\xc3\xa9\r\n")
    assert Line(utf8).string(b"\xff").end() == (b"{1}\r\n", b"\xff\r\n")
    assert Line(utf8).string("\u00e9\n").end()[0] == b"{3}\r\n"
