"""`postroom tokens issue|export|import` (contract config.md 4)."""

from __future__ import annotations

import asyncio
import sys
from typing import get_args

from postroom.cli.arguments import Flag
from postroom.cli.command import Call, Command
from postroom.cli.opened import opened
from postroom.clock import SystemClock, iso
from postroom.errors import ConfigurationError
from postroom.model.token import TokenRecord, TokenScope
from postroom.store.tokens import Tokens
from postroom.supervisor.directories import data_directory

SCOPES: tuple[str, ...] = get_args(TokenScope)
DEFAULT_SCOPE = "*"


def issue(call: Call) -> int:
    """Prints the value of a new token, and nothing else."""
    scopes = _scopes(call)
    directory = data_directory(call.options.data_dir)
    is_new = call.options.redis_url is None and not directory.path.exists()
    value = asyncio.run(_issue(call, scopes))
    # A prompt must not stick to it; a program gets the bare value (contract config.md 4).
    call.put(value, end="\n" if sys.stdout.isatty() else "")
    if is_new:
        call.tell(f"This token is for the new store {directory.path}; no Postroom has run there")
    return 0


def _scopes(call: Call) -> tuple[str, ...]:
    scopes = tuple(dict.fromkeys(call.given.values.get("scope", [DEFAULT_SCOPE])))
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown:
        raise ConfigurationError(f"Unknown scope {unknown[0]}: use one of {', '.join(SCOPES)}")
    return scopes


async def _issue(call: Call, scopes: tuple[str, ...]) -> str:
    clock = SystemClock()
    description = call.given.last("description") or f"Made on {iso(clock.now_ms())}"
    record = TokenRecord(description=description, scopes=scopes, account=call.given.last("account"))
    async with opened(call.options, clock) as store:
        return await Tokens(store, clock).issue(record)


def export(call: Call) -> int:
    """Prints a token's record in one line; its value is not in it."""
    packed = asyncio.run(_export(call, _required(call)))
    if packed is None:
        call.tell("There is no such token")
        return 1
    call.put(packed)
    return 0


async def _export(call: Call, token: str) -> str | None:
    clock = SystemClock()
    async with opened(call.options, clock) as store:
        return await Tokens(store, clock).export_packed(token)


def import_(call: Call) -> int:
    """Stores an exported token."""
    is_new = asyncio.run(_import(call, _required(call)))
    call.tell("The token is imported" if is_new else "Not imported: the token exists already")
    return 0


async def _import(call: Call, packed: str) -> bool:
    clock = SystemClock()
    async with opened(call.options, clock) as store:
        return await Tokens(store, clock).import_packed(packed)


def _required(call: Call) -> str:
    token = call.given.last("token")
    if not token:
        raise ConfigurationError("--token is required")
    return token


COMMANDS = (
    Command(
        "tokens issue",
        "Make an access token and print it",
        issue,
        (
            Flag("description", "d", "what the token is for"),
            Flag("scope", "s", f"one of {' '.join(SCOPES)}; repeatable [{DEFAULT_SCOPE}]"),
            Flag("account", "a", "bind the token to this account"),
        ),
    ),
    Command(
        "tokens export",
        "Print a token's record in one line",
        export,
        (Flag("token", "t", "the token or its id"),),
    ),
    Command(
        "tokens import",
        "Store an exported token",
        import_,
        (Flag("token", "t", "what `tokens export` printed"),),
    ),
)
