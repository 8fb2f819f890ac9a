"""Search fields of the contract (D1) to SEARCH criteria (RFC 9051 6.4.4): pure.

Fields are ANDed, as SEARCH keys are. User text only ever becomes a quoted string or a literal;
what must be protocol text (sets, header names) is checked here. A field that needs an extension
the server lacks is refused, never left out: a wider result would be a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from postroom.clock import parse_iso
from postroom.errors import FieldProblem, InvalidInput, Unprocessable
from postroom.imap.commands.search import Criterion, Key
from postroom.imap.dates import date_text

Has = Callable[[str], bool]

_SET = re.compile(
    r"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*\Z"
)
# RFC 5322 2.2: printable, no colon.
_HEADER_NAME = re.compile(r"[!-9;-~]{1,200}\Z")
_GMAIL = "X-GM-EXT-1"

_FLAGS = ("answered", "deleted", "draft", "flagged", "seen")
_TEXTS = ("from", "to", "cc", "bcc", "subject", "body")
_SIZES = ("larger", "smaller")
_DAYS = ("before", "since", "sentBefore", "sentSince")


def search_criteria(search: Mapping[str, Any], has: Has) -> tuple[Criterion, ...]:
    """The criteria for `search`; `has` tells a capability.

    Raises InvalidInput (400) for a wrong field and Unprocessable (422) for a missing extension.
    """
    criteria: list[Criterion] = []
    for field, value in search.items():
        if value is not None:
            criteria.extend(_criterion(field, value, has))
    return tuple(criteria) or (Key("ALL"),)


def _criterion(field: str, value: Any, has: Has) -> Iterator[Criterion]:
    writer = _WRITERS.get(field)
    if writer is None:
        raise _wrong(field, "is not a known search field")
    try:
        return iter(writer(field, value, has))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _wrong(field, "has a wrong value") from error


def _set(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    text = str(value).replace(" ", "")
    if not _SET.match(text):
        raise ValueError
    return (Key(text),) if field == "seq" else (Key("UID"), Key(text))


def _flag(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    return (Key(field.upper() if value else f"UN{field.upper()}"),)


def _unseen(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    return (Key("UNSEEN" if value else "SEEN"),)


def _text(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    return (Key(field.upper()), str(value))


def _size(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    return (Key(field.upper()), int(value))


def _day(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    return (Key(field.upper()), Key(date_text(parse_iso(str(value)))))


def _modseq(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    _need(field, has, "CONDSTORE", "QRESYNC")
    return (Key("MODSEQ"), int(value))


def _email_id(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    _need(field, has, _GMAIL, "OBJECTID")
    return (Key("X-GM-MSGID" if has(_GMAIL) else "EMAILID"), str(value))


def _thread_id(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    _need(field, has, _GMAIL, "OBJECTID")
    return (Key("X-GM-THRID" if has(_GMAIL) else "THREADID"), str(value))


def _header(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    criteria: list[Criterion] = []
    for name, wanted in value.items():
        if not _HEADER_NAME.match(name):
            raise ValueError
        # RFC 9051 6.4.4: an empty string matches every message that has the header.
        criteria += [Key("HEADER"), name, "" if wanted is True else str(wanted)]
    return tuple(criteria)


def _gmail_raw(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    _need(field, has, _GMAIL)
    return (Key("X-GM-RAW"), str(value))


def _labels(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    _need(field, has, _GMAIL)
    criteria: list[Criterion] = []
    for label in value.get("has") or ():
        criteria += [Key("X-GM-LABELS"), str(label)]
    for label in value.get("not") or ():
        criteria += [Key("NOT"), Key("X-GM-LABELS"), str(label)]
    return tuple(criteria)


def _api_only(field: str, value: Any, has: Has) -> tuple[Criterion, ...]:
    raise InvalidInput(
        f"The search field {field} is for API accounts only", code="UnsupportedSearchTerm"
    )


_WRITERS: dict[str, Callable[[str, Any, Has], tuple[Criterion, ...]]] = {
    "seq": _set,
    "uid": _set,
    **dict.fromkeys(_FLAGS, _flag),
    "unseen": _unseen,
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_SIZES, _size),
    **dict.fromkeys(_DAYS, _day),
    "modseq": _modseq,
    "emailId": _email_id,
    "threadId": _thread_id,
    "header": _header,
    "gmailRaw": _gmail_raw,
    "labels": _labels,
    "emailIds": _api_only,
}


def _need(field: str, has: Has, *extensions: str) -> None:
    """Contract D4."""
    if not any(has(name) for name in extensions):
        raise Unprocessable(
            f"The mail server lacks the extension that {field} needs",
            code="MissingServerExtension",
        )


def _wrong(field: str, problem: str) -> InvalidInput:
    key = f"search.{field[:64]}"
    return InvalidInput(fields=[FieldProblem(key, f'"{key}" {problem}')])
