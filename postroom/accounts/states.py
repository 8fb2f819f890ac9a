"""The account's state machine as a table (contract J3, invariant I5).

What is true here: a state changes only by a signal; a pair that is not in the table raises. Every
state that is not healthy either has a timer after which the watcher tries again, or names what
the user has to do. Which event a transition raises is told here too; whether an error repeats the
one before it, and so stays silent, is decided by `is_repeat` (contract J4).
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Final

from postroom.backoff import RECONNECT, REFUSED_LOGIN, Backoff
from postroom.model.account import AccountState, LastError
from postroom.model.event import EventType


class Signal(enum.StrEnum):
    """What can happen to an account's connection."""

    TAKEN = "taken"
    CONNECTING = "connecting"
    AUTHENTICATED = "authenticated"
    SYNCING = "syncing"
    SYNCED = "synced"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    LOST = "lost"
    EMPTIED = "emptied"
    PAUSED = "paused"


class Remedy(enum.StrEnum):
    """What only the user can do about a state that has no timer."""

    REGISTER_SERVER = "add or enable IMAP for the account"
    RESUME = "resume the account"


@dataclass(frozen=True, slots=True)
class Transition:
    """The state after a signal, and the event of the transition."""

    state: AccountState
    event: EventType | None = None


class NoTransition(LookupError):
    """The table has no such transition: a bug in the caller."""


S = AccountState
_WORKING: Final = (S.CONNECTING, S.SYNCING, S.CONNECTED)
_BROKEN: Final = (S.AUTHENTICATION_ERROR, S.CONNECT_ERROR, S.DISCONNECTED)
_RESTING: Final = (S.INIT, S.UNSET, S.PAUSED)
_ALL: Final = tuple(AccountState)


def _rows(
    states: tuple[AccountState, ...], signal: Signal, transition: Transition
) -> dict[tuple[AccountState, Signal], Transition]:
    return {(state, signal): transition for state in states}


TABLE: Final[dict[tuple[AccountState, Signal], Transition]] = {
    # A worker took the account: whatever an earlier owner wrote is history.
    **_rows(_ALL, Signal.TAKEN, Transition(S.INIT)),
    **_rows((*_WORKING, *_RESTING, S.DISCONNECTED), Signal.CONNECTING, Transition(S.CONNECTING)),
    # A retry after an error shows the error until it works: calls fail at once, not by a timeout.
    (S.AUTHENTICATION_ERROR, Signal.CONNECTING): Transition(S.AUTHENTICATION_ERROR),
    (S.CONNECT_ERROR, Signal.CONNECTING): Transition(S.CONNECT_ERROR),
    # The success event is raised only for the first login or after an error (see recorder).
    **_rows(
        (S.CONNECTING, S.AUTHENTICATION_ERROR, S.CONNECT_ERROR),
        Signal.AUTHENTICATED,
        Transition(S.CONNECTING, EventType.AUTHENTICATION_SUCCESS),
    ),
    **_rows((S.CONNECTING, S.CONNECTED, S.SYNCING), Signal.SYNCING, Transition(S.SYNCING)),
    **_rows((S.SYNCING,), Signal.SYNCED, Transition(S.CONNECTED, EventType.ACCOUNT_INITIALIZED)),
    **_rows(
        (*_WORKING, *_BROKEN),
        Signal.REFUSED,
        Transition(S.AUTHENTICATION_ERROR, EventType.AUTHENTICATION_ERROR),
    ),
    **_rows(
        (*_WORKING, *_BROKEN),
        Signal.UNREACHABLE,
        Transition(S.CONNECT_ERROR, EventType.CONNECT_ERROR),
    ),
    **_rows((*_WORKING, S.DISCONNECTED), Signal.LOST, Transition(S.DISCONNECTED)),
    **_rows(_ALL, Signal.EMPTIED, Transition(S.UNSET)),
    **_rows(_ALL, Signal.PAUSED, Transition(S.PAUSED)),
}

# State -> what happens next without anybody: a retry timer, or what the user must do.
WAY_OUT: Final[dict[AccountState, Backoff | Remedy]] = {
    S.AUTHENTICATION_ERROR: REFUSED_LOGIN,
    S.CONNECT_ERROR: RECONNECT,
    S.DISCONNECTED: RECONNECT,
    S.UNSET: Remedy.REGISTER_SERVER,
    S.PAUSED: Remedy.RESUME,
}


def after(state: AccountState, signal: Signal) -> Transition:
    """The transition of `signal` in `state`. Raises NoTransition."""
    try:
        return TABLE[state, signal]
    except KeyError:
        raise NoTransition(f"{signal} in state {state}") from None


def is_repeat(before: LastError | None, now: LastError) -> bool:
    """Whether the error is the one before again: same response code, else same text (J4)."""
    if before is None:
        return False
    if before.server_response_code or now.server_response_code:
        return before.server_response_code == now.server_response_code
    return before.response == now.response
