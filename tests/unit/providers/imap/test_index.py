"""The packed index: what goes in comes out, in few bytes and little time."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.providers.imap.index import (
    BLOCK_SPAN,
    MAX_KEYWORDS,
    SYSTEM_FLAGS,
    FlagNames,
    MailboxIndex,
    pack,
    unpack,
)

uids = st.integers(1, 2**32 - 2)
masks = st.one_of(st.integers(0, 31), st.integers(0, 2 ** (5 + MAX_KEYWORDS) - 1))
entries = st.dictionaries(uids, masks, max_size=200)


@given(entries)
def test_what_was_proposed_and_adopted_is_there(messages: dict[int, int]) -> None:
    index = MailboxIndex()
    index.adopt(index.propose(messages))
    assert index.entries() == messages
    assert len(index) == len(messages)
    assert index.pick(messages) == messages


@given(entries, entries, st.sets(uids, max_size=50))
def test_changes_do_what_a_dictionary_does(
    before: dict[int, int], put: dict[int, int], extra: set[int]
) -> None:
    index = MailboxIndex()
    index.adopt(index.propose(before))
    drop = {uid for n, uid in enumerate(before) if n % 2} | extra
    drop -= put.keys()
    index.adopt(index.propose(put, drop))
    expected = {uid: mask for uid, mask in {**before, **put}.items() if uid not in drop}
    assert index.entries() == expected


def test_a_proposal_changes_nothing_until_it_is_adopted() -> None:
    index = MailboxIndex({0: pack({1: 1})})
    blocks = index.propose({2: 0}, [1])
    assert index.entries() == {1: 1}
    index.adopt(blocks)
    assert index.entries() == {2: 0}


def test_only_the_blocks_that_change_are_written() -> None:
    index = MailboxIndex()
    index.adopt(index.propose(dict.fromkeys(range(1, 5 * BLOCK_SPAN), 0)))
    assert set(index.propose({3 * BLOCK_SPAN + 7: 1})) == {3}


def test_an_emptied_block_is_written_as_no_bytes() -> None:
    index = MailboxIndex({2: pack({2 * BLOCK_SPAN: 0})})
    assert index.propose(drop=[2 * BLOCK_SPAN]) == {2: b""}


def test_a_message_takes_about_four_bytes() -> None:
    messages = {uid: uid % 32 for uid in range(1, 50_001)}
    blocks = MailboxIndex().propose(messages)
    assert sum(map(len, blocks.values())) < 4.1 * len(messages)


@pytest.mark.parametrize(
    "raw",
    [b"\x01", b"\x01\x05\x00\x00", b"\x07\x00\x00", pack({5: 2**40})[:-3], pack({5: 2**40})[:-6]],
)
def test_bytes_that_are_no_block_are_refused(raw: bytes) -> None:
    with pytest.raises(ValueError, match="block"):
        unpack(0, raw)


def test_flags_are_the_same_whatever_their_case() -> None:
    names = FlagNames(["$Forwarded"])
    assert names.mask(("\\SEEN", "$forwarded")) == names.mask(("$FORWARDED", "\\Seen"))
    assert names.keywords == ("$Forwarded",)


def test_recent_is_no_flag_of_a_message() -> None:
    assert FlagNames().mask(("\\Recent",)) == 0


def test_a_new_keyword_takes_the_next_position_and_keeps_it() -> None:
    names = FlagNames(["a"])
    mask = names.mask(("b", "\\Draft"))
    assert names.keywords == ("a", "b")
    assert FlagNames(names.keywords).names(mask) == ("\\Draft", "b")


def test_names_come_in_the_order_of_the_system_flags_then_keywords() -> None:
    names = FlagNames(["x"])
    assert names.names(names.mask(("x", *reversed(SYSTEM_FLAGS)))) == (*SYSTEM_FLAGS, "x")


def test_keywords_beyond_the_limit_are_left_out() -> None:
    names = FlagNames([f"k{n}" for n in range(MAX_KEYWORDS)])
    assert names.mask(("one-more",)) == 0
    assert len(names.keywords) == MAX_KEYWORDS


def test_a_block_that_was_not_loaded_never_passes_for_empty() -> None:
    index = MailboxIndex(is_whole=False)
    assert index.lacks([0, 3]) == [0, 3]
    with pytest.raises(KeyError):
        index.propose({3 * BLOCK_SPAN: 1})
    index.take({0: pack({5: 1}), 3: b""})
    assert index.lacks([0, 3]) == []
    blocks = index.propose({3 * BLOCK_SPAN: 1, 6: 2})
    assert (set(blocks), index.growth(blocks)) == ({0, 3}, 2)
    index.adopt(blocks)
    assert index.entries() == {5: 1, 6: 2, 3 * BLOCK_SPAN: 1}


@given(entries, uids, uids)
def test_a_range_has_what_lies_in_it(messages: dict[int, int], one: int, other: int) -> None:
    index = MailboxIndex()
    index.adopt(index.propose(messages))
    first, last = min(one, other), max(one, other)
    wanted = {uid: mask for uid, mask in messages.items() if first <= uid <= last}
    assert index.between(first, last) == wanted
    assert index.where(lambda uid: first <= uid <= last) == sorted(wanted)


@given(entries, entries, st.sets(uids, max_size=50))
def test_growth_is_counted_from_the_blocks(
    before: dict[int, int], put: dict[int, int], drop: set[int]
) -> None:
    index = MailboxIndex()
    index.adopt(index.propose(before))
    blocks = index.propose(put, drop - put.keys())
    grown = len(index) + index.growth(blocks)
    index.adopt(blocks)
    assert len(index) == grown


def test_labels_are_told_apart_from_flags_and_keep_their_case() -> None:
    names = FlagNames(["$Work"])
    mask = names.mask(("\\Seen", "$work")) | names.label_mask(("Work", "work", "\\Inbox"))
    assert names.names(mask) == ("\\Seen", "$Work")
    assert names.labels(mask) == ("Work", "work", "\\Inbox")
    assert names.names(mask & ~names.label_bits) == ("\\Seen", "$Work")
    assert names.labels(mask & ~names.label_bits) == ()
    again = FlagNames(names.keywords)
    assert (again.names(mask), again.labels(mask)) == (names.names(mask), names.labels(mask))
