"""Wake-ups between processes: "there is something to do", never what (floor F1).

A script or a process publishes to a topic; a `Wake` in another process sets the asyncio event of
that topic. A wake-up may be lost (the server restarts, the connection drops), so every listener
also looks by itself now and then: `wait` ends after `at_most_s` in any case (invariant I14).
No blocking command is ever sent, so one connection serves any number of partitions.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict

from postroom.clock import Clock
from postroom.errors import StoreUnavailable
from postroom.store.connection import Store

RECONNECT_DELAY_S = 0.5


def events_topic(partition: int) -> str:
    """The event log of a partition grew."""
    return f"events:{partition:02d}"


def queue_topic(queue: str, partition: int) -> str:
    """A queue of a partition got an item that is due now or earlier than before."""
    return f"queue:{queue}:{partition:02d}"


def worker_topic(worker: str) -> str:
    """The accounts assigned to a worker changed."""
    return f"worker:{worker}"


# An account was registered, changed or deleted; workers come or went: assign anew.
ASSIGN_TOPIC = "assign"
# A runtime setting changed.
SETTINGS_TOPIC = "settings"


def channel(store: Store, topic: str) -> str:
    """The channel of a topic, for scripts that publish themselves."""
    return f"{store.keys.prefix}wake:{topic}"


class Wake:
    """One process's ears: run `run()` in a task, wait with `wait`."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._events: dict[str, asyncio.Event] = defaultdict(asyncio.Event)

    async def run(self) -> None:
        """Listen for ever, across reconnects; after each reconnect every topic is woken."""
        prefix = channel(self._store, "")
        while True:
            try:
                async for name, _ in self._store.listen(prefix + "*"):
                    self._set(name.removeprefix(prefix))
            except StoreUnavailable:
                await self._clock.sleep(RECONNECT_DELAY_S)
            for event in self._events.values():
                event.set()

    def _set(self, topic: str) -> None:
        if topic in self._events:
            self._events[topic].set()

    async def wait(self, topic: str, at_most_s: float) -> bool:
        """Wait until the topic is woken, or `at_most_s`; True when it was woken.

        A wake-up that came since the last `wait` on the topic returns at once. One waiter a topic.
        """
        event = self._events[topic]
        try:
            async with asyncio.timeout(at_most_s):
                await event.wait()
        except TimeoutError:
            return False
        event.clear()
        return True

    async def wait_any(self, topics: list[str], at_most_s: float) -> list[str]:
        """Like `wait` for several topics: those woken, possibly none."""
        events = {topic: self._events[topic] for topic in topics}
        if not any(event.is_set() for event in events.values()):
            tasks = [asyncio.ensure_future(event.wait()) for event in events.values()]
            try:
                await asyncio.wait(tasks, timeout=at_most_s, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
        woken = [topic for topic, event in events.items() if event.is_set()]
        for topic in woken:
            events[topic].clear()
        return woken


async def wake(store: Store, topic: str) -> None:
    """Wake the topic's listeners in every process."""
    await store.command("PUBLISH", channel(store, topic), "1")
