"""Log lines: shape, level, masking."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from postroom import logs
from postroom.model.secret import Secret


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    before = (logs._output.threshold, logs._output.is_terminal, logs._output.stream)
    handlers = logging.getLogger().handlers
    stream = io.StringIO()
    logs.configure("info", stream)
    yield stream
    logs._output.threshold, logs._output.is_terminal, logs._output.stream = before
    logging.getLogger().handlers = handlers


def test_a_line_is_one_json_object_with_level_time_and_fields(lines: io.StringIO) -> None:
    logs.get_logger("imap").bind(account="a").info("mailbox.synced", ms=4)
    line = json.loads(lines.getvalue())
    assert line["time"] > 0
    assert {k: line[k] for k in ("level", "room", "msg", "account", "ms")} == {
        "level": 30,
        "room": "imap",
        "msg": "mailbox.synced",
        "account": "a",
        "ms": 4,
    }


def test_lines_below_the_level_are_dropped(lines: io.StringIO) -> None:
    logs.get_logger("x").debug("quiet")
    assert lines.getvalue() == ""


def test_secrets_are_masked_by_name_and_by_type_at_any_depth(lines: io.StringIO) -> None:
    logs.get_logger("x").info(
        "login",
        password="canary",
        headers={"Authorization": "canary", "Set-Cookie": ["canary"]},
        nested=[{"accessToken": "canary", "auth": {"pass": "canary"}}],
        value=Secret("canary"),
    )
    assert "canary" not in lines.getvalue()


def test_a_line_break_in_a_field_does_not_make_a_second_line(lines: io.StringIO) -> None:
    logs.get_logger("x").info("a", text='x\n{"level":60}')
    assert lines.getvalue().count("\n") == 1


def test_anything_can_be_logged(lines: io.StringIO) -> None:
    cyclic: dict[str, object] = {}
    cyclic["self"] = cyclic
    logs.get_logger("x").info(
        "odd", a=cyclic, b=object(), c=b"\xff", d="y" * 100_000, e=float("nan")
    )
    assert len(lines.getvalue()) < 20_000


def test_lines_of_libraries_come_too(lines: io.StringIO) -> None:
    logging.getLogger("asyncio").error("Task %s was lost", "t")
    line = json.loads(lines.getvalue())
    assert (line["level"], line["room"], line["msg"]) == (50, "asyncio", "Task t was lost")


def test_the_traceback_is_one_field(lines: io.StringIO) -> None:
    try:
        raise ValueError("boom")
    except ValueError:
        logs.get_logger("x").exception("job.failed")
    assert "ValueError: boom" in json.loads(lines.getvalue())["stack"]
