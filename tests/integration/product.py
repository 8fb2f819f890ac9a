"""The product as a user runs it: a process of its own, spoken to over HTTP.

`Product` starts `python -m postroom` with a data directory and a free port, waits until `/health`
answers, issues a token by the command line, and finds worker processes by their registration.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from postroom.store.connection import Store
from tests.fakes.dovecot import PASSWORD, Dovecot, free_port

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0
# How long an eventual effect may take before a test gives up; generous because machines are noisy.
PATIENCE_S = 40.0


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(slots=True)
class Product:
    """One running instance."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    token: str = ""
    session: aiohttp.ClientSession | None = None

    @property
    def data_dir(self) -> Path:
        return self.directory / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        return self.directory / "product.log"

    def _env(self) -> dict[str, str]:
        own = {name: value for name, value in os.environ.items() if "EENGINE" not in name}
        own.pop("REDIS_URL", None)
        return own | {
            "EENGINE_DATA_DIR": str(self.data_dir),
            "EENGINE_PORT": str(self.port),
            "EENGINE_WORKERS": "2",
            "EENGINE_LOG_LEVEL": "debug",
            "EENGINE_WEBHOOK_EGRESS_POLICY": "link-local",
            **self.environment,
        }

    async def start(self) -> None:
        """Start and wait for a healthy answer."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom"],
                cwd=self.directory,
                env=self._env() | {"PYTHONPATH": os.getcwd()},
                stdout=log,
                stderr=log,
            )
        self.session = self.session or aiohttp.ClientSession()
        await eventually(self._is_healthy, START_TIMEOUT_S)

    async def _is_healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, f"the product ended:\n{self.log()}"
        with contextlib.suppress(aiohttp.ClientError, OSError):
            return (await self.call("GET", "/health")).status == 200
        return False

    async def stop(self, how: signal.Signals = signal.SIGINT) -> int:
        """Stop as Ctrl-C does; the exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        code = await asyncio.to_thread(self.process.wait, STOP_TIMEOUT_S)
        self.process = None
        return code

    async def close(self) -> None:
        """End everything, whatever state it is in."""
        if self.session is not None:
            await self.session.close()
            self.session = None
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                await asyncio.to_thread(self.process.wait, STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)

    def command(self, *words: str) -> str:
        """The standard output of a command of the program."""
        done = subprocess.run(
            [sys.executable, "-m", "postroom", *words],
            cwd=self.directory,
            env=self._env() | {"PYTHONPATH": os.getcwd()},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def issue_token(self) -> None:
        """Get a token with every scope and use it from now on."""
        self.token = self.command("tokens", "issue", "-d", "test", "-s", "*")

    async def call(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Reply:
        """One HTTP call, authorized when there is a token."""
        assert self.session is not None
        sent = dict(headers or {})
        if self.token and "Authorization" not in sent:
            sent["Authorization"] = f"Bearer {self.token}"
        async with self.session.request(
            method, self.url + path, json=body, headers=sent, timeout=aiohttp.ClientTimeout(30)
        ) as reply:
            return Reply(reply.status, dict(reply.headers), await reply.read())

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of a call that must succeed."""
        reply = await self.call(method, path, body)
        assert reply.status == 200, f"{method} {path}: {reply.status} {reply.body[:500]!r}"
        return reply.json

    def store(self) -> Store:
        """A client of the store the product uses."""
        url = self.environment.get("EENGINE_REDIS")
        return Store(url or f"unix://{self.data_dir}/store.sock")

    async def members(self) -> list[dict[str, Any]]:
        """The registered workers whose process lives."""
        store = self.store()
        try:
            raw = await store.command("HGETALL", store.keys.shared("members"))
        finally:
            await store.close()
        return [m for m in map(json.loads, _values(raw)) if _is_alive(m["pid"])]

    async def kill_worker(self, kind: str) -> int:
        """Kill -9 one worker of a kind as soon as there is one; its pid."""

        async def found() -> list[int]:
            return [m["pid"] for m in await self.members() if m["kind"] == kind]

        pid = int((await eventually(found))[0])
        os.kill(pid, signal.SIGKILL)
        return pid

    async def kill_owner(self, account: str, how: signal.Signals = signal.SIGKILL) -> int:
        """Kill (-9) the worker that holds an account, as soon as one does; its pid."""

        async def found() -> list[int]:
            store = self.store()
            try:
                raw = await store.command("HGET", store.keys.of(account, "owners"), account)
            finally:
                await store.close()
            owner = (raw or b"").decode().rpartition(":")[0]
            return [m["pid"] for m in await self.members() if m["id"] == owner]

        pid = int((await eventually(found))[0])
        os.kill(pid, how)
        return pid

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")[-6000:]


def _values(raw: Any) -> list[bytes]:
    if isinstance(raw, dict):
        return list(raw.values())
    return list(raw[1::2])


def _is_alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False


async def eventually(check: Callable[[], Any], at_most_s: float = PATIENCE_S) -> Any:
    """The first truthy result of `check` (sync or async), tried until the time is over."""
    end = time.monotonic() + at_most_s
    while True:
        result = check()
        if asyncio.iscoroutine(result):
            result = await result
        if result:
            return result
        assert time.monotonic() < end, f"did not happen in {at_most_s} s: {check}"
        await asyncio.sleep(0.05)


@asynccontextmanager
async def running_product(**environment: str) -> AsyncIterator[Product]:
    """A started instance with a token; stopped at the end."""
    with tempfile.TemporaryDirectory(prefix="postroom-it-") as name:
        product = Product(Path(name), environment)
        try:
            await product.start()
            product.issue_token()
            yield product
        except BaseException:
            print(product.log())
            raise
        finally:
            await product.close()


def account_body(account: str, dovecot: Dovecot, smtp_port: int | None = None) -> dict[str, Any]:
    """A registration of the Dovecot user named like the account."""
    auth = {"user": account, "pass": PASSWORD}
    body: dict[str, Any] = {
        "account": account,
        "name": "Bob Builder",
        "email": f"{account}@example.com",
        "imap": {"host": "127.0.0.1", "port": dovecot.port, "secure": False, "auth": auth,
                 "tls": {"rejectUnauthorized": False}},
    }  # fmt: skip
    if smtp_port is not None:
        body["smtp"] = {"host": "127.0.0.1", "port": smtp_port, "secure": False}
    return body


async def register(
    product: Product, account: str, dovecot: Dovecot, smtp_port: int | None = None
) -> None:
    """Register the account and wait until it is connected."""
    answer = await product.ask("POST", "/v1/account", account_body(account, dovecot, smtp_port))
    assert answer == {"account": account, "state": "new"}

    async def is_connected() -> bool:
        return bool((await product.ask("GET", f"/v1/account/{account}"))["state"] == "connected")

    await eventually(is_connected)
