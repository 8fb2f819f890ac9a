"""Messages that break the connection when they are fetched."""

from __future__ import annotations

from postroom.providers.imap.details import (
    ALONE_AFTER_TRIES,
    DEATHS_ALLOWED,
    POISON_TRIES,
    Poison,
)


def test_harmless_messages_are_fetched_together() -> None:
    assert Poison().batches(1, [1, 2, 3, 4, 5], 2) == [[1, 2], [3, 4], [5]]


def test_a_suspect_is_fetched_alone_and_in_its_place() -> None:
    poison = Poison()
    for _ in range(ALONE_AFTER_TRIES):
        poison.before(1, [2])
    assert poison.batches(1, [1, 2, 3, 4], 10) == [[1], [2], [3, 4]]
    assert poison.batches(2, [1, 2, 3, 4], 10) == [[1, 2, 3, 4]]


def test_what_came_well_is_no_suspect_any_more() -> None:
    poison = Poison()
    for _ in range(ALONE_AFTER_TRIES):
        poison.before(1, [1, 2])
    poison.survived(1, [1])
    assert poison.batches(1, [1, 3], 10) == [[1, 3]]


def test_a_poisonous_message_is_given_up_in_the_end() -> None:
    poison = Poison()
    for _ in range(POISON_TRIES):
        assert not poison.is_given_up(1, 7)
        poison.before(1, [7])
    assert poison.is_given_up(1, 7)


def test_a_message_that_a_worker_did_not_survive_is_read_alone_and_given_up_in_the_end() -> None:
    poison = Poison()
    poison.load({(1, 2): 1, (1, 7): DEATHS_ALLOWED})
    assert poison.batches(1, [1, 2, 3, 4], 10) == [[1], [2], [3, 4]]
    assert not poison.is_given_up(1, 2)
    assert poison.is_given_up(1, 7)
    assert poison.leftover(1) == [2, 7]
    poison.survived(1, [2, 7])
    assert poison.leftover(1) == []
    assert poison.batches(1, [1, 2], 10) == [[1, 2]]


def test_a_try_that_failed_for_another_reason_is_no_suspicion() -> None:
    poison = Poison()
    for _ in range(POISON_TRIES):
        poison.before(1, [7])
        poison.excused(1, [7])
    assert not poison.is_given_up(1, 7)
    assert poison.batches(1, [7, 8], 10) == [[7, 8]]
