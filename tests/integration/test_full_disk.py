"""The disk of the embedded store is full: clear refusals, nothing lost, recovery by itself.

Needs a file system of its own, so it runs as root on Linux only.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from tests.fakes.dovecot import Dovecot, message
from tests.fakes.webhook_receiver import webhook_receiver
from tests.integration.hearing import announced, hook_to, named
from tests.integration.product import Product, eventually, register

DISK_BYTES = 24 * 1024 * 1024
MAILS = 5


@contextmanager
def small_disk() -> Iterator[Path]:
    """A directory on a file system of its own."""
    if os.geteuid() != 0 or shutil.which("mount") is None:
        pytest.skip("needs root, to mount a small file system")
    directory = Path(tempfile.mkdtemp(prefix="postroom-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(directory)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        directory.rmdir()
        pytest.skip("may not mount a small file system")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "-l", str(directory)], check=True)
        directory.rmdir()


@asynccontextmanager
async def product_on(disk: Path) -> AsyncIterator[Product]:
    """A running product whose data is on the disk and whose log is not."""
    with tempfile.TemporaryDirectory(prefix="postroom-it-") as name:
        product = Product(Path(name), {"EENGINE_DATA_DIR": str(disk / "data")})
        try:
            await product.start()
            product.issue_token()
            yield product
        except BaseException:
            print(product.log())
            raise
        finally:
            await product.close()


def fill(disk: Path) -> Path:
    """Take all that is left of the disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        piece = b"x" * 4096
        while True:
            try:
                file.write(piece)
            except OSError:
                return filler


async def test_a_full_disk_is_a_503_and_nothing_is_lost(dovecot: Dovecot) -> None:
    user = "full-disk"
    with small_disk() as disk:
        async with product_on(disk) as product, webhook_receiver() as hooks:
            await hook_to(product, hooks)
            await register(product, user, dovecot)
            filler = fill(disk)

            async def is_refused() -> bool:
                reply = await product.call("POST", "/v1/settings", {"notifyTextSize": 1000})
                assert reply.status in {200, 503}, reply.body
                return reply.status == 503

            await eventually(is_refused)
            reply = await product.call("POST", "/v1/settings", {"notifyTextSize": 1000})
            assert (reply.status, reply.json["code"]) == (503, "StoreUnavailable")
            for number in range(MAILS):
                raw = message(message_id=f"<{number}@full>")
                await asyncio.to_thread(dovecot.deliver, user, raw)
            health = await product.call("GET", "/health")
            assert health.status == 500
            assert (await product.call("GET", f"/v1/account/{user}")).status == 200
            filler.unlink()

            expected = {f"<{number}@full>" for number in range(MAILS)}
            await eventually(lambda: set(announced(hooks, "messageNew")) >= expected, 60)
            assert len(named(hooks, "messageNew")) == MAILS

            await restart(product)
            assert (await product.call("GET", f"/v1/account/{user}")).status == 200


async def restart(product: Product) -> None:
    """Kill -9 and start again: what was acknowledged is on the disk."""
    assert product.process is not None
    product.process.kill()
    product.process.wait(5)
    await product.start()
