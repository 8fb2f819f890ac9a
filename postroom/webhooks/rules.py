"""Reading what decides about webhooks: the settings, and the account an event belongs to."""

from __future__ import annotations

from postroom.errors import SealBroken
from postroom.logs import get_logger
from postroom.model.account import Account
from postroom.store.accounts import Accounts
from postroom.store.settings import Settings
from postroom.webhooks.targets import SETTING_NAMES, WebhookRules

log = get_logger("webhooks")


async def current_rules(settings: Settings) -> WebhookRules:
    """The rules as they are now."""
    return WebhookRules.of(await settings.get_many(SETTING_NAMES))


async def registration(accounts: Accounts, name: str) -> Account | None:
    """The account; None when it is gone.

    One whose secrets do not open must not hold up the events of its whole partition: it counts as
    an account without anything of its own.
    """
    try:
        return await accounts.find(name)
    except SealBroken:
        log.warn("account.sealed", account=name)
        return Account(account=name)
