"""The supervisor's part in the cluster: it assigns accounts while its node holds the lock.

It also buries dead workers: takes them off the list, so that their accounts move at once, and ends
their leases, so that what they were doing is due at once instead of when the lease runs out.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from postroom.clock import Clock
from postroom.cluster.coordinator import Coordinator
from postroom.cluster.members import Members
from postroom.cluster.owners import Owners
from postroom.errors import StoreUnavailable
from postroom.queue.schedule import QUEUES, Schedule
from postroom.store.connection import Store
from postroom.store.wake import ASSIGN_TOPIC, Wake, wake


async def coordinate(store: Store, clock: Clock, node: str, expected_workers: int) -> None:
    """Assign accounts for ever, whenever this node is the one that does (decision 2).

    `expected_workers` account workers start together with this process.
    """
    ears = Wake(store, clock)
    members = Members(store, clock)

    async def bury_gone(worker: str) -> None:
        await end_leases(store, clock, worker)

    coordinator = Coordinator(
        store,
        members,
        Owners(store, members),
        ears,
        clock,
        node,
        expected_workers=expected_workers,
        on_gone=bury_gone,
    )
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(ears.run())
        tasks.create_task(coordinator.run())


async def beats_of(store: Store, clock: Clock) -> dict[str, int]:
    """The last beat of every member. Raises StoreUnavailable."""
    return {member.id: member.beat_ms for member in await Members(store, clock).list()}


async def end_leases(store: Store, clock: Clock, worker: str) -> None:
    """Make everything that a dead worker had leased due now. Raises StoreUnavailable."""
    for queue in QUEUES:
        await Schedule(store, clock, queue, lease_ms=0).expire(worker)


async def bury(store: Store, clock: Clock, worker: str) -> None:
    """Give a dead worker's accounts and leased work to the living; later, if the store is away."""
    with suppress(StoreUnavailable):
        await Members(store, clock).leave(worker)
        await end_leases(store, clock, worker)
        await wake(store, ASSIGN_TOPIC)


async def bury_all(store: Store, clock: Clock) -> None:
    """Bury every member: whoever is on the list of a store that is ours alone died with it."""
    for member in await Members(store, clock).list():
        await bury(store, clock, member.id)
