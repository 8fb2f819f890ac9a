"""Importing any module opens nothing, reads nothing, starts nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "postroom"
# Running it is what these are for.
ENTRIES = {"postroom.__main__"}

# Runs in a fresh interpreter. An audit hook (PEP 578) hears of everything that happens while a
# module is imported. Libraries may read what they like (their own files, time zone data); what
# counts is what one of our modules does itself, through whatever library: going up from the event,
# its frame comes before any frame of the import machinery.
PROBE = """
import importlib, json, os, sys, threading

names = json.loads(sys.argv[1])
heard = []
LOUD = ("open", "socket.", "subprocess.", "os.system", "os.fork", "os.posix_spawn", "os.exec",
        "os.putenv", "os.mkdir", "os.remove", "os.rename", "shutil.", "tempfile.", "urllib.")

def ours(frame):
    while frame is not None:
        name = frame.f_code.co_filename
        if name.startswith("<frozen importlib"):
            return False
        if os.sep + "postroom" + os.sep in name and "site-packages" not in name:
            return True
        frame = frame.f_back
    return False

def hook(event, args):
    if event.startswith(LOUD) and ours(sys._getframe(1)):
        heard.append(f"{event} {args!r}")

sys.addaudithook(hook)
for name in names:
    importlib.import_module(name)
threads = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
links = [os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")
         if os.path.exists(f"/proc/self/fd/{fd}")] if os.path.isdir("/proc/self/fd") else []
sockets = [link for link in links if link.startswith("socket:")]
loop = "asyncio" in sys.modules and sys.modules["asyncio"]._get_running_loop() is not None
print(json.dumps({"heard": heard, "threads": threads, "sockets": sockets, "loop": loop}))
"""


def _modules() -> list[str]:
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in found if name not in ENTRIES]


def probe(*names: str, path: Path = ROOT) -> dict[str, object]:
    """What happens when a fresh interpreter imports these modules."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(names)],
        cwd=path,
        env={"PYTHONPATH": str(path), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return result


QUIET = {"heard": [], "threads": [], "sockets": [], "loop": False}


def test_importing_every_module_opens_reads_and_starts_nothing() -> None:
    assert probe(*_modules()) == QUIET


@pytest.mark.parametrize(
    "text",
    [
        "open('/dev/null')",
        "import socket\nkept = socket.socket()",
        "import subprocess\nsubprocess.run(['/bin/true'])",
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(60,), daemon=True).start()",
    ],
)
def test_the_probe_hears_a_module_that_does_something(tmp_path: Path, text: str) -> None:
    room = tmp_path / "postroom"
    room.mkdir()
    (room / "__init__.py").write_text("")
    (room / "loud.py").write_text(text)
    assert probe("postroom.loud", path=tmp_path) != QUIET
