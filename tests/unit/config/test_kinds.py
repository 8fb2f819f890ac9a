"""The human forms of values (contract config.md 1)."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.config import kinds


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        ("1500", 1500),
        ("500ms", 500),
        ("10s", 10_000),
        ("5m", 300_000),
        ("2h", 7_200_000),
        ("3d", 259_200_000),
        (" 1.5 s ", 1500),
        ("2 minutes", 120_000),
        ("0", 0),
    ],
)
def test_durations_are_milliseconds_or_carry_a_unit(text: str, ms: int) -> None:
    assert kinds.parse_duration_ms(text) == ms


@pytest.mark.parametrize(
    ("text", "size"),
    [("5242880", 5 << 20), ("5M", 5 << 20), ("25MB", 25 << 20), ("1G", 1 << 30), ("512k", 1 << 19)],
)
def test_sizes_are_bytes_or_carry_a_unit(text: str, size: int) -> None:
    assert kinds.parse_size_bytes(text) == size


@pytest.mark.parametrize("text", ["", "s", "-1", "1x", "10 s s", "1e9", "NaN", "ten"])
def test_other_texts_are_neither_duration_nor_size(text: str) -> None:
    for parse in (kinds.parse_duration_ms, kinds.parse_size_bytes):
        with pytest.raises(ValueError, match=f"^{re.escape(text)}$"):
            parse(text)


@pytest.mark.parametrize("text", ["y", "Yes", "true", "TRUE", "truely", "1", "-1", "42"])
def test_true_texts(text: str) -> None:
    assert kinds.parse_boolean(text) is True


@pytest.mark.parametrize("text", ["on", "0", "00", "false", "no", "n", "", "1.5", "enabled"])
def test_everything_else_is_false(text: str) -> None:
    assert kinds.parse_boolean(text) is False


def test_cpus_is_a_worker_count() -> None:
    assert kinds.parse_count("cpus") >= 1
    assert kinds.parse_count("3") == 3
    with pytest.raises(ValueError, match="1025"):
        kinds.parse_count("1025")


@given(st.text())
def test_every_kind_gives_a_value_or_a_value_error(text: str) -> None:
    for kind in (kinds.DURATION, kinds.SIZE, kinds.PORT, kinds.COUNT, kinds.JSON_OBJECT):
        try:
            kind.parse(text)
        except ValueError:
            continue
