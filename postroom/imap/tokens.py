"""Cuts one complete response into nested lists: the inner loop of everything IMAP.

The whole language of IMAP values is: atoms, strings, lists. Here an atom is `str` (latin-1, so
that no byte is lost; numbers stay text, since `0012` may be a mailbox), a string in either form
is `bytes`, an atom NIL is `None`, a parenthesised list is a `list`. Section texts such as
`BODY[HEADER.FIELDS (TO)]<0>` are one atom. Input is a complete response as `framing` gives it,
literals in place. Any input gives a list or a `ProtocolViolation`, and every byte is looked at a
bounded number of times: all repetitions are possessive, no alternative overlaps another, and a
section text ends at the next bracket of either kind, so that `BODY[ BODY[ BODY[` is not searched
to its end again and again.
Its compiled twin (`compiled.pyx`) gives the same for every input; change both or neither.
"""

from __future__ import annotations

import re
from typing import Union

from postroom.imap.errors import ProtocolViolation

# Dovecot stops at 100 nested MIME parts; each costs one list, an envelope some more.
MOST_DEPTH = 256

Token = Union[None, str, bytes, "list[Token]"]

_TOKEN = re.compile(
    rb" *+(?:"
    rb'([^ ()"{~\[\x00\r\n][^ ()"\[\x00\r\n]*+(?![^ ()]))'
    rb'|"([^"\\]*+(?:\\.[^"\\]*+)*+)"'
    rb"|(\()"
    rb"|(\))"
    rb"|~?\{(\d{1,10})[+-]?\}\r\n"
    rb'|((?i:BODY|BINARY)(?i:[.A-Z]*+)\[[^\[\]\r\n]*+\](?:<[0-9.]++>)?+|[^ ()"\x00\r\n]++)'
    rb"|(\Z)"
    rb"|(.)"
    rb")",
    re.DOTALL,
)
# `lastindex` of a match; 1 is an ordinary atom, 2 a string, 6 an atom with brackets or odd bytes.
_OPEN, _CLOSE, _LITERAL, _WRONG = 3, 4, 5, 8
# A backslash before anything else stands for itself.
_ESCAPE = re.compile(rb'\\(["\\])')
_NIL = frozenset((b"NIL", b"nil", b"Nil"))


def tokenise(raw: bytes, start: int = 0) -> list[Token]:
    """The values of `raw` from `start` on; raises ProtocolViolation."""
    top: list[Token] = []
    stack = [top]
    position = start
    while position >= 0:
        position = _read(raw, position, stack)
    if len(stack) != 1:
        raise ProtocolViolation("The mail server did not close a list")
    return top


def _read(raw: bytes, start: int, stack: list[list[Token]]) -> int:
    """Read up to and with the next literal; where to go on, or -1 at the end."""
    current, nil = stack[-1], _NIL
    for found in _TOKEN.finditer(raw, start):
        kind = found.lastindex
        # 1, 2 and 6 are written out: looking up a global costs more than the comparison.
        if kind == 2:
            text = found[2]
            current.append(_ESCAPE.sub(rb"\1", text) if b"\\" in text else text)
        elif kind in (1, 6):
            word = found[kind]
            current.append(None if word in nil else word.decode("latin-1"))
        elif kind == _OPEN:
            inner: list[Token] = []
            current.append(inner)
            current = inner
            stack.append(inner)
            if len(stack) > MOST_DEPTH:
                raise ProtocolViolation("The mail server sent lists nested too deeply")
        elif kind == _CLOSE:
            stack.pop()
            if not stack:
                raise ProtocolViolation("The mail server closed a list that was not open")
            current = stack[-1]
        elif kind == _LITERAL:
            return _literal(raw, found, current)
        else:
            break
    else:
        raise AssertionError("unreachable: the pattern matches at the end of any input")
    if kind == _WRONG:
        raise ProtocolViolation("The mail server sent bytes that are not IMAP")
    return -1


def _literal(raw: bytes, found: re.Match[bytes], current: list[Token]) -> int:
    end = found.end() + int(found[_LITERAL])
    if end > len(raw):
        raise ProtocolViolation("The mail server sent a truncated literal")
    current.append(raw[found.end() : end])
    return end
