"""Search fields of the contract (D1) to SEARCH criteria (RFC 9051 6.4.4): pure.

Fields are ANDed, as SEARCH keys are. User text only ever becomes a quoted string or a literal;
what must be protocol text (sets, header names) is checked here. A field that needs an extension
the server lacks is refused, never left out: a wider result would be a wrong one.

SEARCH knows days only. A `since` or `before` with a time of day is exact on servers with WITHIN
(RFC 5032), as a number of seconds before now; on others it means the whole day, as the contract
says.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from postroom.clock import parse_iso
from postroom.errors import FieldProblem, InvalidInput, Unprocessable
from postroom.imap import utf7
from postroom.imap.commands.search import Criterion, Key
from postroom.imap.dates import date_text
from postroom.imap.sets import MOST_NUMBER

Has = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Server:
    """What the criteria depend on: `has` tells a capability; the time as of now."""

    has: Has
    now_ms: int
    # Whether names are UTF-8 (UTF8=ACCEPT); a label is a name.
    is_utf8: bool = False

    def label(self, name: str) -> str:
        """A label as it is sent."""
        return name if self.is_utf8 else utf7.encode(name)


_SET = re.compile(
    r"(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?(?:,(?:\d{1,10}|\*)(?::(?:\d{1,10}|\*))?)*\Z"
)
# RFC 5322 2.2: printable, no colon.
_HEADER_NAME = re.compile(r"[!-9;-~]{1,200}\Z")
_GMAIL = "X-GM-EXT-1"

_FLAGS = ("answered", "deleted", "draft", "flagged", "seen")
_TEXTS = ("from", "to", "cc", "bcc", "subject", "body")
_SIZES = ("larger", "smaller")
_DAYS = ("sentBefore", "sentSince")
_DAY_MS = 86_400_000
# The first and the last moment of the years with four digits.
_FIRST_MS, _LAST_MS = -62_135_596_800_000, 253_402_300_799_999
# RFC 5032 3: how the two are said in seconds before now.
_WITHIN = {"before": "OLDER", "since": "YOUNGER"}


def search_criteria(search: Mapping[str, Any], server: Server) -> tuple[Criterion, ...]:
    """The criteria for `search`.

    Raises InvalidInput (400) for a wrong field and Unprocessable (422) for a missing extension.
    """
    criteria: list[Criterion] = []
    for field, value in search.items():
        if value is not None:
            criteria.extend(_criterion(field, value, server))
    return tuple(criteria) or (Key("ALL"),)


def _criterion(field: str, value: Any, server: Server) -> Iterator[Criterion]:
    writer = _WRITERS.get(field)
    if writer is None:
        raise _wrong(field, "is not a known search field")
    try:
        return iter(writer(field, value, server))
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise _wrong(field, "has a wrong value") from error


def _set(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    text = str(value).replace(" ", "")
    if not _SET.match(text):
        raise ValueError
    return (Key(text),) if field == "seq" else (Key("UID"), Key(text))


def _flag(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    return (Key(field.upper() if value else f"UN{field.upper()}"),)


def _unseen(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    return (Key("UNSEEN" if value else "SEEN"),)


def _text(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    return (Key(field.upper()), str(value))


def _size(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    return (Key(field.upper()), int(value))


def _day(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    return (Key(field.upper()), Key(date_text(_moment_ms(value))))


def _moment_ms(value: Any) -> int:
    """Milliseconds since 1970; a zone may carry a date beyond the years that have four digits."""
    return min(max(parse_iso(str(value)), _FIRST_MS), _LAST_MS)


def _moment(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    ms = _moment_ms(value)
    seconds = (server.now_ms - ms) // 1000
    has_time = ms % _DAY_MS != 0
    # RFC 5032 4: a number of 32 bits, not 0.
    if has_time and server.has("WITHIN") and 0 < seconds <= MOST_NUMBER:
        return (Key(_WITHIN[field]), seconds)
    return (Key(field.upper()), Key(date_text(ms)))


def _modseq(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    _need(field, server, "CONDSTORE", "QRESYNC")
    return (Key("MODSEQ"), int(value))


def _email_id(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    _need(field, server, _GMAIL, "OBJECTID")
    return (Key("X-GM-MSGID" if server.has(_GMAIL) else "EMAILID"), str(value))


def _thread_id(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    _need(field, server, _GMAIL, "OBJECTID")
    return (Key("X-GM-THRID" if server.has(_GMAIL) else "THREADID"), str(value))


def _header(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    criteria: list[Criterion] = []
    for name, wanted in value.items():
        if not _HEADER_NAME.match(name):
            raise ValueError
        # RFC 9051 6.4.4: an empty string matches every message that has the header.
        criteria += [Key("HEADER"), name, "" if wanted is True else str(wanted)]
    return tuple(criteria)


def _gmail_raw(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    _need(field, server, _GMAIL)
    return (Key("X-GM-RAW"), str(value))


def _labels(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    _need(field, server, _GMAIL)
    criteria: list[Criterion] = []
    for label in value.get("has") or ():
        criteria += [Key("X-GM-LABELS"), server.label(str(label))]
    for label in value.get("not") or ():
        criteria += [Key("NOT"), Key("X-GM-LABELS"), server.label(str(label))]
    return tuple(criteria)


def _api_only(field: str, value: Any, server: Server) -> tuple[Criterion, ...]:
    raise InvalidInput(
        f"The search field {field} is for API accounts only", code="UnsupportedSearchTerm"
    )


_WRITERS: dict[str, Callable[[str, Any, Server], tuple[Criterion, ...]]] = {
    "seq": _set,
    "uid": _set,
    **dict.fromkeys(_FLAGS, _flag),
    "unseen": _unseen,
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_SIZES, _size),
    **dict.fromkeys(_DAYS, _day),
    **dict.fromkeys(_WITHIN, _moment),
    "modseq": _modseq,
    "emailId": _email_id,
    "threadId": _thread_id,
    "header": _header,
    "gmailRaw": _gmail_raw,
    "labels": _labels,
    "emailIds": _api_only,
}


def _need(field: str, server: Server, *extensions: str) -> None:
    """Contract D4."""
    if not any(server.has(name) for name in extensions):
        raise Unprocessable(
            f"The mail server lacks the extension that {field} needs",
            code="MissingServerExtension",
        )


def _wrong(field: str, problem: str) -> InvalidInput:
    key = f"search.{field[:64]}"
    return InvalidInput(fields=[FieldProblem(key, f'"{key}" {problem}')])
