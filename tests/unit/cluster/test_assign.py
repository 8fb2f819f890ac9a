"""Who gets what: the pure decision."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from postroom.cluster.assign import moves, plan, rank

names = st.sets(st.text(min_size=1, max_size=6), max_size=40)
loads = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 20), min_size=1)


@given(names, names, loads)
def test_every_account_gets_a_live_worker(
    fresh: set[str], orphans: set[str], held: dict[str, int]
) -> None:
    chosen = plan(fresh - orphans, orphans, held)
    assert set(chosen) == fresh | orphans
    assert set(chosen.values()) <= set(held)


@given(names, names, st.integers(1, 6))
def test_no_worker_gets_more_than_its_share(
    fresh: set[str], orphans: set[str], workers: int
) -> None:
    chosen = plan(fresh - orphans, orphans, dict.fromkeys("abcdef"[:workers], 0))
    share = -(-len(chosen) // workers)
    assert max(Counter(chosen.values()).values(), default=0) <= share


@given(names, names, loads)
def test_the_same_question_has_the_same_answer(
    fresh: set[str], orphans: set[str], held: dict[str, int]
) -> None:
    turned = dict(reversed(held.items()))
    assert plan(fresh - orphans, orphans, held) == plan(
        sorted(fresh - orphans, reverse=True), sorted(orphans, reverse=True), turned
    )


def test_without_a_worker_nobody_is_chosen() -> None:
    assert plan({"a"}, {"b"}, {}) == {}


def test_new_accounts_fill_the_least_loaded_first() -> None:
    chosen = plan([f"n{i}" for i in range(4)], [], {"a": 4, "b": 0})
    assert Counter(chosen.values()) == {"b": 4}


def test_the_share_of_workers_still_to_come_waits_for_them() -> None:
    chosen = plan([f"n{i:02d}" for i in range(10)], [], {"a": 0}, expected=4)
    assert sorted(chosen) == ["n00", "n01", "n02"]


def test_orphans_go_to_their_first_choice_with_room() -> None:
    orphans = [f"o{i}" for i in range(60)]
    held = {"a": 20, "b": 20, "c": 20}
    chosen = plan([], orphans, held)
    kept = [name for name in orphans if chosen[name] == rank(name, held)[0]]
    # An even hash leaves few without room at their first choice.
    assert len(kept) > 40
    assert max(Counter(chosen.values()).values()) == 20


def test_the_order_of_preference_survives_the_loss_of_a_worker() -> None:
    for number in range(50):
        before = rank(f"a{number}", "wxyz")
        assert rank(f"a{number}", "wxy") == [worker for worker in before if worker != "z"]


def test_a_joining_worker_gets_its_share_in_small_steps() -> None:
    holds = {f"a{i:02d}": "old" for i in range(12)}
    steps = 0
    while step := moves(holds, ["old", "new"], 2):
        assert len(step) <= 2
        assert set(step.values()) == {"new"}
        holds |= step
        steps += 1
    assert Counter(holds.values()) == {"old": 6, "new": 6}
    assert steps == 3


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.sampled_from("abcd"), max_size=60))
def test_moving_ends_when_the_loads_differ_by_one(holds: dict[str, str]) -> None:
    for _ in range(100):
        step = moves(holds, "abc", 3)
        if not step:
            break
        assert all(holds[account] != worker for account, worker in step.items())
        holds |= step
    counts = [sum(1 for worker in holds.values() if worker == one) for one in "abc"]
    assert max(counts) - min(counts) <= 1


def test_nothing_moves_between_even_workers_or_without_any() -> None:
    assert moves({"1": "a", "2": "b", "3": "a"}, ["a", "b"], 5) == {}
    assert moves({"1": "a"}, [], 5) == {}
