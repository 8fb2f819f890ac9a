"""What a person reads at the start."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.config.options import Options
from postroom.model.secret import Secret
from postroom.supervisor.status import address, facts, next_steps, program_name


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


def test_the_facts_name_a_reachable_address() -> None:
    text = "\n".join(facts(Options(host="0.0.0.0", port=80), "/srv/data", 1.0))
    assert "http://127.0.0.1:80/v1" in text
    assert "/srv/data" in text
    assert address(Options(host="::2", port=80)) == "http://[::2]:80"


def test_neither_secret_nor_store_password_is_shown() -> None:
    options = Options(secret=Secret("canary"), redis_url="redis://:canary@h/1")
    text = "\n".join([*facts(options, "/srv/data", 1.0), *next_steps(options, "postroom")])
    assert "canary" not in text
    assert "clear text" not in text
    assert "with the EENGINE_REDIS of this terminal" in text


def test_the_next_step_finds_the_data_directory_from_another_terminal() -> None:
    plain = "\n".join(next_steps(Options(), "postroom"))
    assert "$(postroom tokens issue" in plain
    moved = "\n".join(next_steps(Options(data_dir="/srv/my mail"), "postroom"))
    assert "$(EENGINE_DATA_DIR='/srv/my mail' postroom tokens issue" in moved
