"""Code, scripts and documents are ASCII, and name neither this machine nor a leftover."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = {
    ".py",
    ".pyi",
    ".pyx",
    ".pxi",
    ".lua",
    ".md",
    ".toml",
    ".txt",
    ".cfg",
    ".yml",
    ".yaml",
    ".sh",
    ".js",
    ".css",
}
PLACES = ("postroom", "tests", "bench", "docs", ".ci")
# Recorded mail and server transcripts are what they are.
FREE = ("tests/corpus/",)
LEFTOVER = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b")


def _files() -> list[Path]:
    top = [path for path in ROOT.iterdir() if path.is_file()]
    deep = [path for place in PLACES for path in (ROOT / place).rglob("*") if path.is_file()]
    return sorted(
        path
        for path in [*top, *deep]
        if (path.suffix in TEXT or path.name in ("Makefile", "run"))
        and not path.relative_to(ROOT).as_posix().startswith(FREE)
        and "__pycache__" not in path.parts
    )


FILES = _files()
IDS = [str(path.relative_to(ROOT)) for path in FILES]


@pytest.mark.parametrize("path", FILES, ids=IDS)
def test_a_file_is_ascii_without_leftovers(path: Path) -> None:
    raw = path.read_bytes()
    wrong = [number for number, line in enumerate(raw.split(b"\n"), 1) if not line.isascii()]
    assert wrong == [], "lines that are not ASCII"
    assert b"\r" not in raw
    if path != Path(__file__):
        assert LEFTOVER.search(raw.decode("ascii")) is None


def test_shell_scripts_are_executable_or_called_by_name() -> None:
    script = ROOT / ".ci" / "run"
    if script.exists():
        checked = subprocess.run(["bash", "-n", str(script)], check=False)
        assert checked.returncode == 0
