"""Who has been silent too long."""

from __future__ import annotations

from postroom.supervisor.silence import Silence


def test_a_member_whose_beat_stands_still_is_silent_after_the_limit() -> None:
    silence = Silence(60)
    assert silence.look({"a", "b"}, {"a": 1, "b": 1}, 0) == set()
    assert silence.look({"a", "b"}, {"a": 1, "b": 2}, 60) == set()
    assert silence.look({"a", "b"}, {"a": 1, "b": 3}, 61) == {"a"}


def test_a_member_that_never_beat_is_silent_too() -> None:
    silence = Silence(60)
    silence.look({"a"}, {}, 0)
    assert silence.look({"a"}, {}, 61) == {"a"}


def test_a_beat_of_a_wrong_clock_counts_as_a_beat() -> None:
    silence = Silence(60)
    silence.look({"a"}, {"a": 5_000}, 0)
    silence.look({"a"}, {"a": 10}, 50)
    assert silence.look({"a"}, {"a": 10}, 100) == set()


def test_an_outage_of_the_store_is_forgiven() -> None:
    silence = Silence(60)
    silence.look({"a"}, {"a": 1}, 0)
    silence.forgive()
    assert silence.look({"a"}, {"a": 1}, 100) == set()
    assert silence.look({"a"}, {"a": 1}, 161) == {"a"}


def test_a_worker_that_is_gone_is_forgotten() -> None:
    silence = Silence(60)
    silence.look({"a"}, {"a": 1}, 0)
    silence.look(set(), {"a": 1}, 10)
    assert silence.look({"a"}, {"a": 1}, 100) == set()
