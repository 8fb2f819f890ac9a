"""A browser, and the demo to look at: the product with one connected account."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.fakes.dovecot import free_port

ROOT = Path(__file__).parents[2]
CHROMIUM = Path("/usr/bin/chromium")
# No sandbox: tests may run as root, and the pages are our own.
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
PATIENCE_S = 40


@dataclass(frozen=True, slots=True)
class Site:
    """Where the product is, and a token for it."""

    url: str
    token: str


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The running demo."""
    with tempfile.TemporaryDirectory(prefix="postroom-it-") as name:
        said = Path(name) / "said"
        own = {key: value for key, value in os.environ.items() if "EENGINE" not in key}
        port = str(free_port())
        with said.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "postroom", "demo"],
                cwd=name,
                env=own | {"PYTHONPATH": str(ROOT), "EENGINE_PORT": port},
                stdout=output,
                stderr=output,
            )
        try:
            end = time.monotonic() + PATIENCE_S
            while (token := re.search(r"Bearer ([0-9a-f]{64})", said.read_text())) is None:
                assert process.poll() is None, said.read_text()
                assert time.monotonic() < end, said.read_text()
                time.sleep(0.05)
            yield Site(f"http://127.0.0.1:{port}", token[1])
        finally:
            process.terminate()
            process.wait(PATIENCE_S)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium.

    Per module, not per session: while Playwright lives it holds the thread's event loop, and no
    asynchronous test can run after it.
    """
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip("needs the Debian package chromium")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield chromium
        chromium.close()
