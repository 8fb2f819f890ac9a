"""`postroom demo`, as a person without a mail account meets it: start, paste, Ctrl-C."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.dovecot import free_port

ROOT = Path(__file__).parents[2]
PATIENCE_S = 40
# A command of the demo may go on over several lines, each but the last ended by a backslash.
COMMAND = re.compile(r"^  (curl (?:.*\\\n)*.*)$", re.MULTILINE)


class Demo:
    """One run of the demo, with what it has said so far."""

    def __init__(self, directory: Path) -> None:
        self.said = directory / "said"
        self.temporary = directory / "tmp"
        self.temporary.mkdir()
        own = {name: value for name, value in os.environ.items() if "EENGINE" not in name}
        with self.said.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "postroom", "demo"],
                cwd=directory,
                env=own
                | {
                    "PYTHONPATH": str(ROOT),
                    "EENGINE_PORT": str(free_port()),
                    "TMPDIR": str(self.temporary),
                },
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    def commands(self) -> list[str]:
        """The lines to try, once they are all said."""
        end = time.monotonic() + PATIENCE_S
        while "Ctrl-C ends the demo" not in self.said.read_text():
            assert self.process.poll() is None, self.said.read_text()
            assert time.monotonic() < end, self.said.read_text()
            time.sleep(0.05)
        return COMMAND.findall(self.said.read_text())

    def leftovers(self) -> list[str]:
        """The processes of the demo's session that still run."""
        found = []
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            if fields[0] != "Z" and int(fields[3]) == self.process.pid:
                found.append(stat.parent.name)
        return found


def pasted(command: str) -> Any:
    """What a shell answers to the line as it stands."""
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    return json.loads(done.stdout)


@pytest.fixture
def demo() -> Iterator[Demo]:
    with tempfile.TemporaryDirectory(prefix="postroom-it-") as name:
        running = Demo(Path(name))
        yield running
        if running.process.poll() is None:
            running.process.terminate()
            running.process.wait(PATIENCE_S)


def test_the_three_lines_work_as_pasted_and_the_sent_mail_comes_back(demo: Demo) -> None:
    listing, mailboxes, sending = demo.commands()
    subjects = [message["subject"] for message in pasted(listing)["messages"]]
    assert subjects == ["Meeting on Thursday?", "Invoice for November", "Welcome to Postroom"]
    assert pasted(mailboxes)["mailboxes"][0]["status"] == {"messages": 3, "unseen": 3}
    assert pasted(sending)["response"] == "Queued for delivery"
    end = time.monotonic() + PATIENCE_S
    while pasted(listing)["messages"][0]["subject"] != "Hi":
        assert time.monotonic() < end, "the sent mail did not come back"
        time.sleep(0.05)
    # The demo has a token of its own; one of another store would not work here.
    assert "tokens issue" not in demo.said.read_text()


def test_ctrl_c_leaves_nothing(demo: Demo) -> None:
    demo.commands()
    assert list(demo.temporary.iterdir())
    # A terminal sends Ctrl-C to every process of the foreground group.
    os.killpg(demo.process.pid, signal.SIGINT)
    assert demo.process.wait(PATIENCE_S) == 0
    # Python's own tracker of shared memory ends a moment after the process it served.
    end = time.monotonic() + PATIENCE_S
    while demo.leftovers():
        assert time.monotonic() < end, demo.leftovers()
        time.sleep(0.05)
    assert list(demo.temporary.iterdir()) == []
    assert "Traceback" not in demo.said.read_text()
