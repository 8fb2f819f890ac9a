"""Sources and precedence of the start-up options (contract config.md 1)."""

from __future__ import annotations

from pathlib import Path

import pytest

from postroom.config.load import load, parse_arguments
from postroom.config.options import Options, declarations
from postroom.errors import ConfigurationError
from postroom.model.secret import Secret


def options(*arguments: str, directory: Path, **environment: str) -> Options:
    return load(arguments, environment, directory)


def test_without_sources_every_option_has_its_default(tmp_path: Path) -> None:
    assert options(directory=tmp_path) == Options()


def test_environment_wins_over_argument_wins_over_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[api]\nport = 1001\nhost = "file"\nmaxSize = "1M"\n')
    found = options(
        "--config=c.toml",
        "--api.port=1002",
        "--api.host=argument",
        directory=tmp_path,
        EENGINE_PORT="1003",
    )
    assert (found.port, found.host, found.max_size_bytes) == (1003, "argument", 1 << 20)


def test_dotenv_fills_only_what_is_not_set(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text('EENGINE_PORT=4000\nexport EENGINE_HOST="::1" # v6\n')
    found = options(directory=tmp_path, EENGINE_PORT="4001")
    assert (found.port, found.host) == (4001, "::1")


def test_the_first_name_of_an_option_wins(tmp_path: Path) -> None:
    found = options(directory=tmp_path, PORT="1", EENGINE_PORT="2", REDIS_URL="redis://later:1/0")
    assert found.port == 2
    assert found.redis_url == "redis://later:1/0"


def test_an_empty_variable_counts_as_unset(tmp_path: Path) -> None:
    assert options(directory=tmp_path, EENGINE_PORT="", PORT="8080").port == 8080


def test_a_file_stands_in_for_a_value_and_loses_one_line_break(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("top secret\n\n")
    found = options(directory=tmp_path, EENGINE_SECRET_FILE=str(tmp_path / "secret"))
    assert found.secret == Secret("top secret\n")
    both = options(
        directory=tmp_path, EENGINE_SECRET="x", EENGINE_SECRET_FILE=str(tmp_path / "secret")
    )
    assert both.secret == Secret("x")


def test_an_unreadable_file_is_reported_and_leaves_the_option_empty(tmp_path: Path) -> None:
    lines: list[str] = []
    found = load([], {"EENGINE_SECRET_FILE": "/nowhere/at/all"}, tmp_path, lines.append)
    assert found.secret is None
    assert "EENGINE_SECRET_FILE" in lines[0]


def test_some_options_take_no_file(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("prefix")
    found = options(directory=tmp_path, EENGINE_REDIS_PREFIX_FILE=str(tmp_path / "p"))
    assert found.redis_prefix == ""


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("EENGINE_PORT", "http", ["EENGINE_PORT", "'http'", "port number"]),
        ("PORT", "70000", ["EENGINE_PORT", "environment variable PORT", "port number"]),
        ("EENGINE_TIMEOUT", "soon", ["EENGINE_TIMEOUT", "duration"]),
        ("EENGINE_MAX_SIZE", "big", ["EENGINE_MAX_SIZE", "size"]),
        ("EENGINE_WORKERS", "-1", ["EENGINE_WORKERS", "cpus"]),
        ("EENGINE_LOG_LEVEL", "loud", ["EENGINE_LOG_LEVEL", "silent"]),
        ("EENGINE_WEBHOOK_EGRESS_POLICY", "all", ["link-local, private, off"]),
        ("EENGINE_TLS_MIN_VERSION", "SSLv3", ["EENGINE_TLS_MIN_VERSION", "'SSLv3'", "TLSv1.2"]),
        ("EENGINE_TLS_MIN_DH_SIZE", "big", ["EENGINE_TLS_MIN_DH_SIZE", "whole number"]),
        ("EENGINE_TLS_CIPHERS", "NONE-SUCH", ["EENGINE_TLS_CIPHERS", "OpenSSL"]),
        ("EENGINE_SETTINGS", "[1]", ["EENGINE_SETTINGS", "JSON object"]),
    ],
)
def test_a_wrong_value_stops_with_one_line_that_names_the_option(
    tmp_path: Path, name: str, value: str, words: list[str]
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load([], {name: value}, tmp_path)
    assert "\n" not in str(caught.value)
    assert all(word in str(caught.value) for word in words)


def test_a_wrong_store_address_does_not_show_its_password(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load([], {"EENGINE_REDIS": "http://user:canary@host"}, tmp_path)
    assert "EENGINE_REDIS" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_unknown_argument_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"Unknown option --api\.prot"):
        options("--api.prot=1", directory=tmp_path)


def test_an_unknown_key_of_the_file_is_reported_and_ignored(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text("[api]\nprot = 1\nport = 5\n")
    lines: list[str] = []
    assert load(["--config=c.toml"], {}, tmp_path, lines.append).port == 5
    assert lines == ["c.toml: api.prot is not an option of Postroom; ignored"]


@pytest.mark.parametrize("content", ["[api", "\xff"])
def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path, content: str) -> None:
    (tmp_path / "c.toml").write_bytes(content.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=r"c\.toml"):
        options("--config=c.toml", directory=tmp_path)


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"--config: .*none\.toml"):
        options("--config=none.toml", directory=tmp_path)


def test_prepared_settings_may_be_a_table_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[settings]\nwebhooks = "https://example.com"\n')
    found = options("--config=c.toml", directory=tmp_path)
    assert found.prepared_settings == {"webhooks": "https://example.com"}


def test_a_listener_has_a_switch_and_certificates_under_one_name(tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_text('[api.tls]\ncert = "c.pem"\nminVersion = "TLSv1.3"\n')
    found = options("--config=c.toml", "--api.tls", directory=tmp_path, EENGINE_API_TLS_KEY="k")
    assert found.api_tls is True
    assert found.api_listener.cert == "c.pem"
    assert found.api_listener.min_version == "TLSv1.3"
    assert found.api_listener.key == Secret("k")
    assert found.smtp_listener.cert is None


def test_arguments_take_their_value_after_a_blank_too() -> None:
    assert parse_arguments(["--api.port", "5", "--log.raw", "--api.host=x"]) == {
        "api.port": "5",
        "log.raw": "true",
        "api.host": "x",
    }


def test_a_lone_word_is_no_option() -> None:
    with pytest.raises(ConfigurationError, match="Unexpected argument -x"):
        parse_arguments(["-x"])


def test_options_do_not_show_secrets(tmp_path: Path) -> None:
    found = options(
        directory=tmp_path,
        EENGINE_SECRET="canary",
        EENGINE_REDIS="redis://:canary@h",
        EENGINE_SETTINGS='{"serviceSecret": "canary"}',
        EENGINE_AUTH="user:canary",
        EENGINE_API_TLS_KEY="canary",
    )
    assert "canary" not in repr(found)


def test_no_two_options_share_a_name_or_a_key() -> None:
    names = [name for option in declarations() for name in option.env]
    keys = [option.key for option in declarations() if option.key]
    assert len(names) == len(set(names))
    assert len(keys) == len(set(keys))
