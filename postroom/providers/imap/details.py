"""Fetching new messages in detail, so that they can be announced.

A server may list a message and yet not hand it over: then it is asked again after the delays of
the contract (webhooks.json, messageMissing). A message whose FETCH breaks the connection is
fetched alone after the second time and given up after `POISON_TRIES`. One that takes the worker
with it is counted in the store before it is read, fetched alone after the first time and given up
after `DEATHS_ALLOWED`. So one poisonous message stops nothing for ever (invariant I13).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from postroom.clock import Clock, Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import FetchedMessage
from postroom.net.imap import ImapConnection

# webhooks.json messageMissing: 3 further tries after these delays.
MISSING_DELAYS_MS: Final = (1_000, 1_700, 2_890)
# Contract I7: a failed FETCH is repeated at least 20 times.
POISON_TRIES = 20
ALONE_AFTER_TRIES = 2
# The supervisor stops the product at the sixth death of a worker in a row: a message is to blame
# before that. A worker may die for other reasons as well, so one death is no proof.
DEATHS_ALLOWED = 5
# A batch of envelopes and headers; a slower server is as good as down.
FETCH_TIMEOUT_S = 120.0


class Poison:
    """How often the details of a message were asked for without the connection surviving, and how
    often without the worker surviving."""

    def __init__(self) -> None:
        self._tries: Counter[tuple[int, int]] = Counter()
        self._deaths: dict[tuple[int, int], int] | None = None

    @property
    def is_loaded(self) -> bool:
        return self._deaths is not None

    def load(self, deaths: Mapping[tuple[int, int], int]) -> None:
        """Take over what earlier workers left in the store."""
        self._deaths = dict(deaths)

    def leftover(self, number: int) -> list[int]:
        """The suspects of a mailbox."""
        return sorted(uid for at, uid in self._deaths or {} if at == number)

    def batches(self, number: int, uids: Sequence[int], size: int) -> list[list[int]]:
        """`uids` in batches of `size`, those under suspicion alone."""
        batches: list[list[int]] = []
        current: list[int] = []
        for uid in uids:
            if self._is_suspect(number, uid):
                batches.extend([current, [uid]] if current else [[uid]])
                current = []
                continue
            current.append(uid)
            if len(current) == size:
                batches.append(current)
                current = []
        return [*batches, current] if current else batches

    def is_given_up(self, number: int, uid: int) -> bool:
        deaths = (self._deaths or {}).get((number, uid), 0)
        return self._tries[number, uid] >= POISON_TRIES or deaths >= DEATHS_ALLOWED

    def before(self, number: int, uids: Iterable[int]) -> None:
        """Count a try, before it is made."""
        for uid in uids:
            self._tries[number, uid] += 1

    def excused(self, number: int, uids: Iterable[int]) -> None:
        """Take the count back: the try failed for a reason that lies with no message."""
        for uid in uids:
            if self._tries[number, uid] <= 1:
                del self._tries[number, uid]
            else:
                self._tries[number, uid] -= 1

    def survived(self, number: int, uids: Iterable[int]) -> None:
        """The connection is still there: the messages are harmless."""
        for uid in uids:
            self._tries.pop((number, uid), None)
            if self._deaths is not None:
                self._deaths.pop((number, uid), None)

    def _is_suspect(self, number: int, uid: int) -> bool:
        is_deadly = self._deaths is not None and (number, uid) in self._deaths
        return is_deadly or self._tries[number, uid] >= ALONE_AFTER_TRIES


async def gather(
    connection: ImapConnection, uids: Sequence[int], items: str, clock: Clock
) -> tuple[FetchedMessage, ...]:
    """The details of `uids`, in that order; what does not come is asked for three times more."""
    found: dict[int, FetchedMessage] = {}
    if uids:
        await _fetch(connection, uids, items, clock, found)
    for delay_ms in MISSING_DELAYS_MS:
        missing = [uid for uid in uids if uid not in found]
        if not missing:
            break
        await clock.sleep(delay_ms / 1000)
        await _fetch(connection, missing, items, clock, found)
    return tuple(found[uid] for uid in uids if uid in found)


async def _fetch(
    connection: ImapConnection,
    uids: Sequence[int],
    items: str,
    clock: Clock,
    found: dict[int, FetchedMessage],
) -> None:
    """One FETCH; when the server refuses the batch, each message by itself."""
    try:
        await _fetch_set(connection, uids, items, clock, found)
    except ImapRefused:
        if len(uids) == 1:
            return
        for uid in uids:
            await _fetch(connection, [uid], items, clock, found)


async def _fetch_set(
    connection: ImapConnection,
    uids: Sequence[int],
    items: str,
    clock: Clock,
    found: dict[int, FetchedMessage],
) -> None:
    wanted = set(uids)
    deadline = Deadline.after(clock, FETCH_TIMEOUT_S)
    fetched = await connection.run(Fetch(encode_set(uids), items), deadline)
    for message in fetched:
        # RFC 9051 7.5.2: flag news of any message may come in between, without the details.
        if message.uid in wanted and _has_details(message):
            found[message.uid] = message


def _has_details(message: FetchedMessage) -> bool:
    told = (message.internal_date_ms, message.size, message.envelope, message.body)
    return any(value is not None for value in told)
