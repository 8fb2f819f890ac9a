"""Which provider serves an account: the one literal table (floor F2).

An account names no provider; what it is registered with decides. `None` means that there is
nothing to connect to, which the `accounts` room shows as the state `unset`.
"""

from __future__ import annotations

import enum

from postroom.model.account import Account, has_imap


class Provider(enum.StrEnum):
    """Every provider by its folder name."""

    IMAP = "imap"


def provider_of(account: Account) -> Provider | None:
    """The provider to watch `account` with, or None."""
    return Provider.IMAP if has_imap(account) else None
