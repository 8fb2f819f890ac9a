"""The one-line form of a token for export, import and preparation (contract config.md 3).

base64url without padding of a MessagePack map: `id`, `created`, and when present `account`,
`scopes`, `description`, `restrictions`, `permissions`, `metadata`, `expires`, `ip`,
`remoteAddress`. The token's value is not in it. Points in time are milliseconds, ISO 8601 texts
or MessagePack timestamps.
"""

from __future__ import annotations

import base64
import binascii
import re
from datetime import datetime
from typing import Any

import msgspec

from postroom.clock import iso, parse_iso
from postroom.errors import ConfigurationError
from postroom.model.token import TokenPermissions, TokenRecord, TokenRestrictions
from postroom.model.value import Value

_ID = re.compile(r"[0-9a-f]{64}")


class _Exported(Value, frozen=True, kw_only=True):
    id: str
    created: Any
    account: str | None = None
    scopes: tuple[str, ...] | None = None
    description: str | None = None
    restrictions: TokenRestrictions | None = None
    permissions: TokenPermissions | None = None
    metadata: str | None = None
    expires: Any = None
    ip: str | None = None
    remote_address: str | None = None


def pack(record: TokenRecord) -> str:
    """The exported form of a token."""
    exported = _Exported(
        id=record.id,
        created=record.created_ms,
        account=record.account,
        scopes=record.scopes,
        description=record.description or None,
        restrictions=record.restrictions,
        permissions=record.permissions,
        metadata=record.metadata,
        expires=None if record.expires is None else parse_iso(record.expires),
        ip=record.ip,
        remote_address=record.remote_address,
    )
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(exported)).rstrip(b"=").decode("ascii")


def unpack(text: str) -> TokenRecord:
    """The token in an exported form. Raises ConfigurationError for anything else."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return _record(msgspec.msgpack.decode(raw, type=_Exported))
    except (binascii.Error, ValueError, OverflowError) as error:
        raise ConfigurationError("The prepared token is not an exported token") from error


def _record(exported: _Exported) -> TokenRecord:
    token = exported.id.lower()
    if not _ID.fullmatch(token):
        raise ValueError("not a token id")
    return TokenRecord(
        id=token,
        created_ms=_milliseconds(exported.created),
        account=exported.account,
        scopes=exported.scopes or (),
        description=exported.description or "",
        restrictions=exported.restrictions,
        permissions=exported.permissions,
        metadata=exported.metadata,
        expires=None if exported.expires is None else iso(_milliseconds(exported.expires)),
        ip=exported.ip,
        remote_address=exported.remote_address,
    )


def _milliseconds(moment: Any) -> int:
    if isinstance(moment, datetime):
        return round(moment.timestamp() * 1000)
    if isinstance(moment, str):
        return parse_iso(moment)
    if isinstance(moment, int | float) and not isinstance(moment, bool):
        return round(moment)
    raise ValueError("not a point in time")
