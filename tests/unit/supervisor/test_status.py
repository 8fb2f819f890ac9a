"""What a person reads at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.config.options import Options
from postroom.model.secret import Secret
from postroom.supervisor.status import banner, program_name


@pytest.mark.parametrize(
    ("started_as", "name"),
    [
        (".venv/bin/postroom", ".venv/bin/postroom"),
        ("/srv/mail/.venv/bin/postroom", ".venv/bin/postroom"),
        ("/usr/local/bin/postroom", "postroom"),
        ("/srv/mail/postroom/__main__.py", "python -m postroom"),
    ],
)
def test_the_program_is_named_so_that_it_can_be_typed(started_as: str, name: str) -> None:
    assert program_name(started_as, Path("/srv/mail")) == name


def test_the_banner_names_a_reachable_address() -> None:
    text = banner(Options(host="0.0.0.0", port=80), "/srv/data", 1.0)
    assert "http://127.0.0.1:80/v1" in text
    assert "/srv/data" in text
    assert "http://[::2]:80/v1" in banner(Options(host="::2", port=80), "", 1.0)


def test_the_banner_shows_neither_secret_nor_store_password() -> None:
    options = Options(secret=Secret("canary"), redis_url="redis://:canary@h/1")
    text = banner(options, "/srv/data", 1.0)
    assert "canary" not in text
    assert "clear text" not in text
