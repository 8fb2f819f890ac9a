"""`postroom password`: sets the admin password (contract config.md 4)."""

from __future__ import annotations

import asyncio
import secrets

from postroom.auth.passwords import MIN_PASSWORD_LENGTH, hash_password, pack_hash
from postroom.cli.arguments import Flag
from postroom.cli.command import Call, Command
from postroom.cli.opened import opened, sealer_of
from postroom.clock import SystemClock
from postroom.errors import ConfigurationError
from postroom.store.settings import Settings
from postroom.supervisor.prepared import set_password_hash

# 128 random bits: contract config.md 4.
GENERATED_BYTES = 16


def password(call: Call) -> int:
    """Stores the hash; prints the password, or with --hash the packed hash."""
    text = call.given.last("password") or secrets.token_hex(GENERATED_BYTES)
    if len(text) < MIN_PASSWORD_LENGTH:
        raise ConfigurationError(f"A password has at least {MIN_PASSWORD_LENGTH} characters")
    phc = hash_password(text)
    asyncio.run(_store(call, phc))
    call.tell("The password of the user admin is set; the second factor is off")
    call.put(pack_hash(phc) if "hash" in call.given.values else text)
    return 0


async def _store(call: Call, phc: str) -> None:
    clock = SystemClock()
    async with opened(call.options, clock) as store:
        settings = Settings(store, sealer_of(call.options), clock)
        await settings.put({"totpEnabled": None, "totpSeed": None})
        await set_password_hash(settings, phc, clock)


COMMANDS = (
    Command(
        "password",
        "Set the admin password",
        password,
        (
            Flag("password", "p", "the new password [32 random characters]"),
            Flag("hash", "r", "print the hash, for EENGINE_PREPARED_PASSWORD", takes_value=False),
        ),
    ),
)
