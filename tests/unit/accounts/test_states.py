"""The table of account states."""

from __future__ import annotations

import pytest

from postroom.accounts.states import TABLE, WAY_OUT, NoTransition, Signal, after, is_repeat
from postroom.model.account import AccountState, LastError
from postroom.model.event import EventType

# Every transition: state, signal -> state and event; what is not here must not happen.
ROWS = """
              | init connecting syncing connected authErr connErr disconnected unset paused
taken         | init init init init init init init init init
connecting    | try try try try authErr connErr try try try
authenticated | - try! - - try! try! - - -
syncing       | - syncing syncing syncing - - - - -
synced        | - - connected! - - - - - -
refused       | - authErr! authErr! authErr! authErr! authErr! authErr! - -
unreachable   | - connErr! connErr! connErr! connErr! connErr! connErr! - -
lost          | - disconnected disconnected disconnected - - disconnected - -
emptied       | unset unset unset unset unset unset unset unset unset
paused        | paused paused paused paused paused paused paused paused paused
"""
SHORT = {"authErr": "authenticationError", "connErr": "connectError", "try": "connecting"}
EVENTS = {
    Signal.AUTHENTICATED: EventType.AUTHENTICATION_SUCCESS,
    Signal.SYNCED: EventType.ACCOUNT_INITIALIZED,
    Signal.REFUSED: EventType.AUTHENTICATION_ERROR,
    Signal.UNREACHABLE: EventType.CONNECT_ERROR,
}


def every_pair() -> list[tuple[str, Signal, str]]:
    """(state, signal, what comes of it), row by row."""
    found = []
    head, *rows = ROWS.strip("\n").splitlines()
    states = head.partition("|")[2].split()
    for row in rows:
        signal, _, cells = row.partition("|")
        for state, cell in zip(states, cells.split(), strict=True):
            found.append((SHORT.get(state, state), Signal(signal.strip()), cell))
    return found


def test_the_table_below_has_every_pair() -> None:
    assert len(every_pair()) == len(AccountState) * len(Signal)


@pytest.mark.parametrize(("state", "signal", "cell"), every_pair())
def test_each_transition(state: str, signal: Signal, cell: str) -> None:
    if cell == "-":
        with pytest.raises(NoTransition):
            after(AccountState(state), signal)
        return
    told = after(AccountState(state), signal)
    name = cell.rstrip("!")
    assert told.state == SHORT.get(name, name)
    assert told.event == (EVENTS[signal] if cell.endswith("!") else None)


HEALTHY = {
    AccountState.INIT,
    AccountState.CONNECTING,
    AccountState.SYNCING,
    AccountState.CONNECTED,
}


def test_the_first_connection_goes_the_contracts_way() -> None:
    state = AccountState.INIT
    way = []
    for signal in (Signal.CONNECTING, Signal.AUTHENTICATED, Signal.SYNCING, Signal.SYNCED):
        state = after(state, signal).state
        way.append(str(state))
    assert way == ["connecting", "connecting", "syncing", "connected"]


def test_every_unhealthy_state_has_a_timer_or_names_what_the_user_can_do() -> None:
    assert set(WAY_OUT) == set(AccountState) - HEALTHY


def test_every_state_can_be_reached() -> None:
    assert {transition.state for transition in TABLE.values()} == set(AccountState)


def test_a_transition_that_is_not_in_the_table_raises() -> None:
    with pytest.raises(NoTransition):
        after(AccountState.INIT, Signal.SYNCED)


@pytest.mark.parametrize("state", [AccountState.AUTHENTICATION_ERROR, AccountState.CONNECT_ERROR])
def test_a_retry_shows_the_error_until_it_works(state: AccountState) -> None:
    assert after(state, Signal.CONNECTING).state == state
    assert after(state, Signal.AUTHENTICATED).state == AccountState.CONNECTING


def test_losing_a_working_connection_raises_no_event() -> None:
    assert after(AccountState.CONNECTED, Signal.LOST).event is None
    refused = after(AccountState.CONNECTED, Signal.REFUSED)
    assert refused.event is EventType.AUTHENTICATION_ERROR


def test_errors_are_equal_by_code_else_by_text() -> None:
    coded = LastError(response="one", server_response_code="A")
    assert is_repeat(coded, LastError(response="other", server_response_code="A"))
    assert not is_repeat(coded, LastError(response="one", server_response_code="B"))
    assert not is_repeat(coded, LastError(response="one"))
    assert is_repeat(LastError(response="one"), LastError(response="one"))
    assert not is_repeat(LastError(response="one"), LastError(response="two"))
    assert not is_repeat(None, coded)
