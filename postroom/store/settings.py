"""Runtime settings: one hash, each field the JSON of one value, secrets sealed.

A process keeps the whole hash for at most a second, so a setting costs no round trip and a change
is seen everywhere within a second even when its wake-up is lost. What is stored is trusted; who
takes values from outside checks them first (`model/setting_rules.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from postroom.clock import Clock
from postroom.crypto import Sealer, new_service_secret
from postroom.errors import FieldProblem, InvalidInput
from postroom.model.settings import SETTINGS
from postroom.store.connection import Argument, Store
from postroom.store.wake import SETTINGS_TOPIC, Wake, wake

# The age at which the kept copy is read again.
KEPT_S = 1.0
# A lost wake-up costs KEPT_S only; this merely bounds one wait.
_LISTEN_S = 60.0


class Settings:
    """The settings of the store, as one process sees them."""

    def __init__(self, store: Store, sealer: Sealer, clock: Clock) -> None:
        self._store = store
        self._sealer = sealer
        self._clock = clock
        self._kept: dict[str, Any] = {}
        self._kept_until_s = float("-inf")
        self._reading = asyncio.Lock()
        # Raised by `forget`: what was being read then may be older than the change.
        self._generation = 0

    async def get(self, name: str) -> Any:
        """The value of a setting, or its default while none is stored."""
        return (await self.get_many([name]))[name]

    async def get_many(self, names: Iterable[str]) -> dict[str, Any]:
        """The values of several settings by name."""
        wanted = list(names)
        _refuse_unknown(wanted)
        stored = await self._current()
        return {name: stored.get(name, SETTINGS[name].default) for name in wanted}

    async def stored(self) -> dict[str, Any]:
        """Every value that is stored, without the defaults."""
        return dict(await self._current())

    async def put(self, values: Mapping[str, Any]) -> None:
        """Store values in one write; None clears a setting."""
        _refuse_unknown(values)
        fields: list[Argument] = []
        for name, value in values.items():
            if value is not None:
                fields += [name, self._written(name, value)]
        cleared = [name for name, value in values.items() if value is None]
        key = self._key()
        commands: list[list[Argument]] = []
        if fields:
            commands.append(["HSET", key, *fields])
        if cleared:
            commands.append(["HDEL", key, *cleared])
        await self._store.batch(commands)
        self.forget()
        await wake(self._store, SETTINGS_TOPIC)

    async def seed(self, values: Mapping[str, Any]) -> list[str]:
        """Store those values whose settings are empty; the names that were stored."""
        _refuse_unknown(values)
        seeds = [(name, self._written(name, value)) for name, value in values.items()]
        replies = await self._store.batch(
            [("HSETNX", self._key(), name, raw) for name, raw in seeds]
        )
        self.forget()
        return [name for (name, _), was_set in zip(seeds, replies, strict=True) if was_set]

    async def ensure_service_secret(self) -> str:
        """The service secret; it and the service id are made on the first start."""
        await self.seed({"serviceSecret": new_service_secret(), "serviceId": new_service_secret()})
        secret: str = await self.get("serviceSecret")
        return secret

    async def run(self, wake: Wake) -> None:
        """Listen for changes for ever, so that they are seen at once."""
        while True:
            await wake.wait(SETTINGS_TOPIC, _LISTEN_S)
            self.forget()

    def forget(self) -> None:
        """Read the store again at the next question."""
        self._generation += 1
        self._kept_until_s = float("-inf")

    async def _current(self) -> dict[str, Any]:
        if self._clock.steady_s() < self._kept_until_s:
            return self._kept
        async with self._reading:
            if self._clock.steady_s() >= self._kept_until_s:
                generation = self._generation
                until_s = self._clock.steady_s() + KEPT_S
                rows = await self._store.batch([("HGETALL", self._key())])
                self._kept = self._read(rows[0])
                if generation == self._generation:
                    self._kept_until_s = until_s
            return self._kept

    def _read(self, fields: Mapping[bytes, bytes]) -> dict[str, Any]:
        values = {}
        for raw_name, raw in fields.items():
            name = raw_name.decode()
            if name in SETTINGS:
                value = msgspec.json.decode(raw)
                is_sealed = SETTINGS[name].is_secret and isinstance(value, str)
                values[name] = self._sealer.unseal(value) if is_sealed else value
        return values

    def _written(self, name: str, value: Any) -> bytes:
        is_sealed = SETTINGS[name].is_secret and isinstance(value, str)
        return msgspec.json.encode(self._sealer.seal(value) if is_sealed else value)

    def _key(self) -> str:
        return self._store.keys.shared("settings")


def _refuse_unknown(names: Iterable[str]) -> None:
    unknown = [name for name in names if name not in SETTINGS]
    if unknown:
        problems = [FieldProblem(name, f'"{name}" is not allowed') for name in unknown]
        raise InvalidInput(fields=problems)
