"""The layout of an account's hash: the registration, its health and its counters (floor F1).

Fields: `record` (JSON, secrets sealed), `created` (ms), `revision` (raised with each change of the
record), `state`, `lastError`, `syncTime`, `connections`, `smtpStatus`, `syncError`, `logged` (the
first event id of the batch that was logged last), and one counter `n:<event>` for each event that
was logged, raised by the script that logs it, so that a counter cannot differ from the log
(invariant I31).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from postroom.errors import SealBroken
from postroom.model.account import Account, AccountState, AccountStatus, LastError
from postroom.model.wire import decode_record, encode

COUNTER = b"n:"


@dataclass(frozen=True, slots=True)
class StateUpdate:
    """What to change of an account's status: UNSET leaves a field as it is, None clears it."""

    state: AccountState | UnsetType = UNSET
    last_error: LastError | UnsetType | None = UNSET
    sync_time: str | UnsetType | None = UNSET
    connections: int | UnsetType = UNSET
    smtp_status: Mapping[str, Any] | UnsetType | None = UNSET
    sync_error: Mapping[str, Any] | UnsetType | None = UNSET


def written(update: StateUpdate) -> tuple[dict[str, str | bytes | int], list[str]]:
    """The hash fields that an update sets, and those that it removes."""
    values: dict[str, str | bytes | int | UnsetType | None] = {
        "state": update.state if update.state is UNSET else str(update.state),
        "lastError": _json(update.last_error),
        "syncTime": update.sync_time,
        "connections": update.connections,
        "smtpStatus": _json(update.smtp_status),
        "syncError": _json(update.sync_error),
    }
    kept = {name: value for name, value in values.items() if not isinstance(value, UnsetType)}
    cleared = [name for name, value in kept.items() if value is None]
    return {name: value for name, value in kept.items() if value is not None}, cleared


def _json(value: Any) -> bytes | UnsetType | None:
    return value if value is None or value is UNSET else encode(value)


def read_account(fields: Mapping[bytes, bytes], unseal: Callable[[str], str]) -> Account:
    """The registration in a hash. Raises SealBroken for one that cannot be read."""
    try:
        account = decode_record(fields[b"record"], Account, unseal)
    except (KeyError, msgspec.MsgspecError) as error:
        raise SealBroken("A stored account cannot be read") from error
    return msgspec.structs.replace(account, created_ms=int(fields.get(b"created", b"0")))


def read_status(fields: Mapping[bytes, bytes]) -> AccountStatus:
    """The health and the counters in a hash."""
    counters = {
        name.removeprefix(COUNTER).decode(): int(value)
        for name, value in fields.items()
        if name.startswith(COUNTER)
    }
    return AccountStatus(
        state=AccountState(fields.get(b"state", b"init").decode()),
        last_error=_decoded(fields.get(b"lastError"), LastError),
        sync_time=fields[b"syncTime"].decode() if b"syncTime" in fields else None,
        connections=int(fields.get(b"connections", b"0")),
        smtp_status=_decoded(fields.get(b"smtpStatus"), dict),
        sync_error=_decoded(fields.get(b"syncError"), dict),
        events=counters,
    )


def _decoded(raw: bytes | None, kind: Any) -> Any:
    return None if raw is None else msgspec.json.decode(raw, type=kind)
