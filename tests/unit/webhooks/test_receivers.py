"""Busy and dead receivers: whose turn it is."""

from __future__ import annotations

import pytest

from postroom.queue.schedule import Leased
from postroom.webhooks.receivers import PAUSE_MS, WAITING, Receivers, Visit
from tests.fakes.clock import FakeClock

URL = "https://one.example/"
OTHER = "https://two.example/"


@pytest.fixture
def receivers(clock: FakeClock) -> Receivers:
    return Receivers(clock, at_once=1)


def visiting(lane: str) -> Visit:
    return Visit(Leased(3, lane, "token", was_stalled=False))


def called(receivers: Receivers, over: Visit) -> str | None:
    """The lane that follows when a visit is over."""
    receivers.leave(over)
    parked = receivers.next_parked(over)
    return None if parked is None else parked.leased.item


def entered(receivers: Receivers, lane: str, url: str = URL) -> bool:
    return receivers.enter(visiting(lane), url) is None


def full(receivers: Receivers) -> list[Visit]:
    """Visits that fill the receiver at URL."""
    visits = [visiting(f"lane{n}") for n in range(1 + WAITING)]
    assert all(receivers.enter(visit, URL) is None for visit in visits)
    return visits


def test_an_unknown_lane_is_read_at_once(receivers: Receivers) -> None:
    full(receivers)
    assert receivers.put_off_until_ms(visiting("new")) is None


def test_a_busy_receiver_turns_away_and_another_one_does_not(
    receivers: Receivers, clock: FakeClock
) -> None:
    full(receivers)
    late = visiting("late")
    assert receivers.enter(late, URL) == clock.now_ms() + PAUSE_MS
    assert receivers.put_off_until_ms(late) == clock.now_ms() + PAUSE_MS
    assert entered(receivers, "elsewhere", OTHER)


def test_a_visit_that_is_over_makes_room_for_the_lane_that_waits_longest(
    receivers: Receivers,
) -> None:
    visits = full(receivers)
    for number in range(3):
        receivers.enter(visiting(f"late{number}"), URL)
    assert called(receivers, visits[0]) == "late0"
    assert entered(receivers, "late0")
    assert not entered(receivers, "later")
    assert called(receivers, visits[1]) == "late1"


def test_a_lane_that_came_back_by_itself_is_not_called_again(receivers: Receivers) -> None:
    visits = full(receivers)
    receivers.enter(visiting("late"), URL)
    receivers.leave(visits[0])
    assert entered(receivers, "late")
    assert receivers.next_parked(visits[0]) is None


def test_a_visit_that_was_turned_away_makes_no_room(receivers: Receivers) -> None:
    full(receivers)
    late = visiting("late")
    receivers.enter(late, URL)
    receivers.leave(late)
    assert receivers.next_parked(late) is None
    assert not entered(receivers, "later")


async def test_a_receiver_that_is_down_is_tried_by_its_finder_only(
    receivers: Receivers, clock: FakeClock
) -> None:
    finder = visiting("finder")
    receivers.enter(finder, URL)
    receivers.down("finder", URL, clock.now_ms() + 3_600_000)
    receivers.leave(finder)
    other = visiting("other")
    assert receivers.enter(other, URL) == clock.now_ms() + PAUSE_MS
    assert receivers.put_off_until_ms(other) == clock.now_ms() + PAUSE_MS
    assert receivers.put_off_until_ms(visiting("finder")) is None
    assert receivers.next_parked(finder) is None
    await clock.advance(PAUSE_MS / 1000)
    assert receivers.put_off_until_ms(other) is None


def test_a_receiver_that_answers_again_is_open_to_all(
    receivers: Receivers, clock: FakeClock
) -> None:
    receivers.down("finder", URL, clock.now_ms() + 5_000)
    assert not entered(receivers, "other")
    receivers.up(URL)
    assert entered(receivers, "other")
