"""Finding the store's program."""

from __future__ import annotations

import platform
import subprocess

import pytest

from postroom.errors import ConfigurationError
from postroom.supervisor.embedded_redis import binary


def test_the_store_of_this_machine_is_found_and_runs() -> None:
    done = subprocess.run([str(binary()), "--version"], capture_output=True, text=True, check=True)
    assert "v=" in done.stdout


def test_a_machine_without_a_store_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "sparc")
    with pytest.raises(ConfigurationError, match="EENGINE_REDIS"):
        binary()
