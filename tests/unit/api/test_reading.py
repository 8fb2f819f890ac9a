"""Reading plain values into a schema's struct."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Meta

from postroom.api.reading import MAX_PROBLEMS, Problems, checker, read
from postroom.api.routes import ROUTES
from postroom.api.rules import (
    OR_FALSE,
    SINGLE_ACCEPTED,
    UNSET,
    Body,
    DateTime,
    Email,
    HostName,
    Unset,
    documented,
    ip,
    text,
    uri,
)
from postroom.errors import InvalidInput


class Inner(Body, frozen=True, kw_only=True):
    number: int


class Sample(Body, frozen=True, kw_only=True):
    short: Annotated[str, text(3, trim=True)] | Unset = UNSET
    count: Annotated[int, Meta(ge=1, le=9)] | Unset = UNSET
    ratio: Annotated[float, Meta(ge=0, le=1)] | Unset = UNSET
    is_on: bool | Unset = UNSET
    word: Annotated[Literal["one", "two"], documented(x_case="lower")] | Unset = UNSET
    email: Email | Unset = UNSET
    host: HostName | Unset = UNSET
    when: DateTime | Unset | None = UNSET
    link: Annotated[str, uri("https", "mailto")] | Unset = UNSET
    address: Annotated[str, ip("forbidden")] | Unset = UNSET
    network: Annotated[str, ip("optional")] | Unset = UNSET
    some: Annotated[list[Inner] | Unset, SINGLE_ACCEPTED] = UNSET
    maybe: Annotated[Inner | bool | Unset, OR_FALSE] = UNSET


@pytest.mark.parametrize(
    ("name", "given_value", "read_value"),
    [
        ("short", "  abc  ", "abc"),
        ("count", "7", 7),
        ("count", 7.0, 7),
        ("ratio", "0.5", 0.5),
        ("isOn", "TRUE", True),
        ("isOn", "0", False),
        ("isOn", 1, True),
        ("word", "TWO", "two"),
        ("email", "j.o'e+x@xn--bcher-kva.example", "j.o'e+x@xn--bcher-kva.example"),
        ("email", "j\u00f6@b\u00fccher.example", "j\u00f6@b\u00fccher.example"),
        ("email", "a@[192.0.2.1]", "a@[192.0.2.1]"),
        ("host", "mail_1.example.com.", "mail_1.example.com."),
        ("host", "::1", "::1"),
        ("when", "2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05.000Z"),
        ("when", "2026-01-02", "2026-01-02T00:00:00.000Z"),
        ("when", None, None),
        ("link", "https://a:b@example.com:8443/x?y#z", "https://a:b@example.com:8443/x?y#z"),
        ("link", "mailto:a@example.com", "mailto:a@example.com"),
        ("address", "2001:db8::1", "2001:db8::1"),
        ("network", "10.1.2.3/8", "10.1.2.3/8"),
        ("some", {"number": "1"}, [Inner(number=1)]),
        ("maybe", False, False),
        ("maybe", {"number": 1}, Inner(number=1)),
    ],
)
def test_good_values_are_converted_and_normalised(
    name: str, given_value: Any, read_value: Any
) -> None:
    attribute = "is_on" if name == "isOn" else name
    assert getattr(read(Sample, {name: given_value}), attribute) == read_value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("short", "abcd"),
        ("short", 1),
        ("short", None),
        ("count", 0),
        ("count", True),
        ("count", "1.5"),
        ("count", "9" * 10_000),
        ("count", 2**60),
        ("ratio", "nan"),
        ("ratio", float("inf")),
        ("ratio", [1]),
        ("isOn", "maybe"),
        ("isOn", 2),
        ("isOn", ""),
        ("word", "three"),
        ("word", ["one"]),
        ("email", "a@b@c"),
        ("email", "@example.com"),
        ("email", "a@exa mple.com"),
        ("email", "a@example.com\r\nBcc: x@example.com"),
        ("email", "a,b@example.com"),
        ("host", "a..b"),
        ("host", "-a.example"),
        ("host", "a\nb"),
        ("host", "http://a"),
        ("when", "yesterday"),
        ("when", "9" * 30),
        ("when", 1),
        ("link", "http://example.com"),
        ("link", "https://"),
        ("link", "https://a b"),
        ("link", "https://example.com:99999"),
        ("link", "javascript:alert(1)"),
        ("address", "10.0.0.0/8"),
        ("address", "1.2.3"),
        ("network", "10.0.0.0/33"),
        ("maybe", True),
        ("maybe", "x"),
    ],
)
def test_bad_values_are_named(name: str, value: Any) -> None:
    with pytest.raises(InvalidInput) as raised:
        read(Sample, {name: value})
    assert [field["key"] for field in raised.value.extra["fields"]] == [name]


def test_nested_keys_have_their_path() -> None:
    with pytest.raises(InvalidInput) as raised:
        read(Sample, {"some": [{"number": 1}, {"numbr": 2}], "maybe": {}})
    keys = [field["key"] for field in raised.value.extra["fields"]]
    assert keys == ["some.1.numbr", "some.1.number", "maybe.number"]


def test_problems_are_bounded() -> None:
    with pytest.raises(InvalidInput) as raised:
        read(Sample, {f"x{n}": n for n in range(10_000)})
    assert len(raised.value.extra["fields"]) == MAX_PROBLEMS


@pytest.mark.parametrize("name", ["__proto__", "__class__", "", "a" * 100_000])
def test_odd_names_are_only_unknown_names(name: str) -> None:
    with pytest.raises(InvalidInput):
        read(Sample, {name: 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
_BODIES = [route.body for route in ROUTES if route.body is not None]
_NAMES = sorted({name for body in _BODIES for name in body.__struct_encode_fields__})


# The first text of a fresh machine has Hypothesis build its table of characters, which alone takes
# longer than it allows for generating.
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(_BODIES), st.dictionaries(st.sampled_from(_NAMES), json_values))
def test_any_json_is_read_or_refused(body: type[Body], value: dict[str, Any]) -> None:
    found = Problems()
    result = checker(body)(value, "", found)
    assert isinstance(result, body) != bool(found)
