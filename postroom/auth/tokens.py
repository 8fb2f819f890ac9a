"""Reading a token out of a request and judging its record's age; pure (contract N1, N7)."""

from __future__ import annotations

import re

from postroom.clock import parse_iso
from postroom.crypto import new_token_value, token_id
from postroom.errors import Unauthorized
from postroom.model.token import TokenRecord

__all__ = ["is_expired", "new_token_value", "presented_token", "token_id"]

_VALUE = re.compile(r"[0-9a-f]{64}", re.IGNORECASE)
_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)


def presented_token(authorization: str | None, access_token: str | None) -> str | None:
    """The token of a request: the Bearer header, else `?access_token=`; None when there is none.

    Raises Unauthorized when something is presented that cannot be a token.
    """
    if authorization is not None:
        found = _BEARER.fullmatch(authorization)
        return _well_formed(found.group(1) if found else "")
    return None if access_token is None else _well_formed(access_token)


def is_expired(record: TokenRecord, now_ms: int) -> bool:
    """Whether the token is refused from now on."""
    return record.expires is not None and parse_iso(record.expires) <= now_ms


def _well_formed(value: str) -> str:
    if not _VALUE.fullmatch(value):
        raise Unauthorized("Invalid access token")
    return value.lower()
