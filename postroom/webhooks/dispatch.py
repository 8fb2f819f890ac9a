"""From the event log to the lanes: who gets each event is decided here, once.

Woken by the scripts that log events, and looking by itself now and then. All that is decided about
a run of events is written by one script (`store.lanes.Lanes.push`); a crash before it repeats the
run, a crash after it has done it.
"""

from __future__ import annotations

from postroom.clock import Clock
from postroom.errors import StoreUnavailable
from postroom.events.log import decode_payload
from postroom.logs import get_logger
from postroom.model.account import Account
from postroom.model.event import Event
from postroom.store.accounts import Accounts
from postroom.store.keys import PARTITIONS
from postroom.store.lanes import Lanes, LoggedEvent, Push
from postroom.store.settings import Settings
from postroom.store.wake import Wake, events_topic
from postroom.webhooks.rules import current_rules, registration
from postroom.webhooks.targets import WebhookRules, destinations

# A lost wake-up delays an event by this much at most.
POLL_S = 5.0
# After a failure: long enough not to spin, short enough not to be felt.
PAUSE_S = 1.0

log = get_logger("webhooks")


class Dispatcher:
    """Moves the events of all partitions to their lanes."""

    def __init__(
        self, lanes: Lanes, accounts: Accounts, settings: Settings, wake: Wake, clock: Clock
    ) -> None:
        self._lanes = lanes
        self._accounts = accounts
        self._settings = settings
        self._wake = wake
        self._clock = clock

    async def run(self) -> None:
        """Dispatch for ever."""
        partitions = {events_topic(partition): partition for partition in range(PARTITIONS)}
        pending = set(partitions.values())
        while True:
            failed = {one for one in pending if not await self._try(one)}
            if failed:
                await self._clock.sleep(PAUSE_S)
            woken = await self._wake.wait_any(list(partitions), 0 if failed else POLL_S)
            due = {partitions[topic] for topic in woken} | failed
            pending = due or set(partitions.values())

    async def dispatch(self, partition: int) -> int:
        """Dispatch what one partition's log holds by now; how many events that were."""
        count = 0
        while True:
            with_payloads = (await current_rules(self._settings)).is_inbox_only
            run = await self._lanes.next_run(partition, with_payloads=with_payloads)
            if not run.events:
                return count
            # Settings changed before an event was logged must hold for it: read them after it.
            self._settings.forget()
            rules = await current_rules(self._settings)
            if rules.is_inbox_only and not with_payloads:
                continue
            accounts = {
                name: await registration(self._accounts, name)
                for name in ({event.account for event in run.events} if rules.is_enabled else ())
            }
            pushes = [push for event in run.events for push in _pushes(event, accounts, rules)]
            if await self._lanes.push(run, pushes):
                count += len(run.events)

    async def _try(self, partition: int) -> bool:
        try:
            await self.dispatch(partition)
        except StoreUnavailable:
            log.warn("dispatch.waiting", partition=partition)
            return False
        except Exception:
            log.exception("dispatch.failed", partition=partition)
            return False
        return True


def _pushes(
    logged: LoggedEvent, accounts: dict[str, Account | None], rules: WebhookRules
) -> list[Push]:
    found = destinations(
        logged.event, accounts.get(logged.account), rules, lambda: _event(logged.payload)
    )
    return [Push(logged.log_id, logged.account, destination) for destination in found]


def _event(payload: bytes) -> Event | None:
    # A damaged entry goes its way; the delivery reports it.
    try:
        return decode_payload(payload)
    except ValueError:
        return None
