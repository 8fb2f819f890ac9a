"""Reads FETCH data: the items of one message (RFC 9051 7.5.2, and the extensions in
`ITEMS`).

Items come in any order, some unasked for, some missing; unknown ones are stepped over. The most
frequent response of all, `* n FETCH (UID n FLAGS (...) MODSEQ (n))`, has a road of its own:
`FLAGS_LINE` matches it in one step, straight from the stream buffer, without tokens.
Reading a message has a compiled twin (`compiled.pyx`), which takes `ITEMS` from here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

from postroom.imap import reading
from postroom.imap.body import read_body
from postroom.imap.dates import parse_internal_date
from postroom.imap.envelope import read_envelope
from postroom.imap.errors import ProtocolViolation
from postroom.imap.tokens import Token, tokenise
from postroom.imap.types import FetchedMessage

# Longer lists of flags take the long road; a mailbox knows some dozen keywords.
MOST_FLAG_BYTES = 2000

# UID before FLAGS as Dovecot and Gmail send it, or after as Cyrus and Exchange do. Whatever the
# tokeniser might read otherwise than by spaces (`[`, `{`, quotes, 8-bit) takes the long road.
FLAGS_LINE = re.compile(
    rb"\* (\d{1,9}) FETCH \((?:UID (\d{1,10}) )?(?:MODSEQ \((\d{1,19})\) )?"
    rb"FLAGS \(([!#-\'+-Z\\\]-z|}~ ]{0,%d}+)\)"
    rb"(?: UID (\d{1,10}))?(?: MODSEQ \((\d{1,19})\))?\)\r\n" % MOST_FLAG_BYTES
)


# `\\Recent` is about the session; an atom NIL is no flag.
_NO_FLAGS = frozenset(("\\Recent", "NIL", "nil", "Nil"))


def read_flags_line(found: re.Match[bytes]) -> FetchedMessage:
    """The message of a `FLAGS_LINE` match."""
    seq, uid, modseq, flags, late_uid, late_modseq = found.groups()
    # Of two the last counts, as on the long road.
    uid = late_uid or uid
    modseq = late_modseq or modseq
    return FetchedMessage(
        int(seq),
        reading.message_number(uid),
        flags_of(flags),
        int(modseq) if modseq else None,
    )


# A mailbox knows some dozen combinations of flags; each is split once and then shared.
@lru_cache(maxsize=4096)
def flags_of(raw: bytes) -> tuple[str, ...]:
    """The flags between the parentheses of a plain line, as `reading.flags` has them."""
    return tuple(flag for flag in raw.decode("ascii").split() if flag not in _NO_FLAGS)


_FETCH = re.compile(rb"\* (\d{1,9}) FETCH (?=\()", re.IGNORECASE)


def read_message(raw: bytes) -> FetchedMessage | None:
    """The message of a whole FETCH response; None when it is another one, or not IMAP."""
    found = _FETCH.match(raw)
    if found is None:
        return None
    try:
        items = tokenise(raw, found.end())[0]
    except ProtocolViolation:
        return None
    return read_fetch(int(found[1]), items) if isinstance(items, list) else None


def read_fetch(seq: int, items: list[Token]) -> FetchedMessage:
    """The message that the items of one FETCH response tell of."""
    values: dict[str, object] = {}
    sections: dict[str, bytes] = {}
    for at in range(0, len(items) - 1, 2):
        name = items[at]
        if not isinstance(name, str):
            continue
        reader = ITEMS.get(name) or ITEMS.get(name.upper())
        if reader is not None:
            field, read = reader
            values[field] = read(items[at + 1])
        else:
            section = section_of(name)
            if section is not None:
                sections[section] = reading.raw(items[at + 1]) or b""
    return FetchedMessage(seq=seq, sections=sections, **values)  # type: ignore[arg-type] # table


# Longer names are not remembered: a hostile server could fill the memory with them.
MOST_KEPT_NAME = 255


def section_of(name: str) -> str | None:
    """Under which key the data of an item stand; None when it has no data for us."""
    return _kept_section(name) if len(name) <= MOST_KEPT_NAME else _section(name)


def _section(name: str) -> str | None:
    """The text inside the brackets: upper case, header names without their quotes."""
    upper = name.upper()
    before, bracket, rest = upper.partition("[")
    if not bracket:
        return _WHOLE.get(upper)
    inside = rest.rpartition("]")[0].replace('"', "")
    if before == "BINARY":
        return f"BINARY {inside}"
    return None if before == "BINARY.SIZE" else inside


_kept_section = lru_cache(maxsize=1024)(_section)

# RFC 3501 6.4.5: the old names of whole messages and their halves.
_WHOLE = {"RFC822": "", "RFC822.HEADER": "HEADER", "RFC822.TEXT": "TEXT"}

ITEMS: dict[str, tuple[str, Callable[[Token], object]]] = {
    "UID": ("uid", reading.message_number),
    "FLAGS": ("flags", reading.flags),
    "MODSEQ": ("modseq", reading.inner_number),
    "RFC822.SIZE": ("size", reading.number),
    "INTERNALDATE": ("internal_date_ms", parse_internal_date),
    "ENVELOPE": ("envelope", read_envelope),
    "BODYSTRUCTURE": ("body", read_body),
    "BODY": ("body", read_body),
    "EMAILID": ("email_id", reading.object_id),
    "THREADID": ("thread_id", reading.object_id),
    "X-GM-MSGID": ("email_id", reading.object_id),
    "X-GM-THRID": ("thread_id", reading.object_id),
    "X-GM-LABELS": ("labels", reading.labels),
    # RFC 8514: NIL where the mailbox keeps no such date. RFC 8970: NIL until there is one.
    "SAVEDATE": ("save_date_ms", parse_internal_date),
    "PREVIEW": ("preview", reading.text),
}


def merged(known: FetchedMessage, news: FetchedMessage) -> FetchedMessage:
    """Two responses about the same message as one; a server may split what was asked for."""
    values = {
        field: told if (told := getattr(news, field)) is not None else getattr(known, field)
        for field in FetchedMessage.__struct_fields__
    }
    values["sections"] = {**known.sections, **news.sections}
    return FetchedMessage(**values)
