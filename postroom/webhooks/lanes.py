"""Serving one leased lane: its events in order, until one fails or the lane is empty.

Order per account and destination holds because only the holder of the lease delivers and only a
delivered (or dead) head is taken off. A failing head sends its lane to sleep and no other one. An
event may be delivered twice when a worker dies between the reply and the taking off; it has the
same id then.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

from postroom.backoff import DELIVERY
from postroom.clock import Clock, iso
from postroom.errors import PostroomError, StoreUnavailable
from postroom.events.log import decode_payload
from postroom.logs import get_logger
from postroom.model.event import Event
from postroom.queue.schedule import Leased, Schedule
from postroom.store.accounts import Accounts
from postroom.store.lanes import LaneHead, Lanes, Waiting
from postroom.store.settings import Settings
from postroom.webhooks.deliver import MAX_ATTEMPTS, Courier, Outcome
from postroom.webhooks.receivers import Receivers, Visit
from postroom.webhooks.rules import current_rules, registration
from postroom.webhooks.sign import Delivery, origin
from postroom.webhooks.targets import Target, WebhookRules, target

# Events delivered before a lane gives its place to the others that wait.
MAX_STREAK = 100
# How long a cancelled worker may take to give its lane back; else the lease runs out.
GIVE_BACK_S = 1.0
# Between two tries to give a lane back while the store is away.
PAUSE_S = 1.0

log = get_logger("webhooks")


@dataclass(frozen=True, slots=True)
class LaneServices:
    """What serving a lane needs."""

    lanes: Lanes
    schedule: Schedule
    accounts: Accounts
    settings: Settings
    courier: Courier
    receivers: Receivers
    clock: Clock


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One event of a lane, about to be delivered."""

    leased: Leased
    event: Event
    log_id: str
    attempts_made: int
    target: Target
    rules: WebhookRules


class LaneServer:
    """Serves leased lanes."""

    def __init__(self, services: LaneServices) -> None:
        self._use = services
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Let each lane end with the event that is being delivered."""
        self._stopping.set()

    async def serve(self, leased: Leased) -> None:
        """Deliver the lane's events; afterwards the lane is gone, asleep, or due again.

        Then lanes that waited for the same receiver follow, each in its turn.
        """
        following: Leased | None = leased
        while following is not None:
            visit = Visit(following)
            await self._visit(visit)
            following = await self._next(visit)

    async def _visit(self, visit: Visit) -> None:
        until_ms = self._use.receivers.put_off_until_ms(visit)
        if until_ms is not None:
            await self._use.schedule.release(visit.leased, until_ms)
            return
        try:
            if await self._deliver(visit):
                await self._give_back(visit.leased)
        except StoreUnavailable:
            log.warn("lane.waiting", lane=visit.lane)
            await self._give_back_later(visit.leased)
        except PostroomError:
            raise
        except Exception:  # a job loop: one lane's fault is not the others'
            log.exception("lane.failed", lane=visit.lane)
            await self._crashed(visit.leased)
        except asyncio.CancelledError:
            with suppress(PostroomError, TimeoutError):
                async with asyncio.timeout(GIVE_BACK_S):
                    await self._give_back(visit.leased)
            raise
        finally:
            self._use.receivers.leave(visit)

    async def _next(self, visit: Visit) -> Leased | None:
        """A lane that waited for the place that this visit leaves, leased again."""
        while not self._stopping.is_set():
            parked = self._use.receivers.next_parked(visit)
            if parked is None:
                return None
            if await self._use.lanes.take(parked.leased, parked.until_ms):
                return parked.leased
        return None

    async def _crashed(self, leased: Leased) -> None:
        # Counted like a failed attempt, so that no event crashes its lane for ever (I13).
        due_ms = self._use.clock.now_ms() + DELIVERY.delay_ms(MAX_ATTEMPTS)
        await self._use.lanes.retry(leased, due_ms)

    async def _give_back(self, leased: Leased) -> None:
        await self._use.schedule.release(leased, self._use.clock.now_ms())

    async def _give_back_later(self, leased: Leased) -> None:
        """The store was away: its lanes go on when it is back, not when their leases are over."""
        clock = self._use.clock
        over_s = clock.steady_s() + self._use.schedule.lease_ms / 1000
        while clock.steady_s() < over_s and not self._stopping.is_set():
            await clock.sleep(PAUSE_S)
            with suppress(StoreUnavailable):
                await self._give_back(leased)
                return

    async def _deliver(self, visit: Visit) -> bool:
        """True when the lane is still ours and has more to deliver."""
        streak = 0
        while streak < MAX_STREAK and not self._stopping.is_set():
            head = await self._use.lanes.head(visit.leased)
            if head is None:
                return False
            for place, waiting in enumerate(head.events):
                attempts = head.attempts if place == 0 else 0
                if not await self._step(visit, head, waiting, attempts):
                    return False
                if self._stopping.is_set():
                    return True
            streak += len(head.events)
        return True

    async def _step(self, visit: Visit, head: LaneHead, waiting: Waiting, attempts: int) -> bool:
        """Do the next event; True when it is done with and the lane is still ours."""
        leased = visit.leased
        event = _event(waiting)
        if event is None or attempts >= MAX_ATTEMPTS:
            log.error("webhook.lost", account=head.account, log_id=waiting.log_id)
            return await self._use.lanes.pop(leased, head.account, waiting.log_id)
        account = await registration(self._use.accounts, head.account)
        rules = await current_rules(self._use.settings)
        where = target(head.destination, event.event, account, rules)
        if where is None:
            # The kept settings may be older than the event: nothing is dropped on their word.
            self._use.settings.forget()
            rules = await current_rules(self._use.settings)
            where = target(head.destination, event.event, account, rules)
        if where is None:
            return await self._use.lanes.pop(leased, head.account, waiting.log_id)
        until_ms = self._use.receivers.enter(visit, where.url)
        if until_ms is not None:
            await self._use.schedule.release(leased, until_ms)
            return False
        return await self._attempt(_Attempt(leased, event, waiting.log_id, attempts, where, rules))

    async def _attempt(self, attempt: _Attempt) -> bool:
        async with self._use.receivers.turn(attempt.target.url):
            # The place may have been long in coming: the attempt begins with a whole lease.
            if not await self._use.schedule.renew(attempt.leased):
                return False
            outcome = await self._use.courier.post(
                attempt.event, attempt.target, attempt.rules, self._described(attempt)
            )
        if outcome.is_success:
            await self._succeeded(attempt)
        elif outcome.is_final or attempt.attempts_made + 1 >= MAX_ATTEMPTS:
            await self._died(attempt, outcome)
        else:
            await self._failed(attempt, outcome)
            return False
        return await self._use.lanes.pop(attempt.leased, attempt.event.account, attempt.log_id)

    def _described(self, attempt: _Attempt) -> Delivery:
        logged_ms = int(attempt.log_id.partition("-")[0])
        return Delivery(
            event_id=attempt.event.event_id,
            job_id=f"{attempt.leased.item}-{attempt.log_id}",
            attempts_made=attempt.attempts_made,
            waited_s=max(0, self._use.clock.now_ms() - logged_ms) // 1000,
        )

    async def _succeeded(self, attempt: _Attempt) -> None:
        self._use.receivers.up(attempt.target.url)
        log.debug("webhook.delivered", **_named(attempt))
        if attempt.target.is_global and attempt.rules.has_error_flag:
            await self._use.settings.put({"webhookErrorFlag": None})

    async def _failed(self, attempt: _Attempt, outcome: Outcome) -> None:
        due_ms = self._use.clock.now_ms() + DELIVERY.delay_ms(attempt.attempts_made + 1)
        if outcome.is_down:
            self._use.receivers.down(attempt.leased.item, attempt.target.url, due_ms)
        log.warn("webhook.failed", **_named(attempt), error=outcome.error, code=outcome.code)
        await self._use.lanes.retry(attempt.leased, due_ms)

    async def _died(self, attempt: _Attempt, outcome: Outcome) -> None:
        log.error("webhook.dead", **_named(attempt), error=outcome.error, code=outcome.code)
        if attempt.target.is_global:
            flag = {
                "event": str(attempt.event.event),
                "message": outcome.error,
                "code": outcome.code,
                "time": iso(self._use.clock.now_ms()),
                "url": origin(attempt.target.url),
            }
            await self._use.settings.put({"webhookErrorFlag": flag})


def _event(waiting: Waiting) -> Event | None:
    try:
        return decode_payload(waiting.payload)
    except ValueError:
        return None


def _named(attempt: _Attempt) -> dict[str, object]:
    return {
        "account": attempt.event.account,
        "type": str(attempt.event.event),
        "event_id": attempt.event.event_id,
        "target": origin(attempt.target.url),
        "attempt": attempt.attempts_made + 1,
    }
