"""What a person reads at the start: where Postroom listens, where its data is, what to do next."""

from __future__ import annotations

import asyncio
import shlex
from dataclasses import dataclass
from pathlib import Path

from postroom import __version__
from postroom.clock import Clock
from postroom.config.options import Options

PROBE_TIMEOUT_S = 2.0
PROBE_PAUSE_S = 0.1
# Past this the person is told that it takes long; the start itself goes on.
SLOW_START_S = 20.0
_ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class HealthProbe:
    """Asks our own API whether it is well, as a load balancer would (contract T1)."""

    host: str
    port: int

    async def is_well(self) -> bool:
        """Whether `GET /health` answers 200."""
        try:
            async with asyncio.timeout(PROBE_TIMEOUT_S):
                return await self._ask()
        except (OSError, TimeoutError):
            return False

    async def _ask(self) -> bool:
        reader, writer = await asyncio.open_connection(_ANY.get(self.host, self.host), self.port)
        try:
            writer.write(b"GET /health HTTP/1.1\r\nHost: postroom\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return b" 200 " in await reader.readline()
        finally:
            writer.close()


async def until_well(probe: HealthProbe, clock: Clock) -> float:
    """Wait until the product answers; the seconds that took."""
    start_s = clock.steady_s()
    while not await probe.is_well():
        await clock.sleep(PROBE_PAUSE_S)
    return clock.steady_s() - start_s


def program_name(started_as: str, directory: Path) -> str:
    """How a person in that directory calls the program that was started so."""
    path = Path(started_as)
    if path.name != "postroom":
        return "python -m postroom"
    own = directory / path
    return str(own.relative_to(directory)) if own.is_relative_to(directory) else "postroom"


def facts(options: Options, data: str, seconds: float) -> list[str]:
    """The lines that say the product is up: where it listens and where its data is."""
    where = address(options)
    kept = "the store given by EENGINE_REDIS" if options.redis_url else f"{data} (embedded store)"
    return [
        "",
        f"Postroom {__version__} is up ({seconds:.1f} s)",
        "",
        f"  API        {where}/v1",
        f"  Try it     {where}/admin/reference",
        f"  Data       {kept}",
    ]


def next_steps(options: Options, program: str) -> list[str]:
    """What a person does next, in lines that can be pasted into another terminal."""
    lines = []
    if options.secret is None:
        lines.append(
            "  Note       credentials are kept in clear text: set EENGINE_SECRET to seal them"
        )
    lines += ["", "Next, in another terminal: make a token, then ask for the accounts", ""]
    if options.redis_url:
        # The address may hold a password, so it is not repeated here.
        lines += ["  (with the EENGINE_REDIS of this terminal)"]
    return [
        *lines,
        f'  token=$({_same_store(options)}{program} tokens issue -d "my app" -s "*")',
        f'  curl -H "Authorization: Bearer $token" {address(options)}/v1/accounts',
        "",
        "Ctrl-C stops it.",
        "",
    ]


def address(options: Options) -> str:
    """The address of the interface, as a person on this machine types it."""
    host = f"[{options.host}]" if ":" in options.host else options.host
    return f"http://{_ANY.get(options.host, host)}:{options.port}"


def _same_store(options: Options) -> str:
    """What the other terminal must be told to find the data directory of this one."""
    if options.redis_url or options.data_dir == Options().data_dir:
        return ""
    return f"EENGINE_DATA_DIR={shlex.quote(str(Path(options.data_dir).absolute()))} "
