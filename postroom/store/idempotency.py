"""Idempotency keys of submissions (contract F18): at most one accepted submission a key (I16).

A key lives in its account's bucket of the UTC day in which it was first used and is looked up in
two buckets, today's and yesterday's: it is remembered for 24 to 48 hours. The first caller claims
it for as long as its own deadline, others wait; the answer is stored by the script that queues the
message (`outbox_put`), so there is never one without the other.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from postroom.clock import Clock, Deadline
from postroom.store.connection import Store
from postroom.store.scripts import Script

DAY_MS = 86_400_000
KEPT_S = 2 * 86_400
# A claim outlives its caller's deadline by this much; then its process is taken for dead.
CLAIM_GRACE_MS = 5_000
# How often a waiting repeat looks whether the first one is done.
LOOK_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Claim:
    """A claimed key; `outbox_put` or `free` ends it."""

    key: str
    token: str
    bucket: str


class IdempotencyKeys:
    """The keys of all accounts."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def claim(self, account: str, key: str, deadline: Deadline) -> Claim | bytes:
        """The claim of a new key, or the stored answer; waits while the first use runs.

        Raises DeadlineExceeded when the first use takes too long.
        """
        while True:
            token = secrets.token_hex(8)
            now = self._clock.now_ms()
            until = now + round(deadline.remaining_s() * 1000) + CLAIM_GRACE_MS
            day = now // DAY_MS
            buckets = [self._bucket(account, day), self._bucket(account, day - 1)]
            reply = await self._store.run(
                Script.IDEMPOTENCY_CLAIM, buckets, [key, token, now, until, KEPT_S]
            )
            if reply[0] == b"stored":
                answer: bytes = reply[1]
                return answer
            if reply[0] == b"claimed":
                return Claim(key, token, buckets[0])
            await self._clock.sleep(LOOK_EVERY_S)

    async def free(self, claim: Claim) -> None:
        """Forget a claim whose submission failed, so that it may be tried again."""
        await self._store.run(Script.IDEMPOTENCY_FREE, [claim.bucket], [claim.key, claim.token])

    def _bucket(self, account: str, day: int) -> str:
        return self._store.keys.account(account, f"idempotency:{day}")
