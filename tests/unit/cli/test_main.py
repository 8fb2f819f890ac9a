"""The command line through its door, against a real store given by its address."""

from __future__ import annotations

import csv
import io
import json
import re
from pathlib import Path

import pytest

from postroom.auth.passwords import is_password, unpack_hash
from postroom.cli.main import main


@pytest.fixture
def redis(store_url: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    """Each test has its own keys in the shared store."""
    monkeypatch.setenv("EENGINE_REDIS", store_url)
    monkeypatch.setenv("EENGINE_REDIS_PREFIX", request.node.name)
    return store_url


Captured = pytest.CaptureFixture[str]


def test_a_new_token_is_all_that_is_printed(redis: str, capsys: Captured) -> None:
    assert main(["tokens", "issue", "-d", "my app", "-s", "*"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(r"[0-9a-f]{64}", out)


def test_on_a_terminal_the_prompt_does_not_stick_to_the_token(
    redis: str, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    main(["tokens", "issue"])
    assert re.fullmatch(r"[0-9a-f]{64}\n", capsys.readouterr().out)


def test_a_token_for_a_store_that_was_not_there_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("EENGINE_DATA_DIR", str(tmp_path / "data"))
    assert main(["tokens", "issue"]) == 0
    first = capsys.readouterr()
    assert f"the new store {tmp_path / 'data'}" in first.err
    assert len(first.out) == 64
    assert main(["tokens", "issue"]) == 0
    assert capsys.readouterr().err == ""


def test_a_token_survives_export_and_import(redis: str, capsys: Captured) -> None:
    main(["tokens", "issue", "-s", "api", "--account", "a 1"])
    token = capsys.readouterr().out
    assert main(["tokens", "export", "--token", token]) == 0
    packed = capsys.readouterr().out.strip()
    assert main(["tokens", "import", "-t", packed]) == 0
    assert "exists already" in capsys.readouterr().err
    assert main(["tokens", "export", "-t", "0" * 64]) == 1


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["tokens", "issue", "-s", "root"], "Unknown scope root"),
        (["tokens", "export"], "--token is required"),
        (["tokens", "import", "-t", "nonsense"], "token"),
        (["tokens", "burn"], "unknown command tokens burn: use one of tokens issue"),
        (["tokens"], "unknown command tokens: use one of tokens issue"),
        (["burn"], "unknown command burn: `postroom help` lists all"),
        (["password", "-p", "short"], "at least 8"),
        (["export"], "--account is required"),
        (["export", "-a", "nobody"], "Account"),
        (["scan", "what"], "unexpected what"),
        (["scan", "--nonsense=1"], "Unknown option --nonsense"),
        (["help", "nonsense"], "unknown command nonsense"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_1(
    redis: str, capsys: Captured, words: list[str], text: str
) -> None:
    assert main(words) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert text in captured.err
    assert "Traceback" not in captured.err


def test_a_password_is_made_and_printed(redis: str, capsys: Captured) -> None:
    assert main(["password"]) == 0
    assert re.fullmatch(r"[0-9a-f]{32}\n", capsys.readouterr().out)


def test_a_password_hash_can_be_printed_for_preparation(redis: str, capsys: Captured) -> None:
    assert main(["password", "-p", "correct horse", "-r"]) == 0
    assert is_password("correct horse", unpack_hash(capsys.readouterr().out.strip()))


def test_scan_counts_keys_by_shape_and_shows_no_user_text(redis: str, capsys: Captured) -> None:
    main(["tokens", "issue", "-a", "canary"])
    capsys.readouterr()
    assert main(["scan"]) == 0
    rows = list(csv.reader(io.StringIO(capsys.readouterr().out)))
    assert rows[0] == ["KEY", "COUNT"]
    assert ["{g}:token:<id>", "1"] in rows
    assert ["{g}:account-tokens:<account>", "1"] in rows
    assert "canary" not in json.dumps(rows)


def test_a_store_that_is_away_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("EENGINE_REDIS", "redis://127.0.0.1:1/0")
    assert main(["scan"]) == 1
    assert "store does not answer" in capsys.readouterr().err


def test_help_goes_to_standard_error_and_names_commands_and_options(capsys: Captured) -> None:
    for words in (["help"], ["--help"], ["-h"]):
        assert main(words) == 0
        captured = capsys.readouterr()
        assert captured.out == ""
        assert "postroom tokens issue" in captured.err
        assert "EENGINE_PORT, PORT, API_PORT, --api.port" in captured.err


def test_help_of_a_command_lists_its_flags(capsys: Captured) -> None:
    for words in (["help", "tokens", "issue"], ["tokens", "issue", "--help"]):
        assert main(words) == 0
        assert "--description, -d <value>" in capsys.readouterr().err


def test_version_is_one_line_on_standard_output(capsys: Captured) -> None:
    for words in (["version"], ["-v"], ["--version"]):
        assert main(words) == 0
        assert re.fullmatch(r"Postroom v\S+ \(.+\)\n", capsys.readouterr().out)


def test_a_wrong_option_stops_the_start_with_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: Captured
) -> None:
    monkeypatch.setenv("EENGINE_PORT", "http")
    assert main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1
