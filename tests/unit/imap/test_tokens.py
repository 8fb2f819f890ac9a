from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.imap.errors import ProtocolViolation
from postroom.imap.server import encode_values
from postroom.imap.tokens import MOST_DEPTH, Token, tokenise

KNOWN: list[tuple[bytes, list[Token]]] = [
    (b"", []),
    (b"  ", []),
    (b"A 1 0012", ["A", "1", "0012"]),
    (b'NIL nil "NIL"', [None, None, b"NIL"]),
    (b'"a \\"b\\" \\\\ c"', [b'a "b" \\ c']),
    (b'"a\\b"', [b"a\\b"]),
    (b'(a (b) () "c")', [["a", ["b"], [], b"c"]]),
    (b"(a)(b)", [["a"], ["b"]]),
    (b"{3}\r\na)b c", [b"a)b", "c"]),
    (b"~{2}\r\n\x00\x01", [b"\x00\x01"]),
    (b"{0}\r\n", [b""]),
    (b"\\Seen \\* $x a]b [Gmail]/x", ["\\Seen", "\\*", "$x", "a]b", "[Gmail]/x"]),
    (b"BODY[HEADER.FIELDS (TO CC)]<0> x", ["BODY[HEADER.FIELDS (TO CC)]<0>", "x"]),
    (b'body[header.fields ("TO")] x', ['body[header.fields ("TO")]', "x"]),
    (b"BODY[] BINARY.SIZE[1.2]", ["BODY[]", "BINARY.SIZE[1.2]"]),
    (b"BODY (x)", ["BODY", ["x"]]),
    (b"BODY[ BODY[1] BODY[a b[c] x", ["BODY[", "BODY[1]", "BODY[a", "b[c]", "x"]),
    (b"caf\xe9", ["caf\xe9"]),
    (b"{abc} {", ["{abc}", "{"]),
]


@pytest.mark.parametrize(("raw", "values"), KNOWN)
def test_known_texts_give_their_values(raw: bytes, values: list[Token]) -> None:
    assert tokenise(raw) == values


@pytest.mark.parametrize(
    "raw", [b"(", b")", b"(a))", b'"open', b'"a\\', b"{5}\r\nabc", b"a\r\nb", b"\x00", b"a\x00b"]
)
def test_text_that_is_no_imap_is_a_violation(raw: bytes) -> None:
    with pytest.raises(ProtocolViolation):
        tokenise(raw)


def test_nesting_has_a_limit() -> None:
    deep = MOST_DEPTH - 1
    assert tokenise(b"(" * deep + b")" * deep)
    with pytest.raises(ProtocolViolation):
        tokenise(b"(" * 100_000)


atoms = st.from_regex(r"\\?[A-Za-z0-9$_./\]-]{1,8}", fullmatch=True).filter(
    lambda atom: atom.upper() != "NIL"
)
values = st.recursive(
    st.none() | atoms | st.binary(max_size=20), lambda inner: st.lists(inner, max_size=4)
)


@given(st.lists(values, max_size=6))
def test_what_the_server_side_writes_the_tokeniser_reads(written: list[Token]) -> None:
    assert tokenise(encode_values(written)) == written
