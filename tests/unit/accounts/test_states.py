"""The table of account states."""

from __future__ import annotations

import pytest

from postroom.accounts.states import TABLE, WAY_OUT, NoTransition, Signal, after, is_repeat
from postroom.model.account import AccountState, LastError
from postroom.model.event import EventType

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
