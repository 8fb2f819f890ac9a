"""Dates as IMAP writes them: `17-Jul-1996 02:44:25 -0700`, `17-Jul-1996` (RFC 9051 9)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from postroom.imap.tokens import Token

_DATE = re.compile(
    rb" ?(\d{1,2})-([A-Za-z]{3})-(\d{4}) (\d{2}):(\d{2}):(\d{2}) ([+-])(\d{2})(\d{2})\Z"
)
_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_MONTHS = {name.encode(): at for at, name in enumerate(_NAMES, start=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def parse_internal_date(value: Token) -> int | None:
    """Milliseconds since 1970; None when it is not a date."""
    found = _DATE.match(value) if isinstance(value, bytes) else None
    if found is None:
        return None
    day, month, year, hour, minute, second, sign, zone_hours, zone_minutes = found.groups()
    try:
        moment = datetime(
            int(year),
            _MONTHS.get(month.lower(), 0),
            int(day),
            int(hour),
            int(minute),
            # A leap second is the last second that datetime knows.
            min(int(second), 59),
            tzinfo=UTC,
        )
    except ValueError:
        return None
    zone = timedelta(hours=int(zone_hours), minutes=int(zone_minutes))
    return ((moment - _EPOCH) - (zone if sign == b"+" else -zone)) // _MS


def internal_date_text(ms: int) -> str:
    """The internal date of a moment, in UTC; the day has two places."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    month = _NAMES[moment.month - 1].title()
    return f"{moment.day:2d}-{month}-{moment.year:04d} {moment:%H:%M:%S} +0000"


def date_text(ms: int) -> str:
    """The day of a moment for SEARCH: `5-Nov-2026` (UTC)."""
    moment = _EPOCH + timedelta(milliseconds=ms)
    return f"{moment.day}-{_NAMES[moment.month - 1].title()}-{moment.year:04d}"
