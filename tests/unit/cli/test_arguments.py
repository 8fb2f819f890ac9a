"""Words of a command sorted into flags, plain words and options."""

from __future__ import annotations

import pytest

from postroom.cli.arguments import Flag, split
from postroom.errors import ConfigurationError

FLAGS = (Flag("scope", "s", ""), Flag("hash", "r", "", takes_value=False))


def test_flags_may_be_short_long_repeated_and_mixed_with_options() -> None:
    given = split(["-s", "*", "--scope=api", "-r", "--dbs.redis", "redis://x", "file"], FLAGS)
    assert given.values == {"scope": ["*", "api"], "hash": [""]}
    assert given.last("scope") == "api"
    assert given.options == ["--dbs.redis", "redis://x"]
    assert given.words == ["file"]


def test_a_flag_without_its_value_is_an_error() -> None:
    with pytest.raises(ConfigurationError, match="-s needs a value"):
        split(["-s"], FLAGS)


def test_a_value_may_look_like_a_flag() -> None:
    assert split(["-s", "-r"], FLAGS).values == {"scope": ["-r"]}
