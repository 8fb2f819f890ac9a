"""Prepared configuration, applied at each start before the workers run (contract config.md 3).

Also what a first start makes: the layout mark and the service's secret and id. A bad value raises
ConfigurationError, which ends the start with exit code 1 and one line that names the option.
"""

from __future__ import annotations

from typing import Any

from postroom.auth.passwords import unpack_hash
from postroom.clock import Clock
from postroom.config.options import Options, declarations
from postroom.crypto import Sealer
from postroom.errors import ConfigurationError
from postroom.logs import get_logger
from postroom.model.secret import Secret
from postroom.model.setting_rules import validated
from postroom.model.settings import SETTINGS
from postroom.store.connection import Store
from postroom.store.layout import check_layout
from postroom.store.settings import Settings
from postroom.store.tokens import Tokens

ADMIN = "admin"

log = get_logger("supervisor")


async def prepare(store: Store, options: Options, clock: Clock) -> None:
    """Make the store ready for the workers. Raises ConfigurationError, StoreUnavailable."""
    await check_layout(store)
    secret = options.secret.reveal() if options.secret else None
    settings = Settings(store, Sealer(secret), clock)
    await settings.ensure_service_secret()
    await settings.seed(seeds(options))
    await settings.put(_switches(options))
    if options.prepared_settings is not None:
        await settings.put(checked_settings(options.prepared_settings))
    if options.prepared_token is not None:
        await _import_token(Tokens(store, clock), options.prepared_token)
    if options.prepared_password is not None:
        await set_password_hash(settings, _prepared_hash(options.prepared_password), clock)


def seeds(options: Options) -> dict[str, Any]:
    """The settings that options fill the first time: those that differ from their default."""
    found: dict[str, Any] = {}
    for option in declarations():
        if option.seeds and "." not in option.name:
            value = getattr(options, option.name)
            if value != option.default:
                found[option.seeds] = _plain(value)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Secret):
        return value.reveal()
    return list(value) if isinstance(value, tuple) else value


def _switches(options: Options) -> dict[str, Any]:
    """Internal settings that follow an option whenever it is given."""
    if options.require_api_auth is None:
        return {}
    return {"disableTokens": not options.require_api_auth}


def checked_settings(values: dict[str, Any]) -> dict[str, Any]:
    """The known settings among `values`, checked; unknown keys are dropped and logged."""
    checked: dict[str, Any] = {}
    for name, value in values.items():
        setting = SETTINGS.get(name)
        if setting is None or not setting.is_public:
            log.warn("prepared.setting.unknown", setting=name)
            continue
        try:
            checked[name] = validated(setting, value)
        except ValueError as error:
            raise ConfigurationError(f"Option EENGINE_SETTINGS: {name} {error}") from error
    return checked


async def _import_token(tokens: Tokens, packed: Secret) -> None:
    try:
        is_new = await tokens.import_packed(packed.reveal())
    except ConfigurationError as error:
        raise ConfigurationError(f"Option EENGINE_PREPARED_TOKEN: {error}") from error
    log.debug("prepared.token", imported=is_new)


def _prepared_hash(packed: Secret) -> str:
    try:
        return unpack_hash(packed.reveal())
    except ConfigurationError as error:
        raise ConfigurationError(f"Option EENGINE_PREPARED_PASSWORD: {error}") from error


async def set_password_hash(settings: Settings, phc: str, clock: Clock) -> None:
    """Give the admin user this password; the new version ends all sessions."""
    known = await settings.get("authData")
    user = known.get("user", ADMIN) if isinstance(known, dict) else ADMIN
    await settings.put(
        {"authData": {"user": user, "password": phc, "passwordVersion": clock.now_ms()}}
    )
