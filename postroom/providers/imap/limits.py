"""How long the watcher of an account waits for what; tests shorten it."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.backoff import RECONNECT, REFUSED_LOGIN, Backoff
from postroom.model.account import Account

# Contract I8: a connection that lived this long starts the back-off over.
SETTLED_S = 300.0
BUSY_RECONNECTS = 20
# A mailbox that never holds still is left for the next round after so many passes (I8).
MOST_PASSES = 5


@dataclass(frozen=True, slots=True)
class WatchLimits:
    """The watcher's timers."""

    # RFC 2177: a server may log out after 30 minutes without a command.
    idle_s: float = 28 * 60.0
    # Without IDLE, or with one that tells nothing, the mailbox is polled.
    poll_s: float = 60.0
    noop_timeout_s: float = 30.0
    # A mailbox that never holds still is looked at this often (I8), never in a tight loop.
    pace_s: float = 1.0
    # A mailbox missing from a listing: when to list again for proof (invariant I11).
    proof_s: float = 10.0
    # In a round over very many mailboxes the main one is looked at this often.
    return_s: float = 10.0
    # More than BUSY_RECONNECTS within this are too many, whoever asks for them (I1, contract I8).
    busy_s: float = 60.0
    reconnect: Backoff = RECONNECT
    refused: Backoff = REFUSED_LOGIN


def resync_delay_s(account: Account) -> float:
    """Contract I2; a delay of 0 or less would spin."""
    server = account.imap
    return float(max(1, server.resync_delay)) if server is not None else 900.0
