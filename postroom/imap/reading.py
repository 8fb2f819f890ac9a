"""Small readers from tokens to values, shared by all responses.

Each accepts any token: what does not fit is None, empty or left out, because a server that sends
one odd value must not cost the connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from postroom.imap import utf7
from postroom.imap.sets import MOST_NUMBER
from postroom.imap.tokens import Token

# 64-bit numbers (MODSEQ, sizes) have at most 20 digits; longer texts are nonsense.
MOST_DIGITS = 20


def number(value: Token) -> int | None:
    """A number, quoted or not."""
    if isinstance(value, bytes):
        value = value.decode("latin-1")
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= MOST_DIGITS:
        return int(value)
    return None


def message_number(value: Token) -> int | None:
    """A UID or UIDVALIDITY: RFC 9051 9 has them be non-zero numbers of 32 bits."""
    told = number(value)
    return told if told is not None and 0 < told <= MOST_NUMBER else None


def raw(value: Token) -> bytes | None:
    """A string; an atom counts as one (servers forget the quotes)."""
    if isinstance(value, bytes):
        return value
    return value.encode("latin-1") if isinstance(value, str) else None


def text(value: Token) -> str | None:
    """A string as text."""
    data = raw(value)
    return None if data is None else text_of(data)


def text_of(data: bytes) -> str:
    """UTF-8 when it is that, else byte by byte, so that nothing is refused."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.decode("latin-1")


def mailbox(value: Token) -> str:
    """A mailbox path; an atom NIL in this place is a mailbox of that name."""
    path = text(value) if not isinstance(value, list) else None
    if path is None:
        return "NIL"
    # RFC 9051 5.1: INBOX is the same in any case.
    return "INBOX" if path.upper() == "INBOX" else utf7.decode(path)


# A longer flag is not remembered: a hostile server could fill the memory with them.
MOST_KEPT_FLAG = 255


def flag(name: str) -> str:
    """The one text of a flag that is told of many messages."""
    return _kept_flag(name) if len(name) <= MOST_KEPT_FLAG else _flag(name)


def _flag(name: str) -> str:
    return text_of(name.encode("latin-1"))


_kept_flag = lru_cache(maxsize=4096)(_flag)


def flags(value: Token) -> tuple[str, ...]:
    """A list of flags, without `\\Recent`: that one is about the session, not about the message,
    and RFC 9051 dropped it."""
    if not isinstance(value, list):
        return ()
    return tuple(flag(item) for item in value if isinstance(item, str) and item != "\\Recent")


def labels(value: Token) -> tuple[str, ...]:
    """A list of Gmail labels: atoms or strings, in modified UTF-7."""
    if not isinstance(value, list):
        return ()
    named = (text(item) for item in value)
    return tuple(utf7.decode(name) for name in named if name is not None)


def pairs(values: Sequence[Token]) -> dict[str, Token]:
    """`NAME value NAME value`; names in upper case; a last name without value is left out."""
    return {
        name.upper(): values[at + 1]
        for at in range(0, len(values) - 1, 2)
        if isinstance(name := values[at], str)
    }


def parameters(value: Token) -> dict[str, str]:
    """`("NAME" "value" ...)`; names in lower case."""
    if not isinstance(value, list):
        return {}
    found = {}
    for at in range(0, len(value) - 1, 2):
        name, told = text(value[at]), text(value[at + 1])
        if name and told is not None:
            found[name.lower()] = told
    return found


def object_id(value: Token) -> str | None:
    """`(id)` of RFC 8474, or a bare id (Gmail)."""
    if isinstance(value, list):
        value = value[0] if value else None
    return text(value)


def inner_number(value: Token) -> int | None:
    """`(7)`, as MODSEQ is sent, or a bare 7."""
    if isinstance(value, list):
        value = value[0] if value else None
    return number(value)
