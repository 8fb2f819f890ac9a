"""`postroom export`: one account's record with its credentials in clear, as a JSON line."""

from __future__ import annotations

import asyncio

from postroom.cli.arguments import Flag
from postroom.cli.command import Call, Command
from postroom.cli.opened import opened, sealer_of
from postroom.clock import SystemClock
from postroom.errors import ConfigurationError
from postroom.model.wire import encode_record
from postroom.store.accounts import Accounts


def export(call: Call) -> int:
    """Prints the record."""
    account = call.given.last("account")
    if not account:
        raise ConfigurationError("--account is required")
    call.put(asyncio.run(_record(call, account)))
    return 0


async def _record(call: Call, account: str) -> str:
    clock = SystemClock()
    async with opened(call.options, clock) as store:
        found = await Accounts(store, sealer_of(call.options), clock).get(account)
        return encode_record(found, lambda text: text).decode()


COMMANDS = (
    Command(
        "export",
        "Print an account with its credentials in clear",
        export,
        (Flag("account", "a", "the account's id"),),
    ),
)
