"""Registering, changing and deleting accounts (contract J6 to J9).

Pure rules first: `registered` and `changed` turn checked contract fields and what is stored into
the new record; the service only stores it with its events. A field set to false ("no SMTP") or to
null removes what was there. Servers given on update replace the stored ones, or are merged into
them to any depth with `partial` (J8). A mask never gets here: the face refuses it (I26).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Literal

import msgspec

from postroom.clock import Clock, iso, parse_iso
from postroom.errors import AccountNotFound, FieldProblem, InvalidInput, TooManyRequests
from postroom.events.emit import prepare
from postroom.model.account import Account, AccountStatus
from postroom.model.event import EventDraft, EventType
from postroom.model.ids import new_account_id
from postroom.model.secret import Secret
from postroom.store.accounts import Accounts

Fields = Mapping[str, Any]
# A flush is over with the next round that ends. An account that cannot be reached makes none, so
# after this another flush is let in: it changes nothing for the worse.
FLUSH_MOST_MS = 10 * 60 * 1000
# The parts that `partial` speaks of.
_SERVERS = ("imap", "smtp", "oauth2")
# Said with a grant, not stored with it.
_TRANSIENT = ("partial", "authorize", "redirectUrl")


@dataclass(frozen=True, slots=True)
class Registered:
    """What became of a registration."""

    account: str
    state: Literal["new", "existing"]


class AccountService:
    """The accounts, for those who manage them."""

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock

    async def register(self, fields: Fields, defaults: Fields | None = None) -> Registered:
        """Create an account, or update the one that has the id already (J7).

        `defaults` are fields of a new account that were not given.
        """
        name = fields.get("account") or new_account_id()
        given = {**fields, "account": name}
        with suppress(AccountNotFound):
            await self._accounts.update(name, lambda stored: changed(stored, given))
            return Registered(name, "existing")
        now = self._clock.now_ms()
        draft = EventDraft(event=EventType.ACCOUNT_ADDED, data={"account": name})
        events = prepare(name, [draft], now)
        created = registered({**(defaults or {}), **given}, now)
        state = await self._accounts.create(created, events)
        return Registered(name, state)

    async def update(self, name: str, fields: Fields) -> None:
        """Change what is given, leave the rest. Raises AccountNotFound."""
        await self._accounts.update(name, lambda stored: changed(stored, fields))

    async def flush(
        self, name: str, *, notify_from: str | None = None, indexer: str | None = None
    ) -> None:
        """Have every index of the account built anew (contract I11).

        One write of the record says so; its owner connects anew and finds every index older than
        the flush, so that a kill at any moment leaves a flush that goes on or none at all.
        Raises AccountNotFound, or TooManyRequests while another flush is under way.
        """
        now = self._clock.now_ms()
        before, status = await self._accounts.get_with_status(name)
        if is_flushing(before, status, now):
            raise _flush_runs()

        def flushed(stored: Account) -> Account:
            if stored.flushed_ms != before.flushed_ms:
                raise _flush_runs()
            return msgspec.structs.replace(
                stored,
                flushed_ms=max(now, stored.flushed_ms + 1),
                notify_from=notify_from or iso(now),
                imap_indexer=indexer or stored.imap_indexer,
            )

        await self._accounts.update(name, flushed)

    async def delete(self, name: str) -> None:
        """Remove the account with everything of it. Raises AccountNotFound."""
        draft = EventDraft(event=EventType.ACCOUNT_DELETED, data={"account": name})
        await self._accounts.delete(name, prepare(name, [draft], self._clock.now_ms()))


def registered(fields: Fields, now_ms: int) -> Account:
    """The record of a new account; mail from before now is not announced unless asked for (I6)."""
    given = _stored_form(fields)
    if "notifyFrom" not in fields:
        given["notifyFrom"] = iso(now_ms)
    return _checked(_account(given))


def changed(stored: Account, fields: Fields) -> Account:
    """The record after a change."""
    before = _plain(stored)
    given = {name: _merged(name, before, value) for name, value in fields.items()}
    after = {**before, **given, "account": stored.account}
    return _checked(_account(_stored_form(after)))


def is_flushing(account: Account, status: AccountStatus, now_ms: int) -> bool:
    """Whether no full round has ended since the last flush."""
    if not account.flushed_ms or now_ms - account.flushed_ms >= FLUSH_MOST_MS:
        return False
    synced_ms = parse_iso(status.sync_time) if status.sync_time else 0
    return synced_ms <= account.flushed_ms


def _flush_runs() -> TooManyRequests:
    # errors.md: 429, not 500, for a flush.
    return TooManyRequests("Another flush of the account is under way", code="LockFail")


def _merged(name: str, before: Fields, value: Any) -> Any:
    if name in _SERVERS and isinstance(value, dict) and value.get("partial"):
        return _deep(before.get(name) or {}, value)
    return value


def _deep(before: Any, given: Any) -> Any:
    if not (isinstance(before, dict) and isinstance(given, dict)):
        return given
    return before | {name: _deep(before.get(name), value) for name, value in given.items()}


def _stored_form(fields: Fields) -> dict[str, Any]:
    """Without nulls, without `false` for "none", and with credentials as the record has them."""
    kept = {name: value for name, value in fields.items() if value is not None}
    for name in _SERVERS:
        server = kept.get(name)
        if server is False:
            del kept[name]
        elif isinstance(server, dict):
            kept[name] = _server(server)
    path = kept.get("path")
    if path == ["*"]:
        del kept["path"]
    return kept


def _server(server: Fields) -> dict[str, Any]:
    kept = {
        name: value
        for name, value in server.items()
        if value is not None and name not in _TRANSIENT
    }
    if kept.get("auth") is False:
        del kept["auth"]
    auth = kept.get("auth")
    if isinstance(auth, dict):
        kept["auth"] = {name: value for name, value in auth.items() if value is not False}
    return kept


def _checked(account: Account) -> Account:
    """The rules between fields."""
    imap = account.imap
    needs_host = imap is not None and not imap.disabled and not imap.use_auth_server
    problems = []
    if imap is not None and needs_host and not imap.host:
        problems.append(FieldProblem("imap.host", '"imap.host" is required'))
    if imap is not None and needs_host and not imap.port:
        problems.append(FieldProblem("imap.port", '"imap.port" is required'))
    if not _is_expected(account):
        text = '"email" must be the expected address'
        problems.append(FieldProblem("email", text))
    if problems:
        raise InvalidInput(fields=problems)
    return account


def _is_expected(account: Account) -> bool:
    # Contract K22: equal after trimming, whatever the case.
    if account.expected_email is None or account.email is None:
        return True
    return account.email.strip().casefold() == account.expected_email.strip().casefold()


def _plain(account: Account) -> dict[str, Any]:
    """The record by its contract names; secrets stay Secret values."""
    plain: dict[str, Any] = msgspec.to_builtins(account, builtin_types=(Secret,))
    return plain


def _account(fields: dict[str, Any]) -> Account:
    try:
        return msgspec.convert(fields, Account, dec_hook=_secret)
    except msgspec.ValidationError as error:
        # A partial change may leave an object that is not whole, such as SMTP without a host.
        raise InvalidInput(f"The account would not be complete: {error}") from error


def _secret(kind: type, value: Any) -> Any:
    if kind is Secret:
        return value if isinstance(value, Secret) else Secret(value)
    raise NotImplementedError(kind.__name__)
