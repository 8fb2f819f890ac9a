"""Comparing what is recorded with what the server lists."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from postroom.providers.imap.diff import FlagStep, compare, compare_part

mailboxes = st.dictionaries(st.integers(1, 60), st.integers(0, 3), max_size=60)


@given(mailboxes, mailboxes)
def test_applying_the_difference_gives_the_servers_list(
    known: dict[int, int], listed: dict[int, int]
) -> None:
    difference = compare(known, listed)
    after = {uid: mask for uid, mask in known.items() if uid not in difference.removed}
    after.update({uid: listed[uid] for uid in difference.added})
    for step in difference.changed:
        assert after[step.uid] == step.before != step.after
        after[step.uid] = step.after
    assert after == listed
    assert difference.is_empty == (known == listed)


@given(mailboxes, mailboxes)
def test_a_part_never_removes(known: dict[int, int], listed: dict[int, int]) -> None:
    assert compare_part(known, listed).removed == ()


def test_everything_comes_in_uid_order() -> None:
    difference = compare({9: 0, 4: 0, 2: 0, 1: 0}, {2: 1, 30: 0, 4: 1, 3: 0})
    assert difference.added == (3, 30)
    assert difference.removed == (1, 9)
    assert difference.changed == (FlagStep(2, 0, 1), FlagStep(4, 0, 1))
