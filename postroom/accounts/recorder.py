"""Writes what a watcher reports: state and events in one fenced script (invariants I15, I22).

One recorder per hold of an account. It keeps the state machine's place in memory; the table is in
`states`. An error's event is raised by the first of a run of equal errors only (contract J4); the
run is kept in `lastError` and so outlives a restart. An account's connections take turns in
writing: the store knows a batch of events sent twice by being the last one that it logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from functools import wraps
from typing import Any, ParamSpec

import msgspec
from msgspec import UNSET

from postroom.accounts.arrivals import arrivals, sights
from postroom.accounts.moves import Moves
from postroom.accounts.states import Signal, Transition, after, is_repeat
from postroom.clock import Clock, iso, parse_iso
from postroom.errors import AuthenticationRefused, ConnectFailed, PostroomError
from postroom.events.emit import prepare
from postroom.logs import get_logger
from postroom.model.account import Account, AccountState, AccountStatus, LastError
from postroom.model.event import EventDraft, EventType
from postroom.model.mailbox import MailboxCursor
from postroom.model.owner import Owner
from postroom.providers.interface import (
    FlagsChanged,
    LabelsChanged,
    MailboxChange,
    MailboxReset,
    Missing,
    Removed,
)
from postroom.store.accounts import Accounts, StateUpdate
from postroom.store.mailboxes import Mailboxes

log = get_logger("accounts")

# Contract J5: EENGINE_MAX_IMAP_AUTH_FAILURE_TIME.
REFUSED_WINDOW_MS = 3 * 24 * 3600 * 1000


P = ParamSpec("P")
_Telling = Callable[P, Coroutine[Any, Any, None]]


def whole(tell: _Telling[P]) -> _Telling[P]:
    """Once begun, it is finished, even if the caller is cancelled: what was announced is then known
    here, and is not announced again by the next connection."""

    @wraps(tell)
    async def telling(*words: P.args, **named: P.kwargs) -> None:
        task = asyncio.ensure_future(tell(*words, **named))
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError:
            # The store's own time limits bound this.
            await asyncio.wait([task])
            raise

    return telling


class AccountRecorder:
    """Satisfies `providers.interface.Recorder` for one account and one owner."""

    def __init__(
        self,
        name: str,
        owner: Owner,
        status: AccountStatus,
        *,
        accounts: Accounts,
        mailboxes: Mailboxes,
        clock: Clock,
        refused_window_ms: int = REFUSED_WINDOW_MS,
    ) -> None:
        self._name = name
        self._owner = owner
        self._accounts = accounts
        self._mailboxes = mailboxes
        self._clock = clock
        self._refused_window_ms = refused_window_ms
        self._state = status.state
        self._last_error = status.last_error
        self._was_welcomed = bool(status.events.get(EventType.AUTHENTICATION_SUCCESS))
        self._was_initialized = bool(status.events.get(EventType.ACCOUNT_INITIALIZED))
        # When the run of refusals began, on the clock that never jumps; None for one that an
        # earlier owner saw begin, of which only the wall clock is known.
        self._refused_since_s: float | None = None
        self._turn = asyncio.Lock()
        # Before the login every failure is one of connecting.
        self._is_logged_in = False

    @property
    def state(self) -> AccountState:
        return self._state

    async def taken(self) -> None:
        """This worker took the account (contract J1: init until something is known)."""
        await self._enter(after(self._state, Signal.TAKEN), StateUpdate(connections=0))

    async def emptied(self) -> None:
        """There is nothing to connect to."""
        update = StateUpdate(connections=0, last_error=None)
        await self._enter(after(self._state, Signal.EMPTIED), update)

    async def connecting(self) -> None:
        self._is_logged_in = False
        await self._enter(after(self._state, Signal.CONNECTING), StateUpdate())

    @whole
    async def authenticated(self, user: str) -> None:
        transition = after(self._state, Signal.AUTHENTICATED)
        is_news = not self._was_welcomed or self._last_error is not None
        drafts = [_account_event(transition, {"user": user})] if is_news else []
        await self._enter(transition, StateUpdate(last_error=None, connections=1), drafts)
        self._last_error = None
        self._was_welcomed = self._is_logged_in = True

    async def connected(self, count: int) -> None:
        async with self._turn:
            update = StateUpdate(state=self._state, connections=count)
            await self._accounts.set_state(self._name, self._owner, update)

    async def syncing(self) -> None:
        await self._enter(after(self._state, Signal.SYNCING), StateUpdate())

    async def not_synced(self, path: str, reason: str) -> None:
        told = {"path": path, "time": iso(self._clock.now_ms()), "error": reason}
        async with self._turn:
            update = StateUpdate(state=self._state, sync_error=told)
            await self._accounts.set_state(self._name, self._owner, update)

    @whole
    async def synced(self, *, is_whole: bool = True) -> None:
        transition = after(self._state, Signal.SYNCED)
        is_first = not self._was_initialized
        drafts = [_account_event(transition, {"initialized": True})] if is_first else []
        update = StateUpdate(
            sync_time=iso(self._clock.now_ms()), sync_error=None if is_whole else UNSET
        )
        await self._enter(transition, update, drafts)
        self._was_initialized = True

    @whole
    async def failed(self, error: Exception) -> None:
        signal = self._signal(error)
        was_logged_in, self._is_logged_in = self._is_logged_in, False
        transition = after(self._state, signal)
        if transition.event is None:
            await self._enter(transition, StateUpdate(connections=0))
            log.info("account.lost", account=self._name, was_logged_in=was_logged_in)
            return
        told = self._run_of_errors(error)
        drafts = [] if told.count > 1 else [_account_event(transition, _error_data(told))]
        await self._enter(transition, StateUpdate(last_error=told, connections=0), drafts)
        self._last_error = told
        if signal is Signal.REFUSED:
            if told.count == 1:
                self._refused_since_s = self._clock.steady_s()
            await self._disable_after_window(told)

    async def record(self, change: MailboxChange) -> None:
        async with self._turn:
            await self._record(change)

    async def _record(self, change: MailboxChange) -> None:
        now_ms = self._clock.now_ms()
        seen = sights(change.added)
        firsts = await self._mailboxes.first_sights(self._name, seen) if seen else []
        drafts = [
            *_changes(change),
            *arrivals(change.cursor, change.added, firsts, now_ms),
            *(_mailbox_event(change.cursor, *_missing(missing)) for missing in change.missing),
        ]
        moves = Moves()
        if change.tells_moves:
            moves = await Moves.of(self._name, change, self._mailboxes)
        await self._mailboxes.commit(
            self._name,
            self._owner,
            change.cursor,
            blocks=change.blocks,
            dropped_number=change.dropped_number,
            events=prepare(self._name, [*drafts, *moves.drafts], now_ms),
            sighted=seen,
            moves=moves.notes,
        )

    async def reading(self, number: int, uids: Sequence[int]) -> None:
        await self._mailboxes.count_trial(self._name, self._owner, number, uids, by=1)

    async def not_read(self, number: int, uids: Sequence[int]) -> None:
        await self._mailboxes.count_trial(self._name, self._owner, number, uids, by=-1)

    async def harmless(self, number: int, uids: Sequence[int]) -> None:
        await self._mailboxes.forget_trials(self._name, number, uids)

    async def mailbox_new(self, cursor: MailboxCursor) -> None:
        data = {**_place(cursor), "uidValidity": str(cursor.uid_validity)}
        drafts = [_mailbox_event(cursor, EventType.MAILBOX_NEW, data)]
        events = prepare(self._name, drafts, self._clock.now_ms())
        async with self._turn:
            await self._mailboxes.commit(self._name, self._owner, cursor, blocks={}, events=events)

    async def mailbox_deleted(self, cursor: MailboxCursor) -> None:
        drafts = [_mailbox_event(cursor, EventType.MAILBOX_DELETED, _place(cursor))]
        events = prepare(self._name, drafts, self._clock.now_ms())
        async with self._turn:
            await self._mailboxes.drop(self._name, self._owner, cursor, events)

    async def _enter(
        self, transition: Transition, update: StateUpdate, drafts: Sequence[EventDraft] = ()
    ) -> None:
        full = StateUpdate(
            state=transition.state,
            last_error=update.last_error,
            sync_time=update.sync_time,
            sync_error=update.sync_error,
            connections=update.connections,
        )
        events = prepare(self._name, drafts, self._clock.now_ms())
        async with self._turn:
            await self._accounts.set_state(self._name, self._owner, full, events)
            self._state = transition.state

    def _signal(self, error: Exception) -> Signal:
        if isinstance(error, AuthenticationRefused):
            return Signal.REFUSED
        is_unreachable = isinstance(error, ConnectFailed) or not self._is_logged_in
        return Signal.UNREACHABLE if is_unreachable else Signal.LOST

    def _run_of_errors(self, error: Exception) -> LastError:
        """The error as `lastError` keeps it: when its run began, and how long the run is."""
        told = _last_error(error)
        before = self._last_error
        if before is not None and is_repeat(before, told):
            return msgspec.structs.replace(told, first=before.first, count=before.count + 1)
        return msgspec.structs.replace(told, first=iso(self._clock.now_ms()), count=1)

    async def _disable_after_window(self, told: LastError) -> None:
        """Contract J5: a run of refusals that is old enough switches IMAP off for the account."""
        if self._refused_for_ms(told) < self._refused_window_ms:
            return
        log.warning("account.disabled", account=self._name, refusals=told.count)
        await self._accounts.update(self._name, _without_imap)

    def _refused_for_ms(self, told: LastError) -> float:
        """How old the run of refusals is; a wall clock that is set disables no account."""
        if self._refused_since_s is not None:
            return (self._clock.steady_s() - self._refused_since_s) * 1000
        now_ms = self._clock.now_ms()
        return now_ms - (parse_iso(told.first) if told.first else now_ms)


def _without_imap(account: Account) -> Account:
    if account.imap is None:
        return account
    disabled = msgspec.structs.replace(account.imap, disabled=True)
    return msgspec.structs.replace(account, imap=disabled)


def _last_error(error: Exception) -> LastError:
    if not isinstance(error, PostroomError):
        return LastError(response="Internal error")
    request = error.extra.get("tokenRequest")
    return LastError(
        response=error.text,
        server_response_code=error.public_code,
        token_request=request if isinstance(request, dict) else None,
    )


def _error_data(told: LastError) -> dict[str, Any]:
    data: dict[str, Any] = {"response": told.response}
    if told.server_response_code:
        data["serverResponseCode"] = told.server_response_code
    if told.token_request:
        data["tokenRequest"] = told.token_request
    return data


def _account_event(transition: Transition, data: dict[str, Any]) -> EventDraft:
    if transition.event is None:
        raise ValueError("the transition raises no event")
    return EventDraft(event=transition.event, data=data)


def _mailbox_event(cursor: MailboxCursor, event: EventType, data: dict[str, Any]) -> EventDraft:
    return EventDraft(event=event, data=data, path=cursor.path, special_use=cursor.special_use)


def _place(cursor: MailboxCursor) -> dict[str, Any]:
    """The data that the mailbox events share."""
    name = cursor.path.rpartition(cursor.delimiter)[2] if cursor.delimiter else cursor.path
    return {"path": cursor.path, "name": name, "specialUse": cursor.special_use or False}


def _changes(change: MailboxChange) -> list[EventDraft]:
    """The events of everything but new and missing messages, in the order they are told."""
    told: list[tuple[EventType, dict[str, Any]]] = []
    if change.reset is not None:
        told.append((EventType.MAILBOX_RESET, _reset_data(change.cursor, change.reset)))
    told += [(EventType.MESSAGE_DELETED, _removed_data(removed)) for removed in change.removed]
    told += [(EventType.MESSAGE_UPDATED, _flags_data(changed)) for changed in change.updated]
    return [_mailbox_event(change.cursor, event, data) for event, data in told]


def _reset_data(cursor: MailboxCursor, reset: MailboxReset) -> dict[str, Any]:
    return {
        **_place(cursor),
        "uidValidity": str(reset.uid_validity),
        "prevUidValidity": str(reset.previous) if reset.previous else False,
        "reason": reset.reason,
    }


def _removed_data(removed: Removed) -> dict[str, Any]:
    return {"id": removed.id, "uid": removed.uid}


def _flags_data(changed: FlagsChanged) -> dict[str, Any]:
    """webhooks.json messageUpdated: what did not change is left out."""
    changes: dict[str, Any] = {}
    if changed.added or changed.deleted:
        changes["flags"] = _list_change(changed)
    if changed.labels is not None:
        changes["labels"] = _list_change(changed.labels)
    return {"id": changed.id, "uid": changed.uid, "changes": changes}


def _list_change(changed: FlagsChanged | LabelsChanged) -> dict[str, Any]:
    """Empty lists are left out, the value is always there."""
    lists = {"added": changed.added, "deleted": changed.deleted}
    return {name: value for name, value in lists.items() if value} | {"value": changed.value}


def _missing(missing: Missing) -> tuple[EventType, dict[str, Any]]:
    data = {
        "id": missing.id,
        "uid": missing.uid,
        "missingRetries": missing.retries,
        "missingDelay": missing.delay_ms,
    }
    return EventType.MESSAGE_MISSING, data
