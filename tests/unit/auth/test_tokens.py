"""Reading the token out of a request."""

from __future__ import annotations

import pytest

from postroom.auth.tokens import is_expired, presented_token
from postroom.errors import Unauthorized
from postroom.model.token import TokenRecord

VALUE = "ab" * 32


@pytest.mark.parametrize(
    ("header", "parameter"),
    [
        (f"Bearer {VALUE}", None),
        (f"bearer  {VALUE.upper()} ", None),
        (None, VALUE),
        (f"Bearer {VALUE}", "nonsense"),
    ],
)
def test_a_token_is_taken_from_the_header_or_the_parameter(
    header: str | None, parameter: str | None
) -> None:
    assert presented_token(header, parameter) == VALUE


def test_a_request_may_present_none() -> None:
    assert presented_token(None, None) is None


@pytest.mark.parametrize(
    ("header", "parameter"),
    [
        ("", None),
        ("Bearer", None),
        ("Bearer ", None),
        (f"Basic {VALUE}", None),
        (f"Bearer {VALUE}0", None),
        (f"Bearer {VALUE} {VALUE}", None),
        ("Bearer " + "\u0661" * 64, None),
        (None, ""),
        (None, "x" * 64),
        (None, f"{VALUE}\n"),
        ("Basic x", VALUE),
    ],
)
def test_what_cannot_be_a_token_is_refused(header: str | None, parameter: str | None) -> None:
    with pytest.raises(Unauthorized):
        presented_token(header, parameter)


def test_a_token_is_expired_from_its_time_on() -> None:
    record = TokenRecord(expires="2026-11-20T00:00:00.000Z")
    at_ms = 1_795_132_800_000
    assert (is_expired(record, at_ms - 1), is_expired(record, at_ms)) == (False, True)
    assert not is_expired(TokenRecord(), at_ms)
