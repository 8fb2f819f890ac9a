from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.imap.errors import ProtocolViolation
from postroom.imap.sets import (
    UidSet,
    encode_set,
    expand,
    from_numbers,
    parse_ordered,
    parse_set,
    united,
)


def test_numbers_become_the_shortest_ranges() -> None:
    assert encode_set([7, 1, 2, 3, 3, 5, 4]) == "1:5,7"
    assert encode_set([]) == ""


@given(st.sets(st.integers(1, 300), min_size=1))
def test_a_written_set_reads_back_as_the_same_numbers(numbers: set[int]) -> None:
    read = parse_set(encode_set(numbers))
    assert list(read) == sorted(numbers)
    assert len(read) == len(numbers)
    assert all((number in read) == (number in numbers) for number in range(302))


def test_a_reversed_range_is_the_same_range() -> None:
    assert list(parse_set("5:3")) == [3, 4, 5]


def test_a_star_covers_everything_above() -> None:
    read = parse_set("900:*")
    assert read.has_star
    assert 900 in read
    assert 4_000_000_000 in read
    assert 899 not in read


def test_a_huge_range_costs_nothing_until_it_is_written_out() -> None:
    read = parse_set("1:4294967295")
    assert len(read) == 4_294_967_295
    with pytest.raises(ProtocolViolation):
        expand(read.ranges)


def test_an_ordered_set_keeps_the_order_given() -> None:
    assert expand(parse_ordered("9,3:4")) == (9, 3, 4)


@pytest.mark.parametrize(
    "text", ["", "a", "1:", "1,,2", "-1", "4294967296", "1" * 5000, "1:2:3", "\u0663"]
)
def test_nonsense_is_a_violation(text: str) -> None:
    with pytest.raises(ProtocolViolation):
        parse_set(text)
    with pytest.raises(ProtocolViolation):
        parse_ordered(text)


def test_sets_join_touching_ranges() -> None:
    assert from_numbers([1, 2, 4]).ranges == ((1, 2), (4, 4))
    assert str(parse_set("1:3,2:9,11")) == "1:9,11"


def test_two_sets_are_united() -> None:
    assert united(parse_set("1:3,9"), parse_set("4,7:*")) == UidSet(((1, 4), (7, 4294967295)), True)
