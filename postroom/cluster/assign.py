"""Which worker gets which account: a pure decision (architecture, decision 2).

Accounts without a former owner go round robin to the least loaded, at most ceil(total / workers)
each (contract U2); "workers" may count some that are still starting, whose share then waits for
them. Accounts of a lost worker go by rendezvous hashing, so that every coordinator decides the
same and the survivors' own accounts stay where they are; a full worker passes to the next in rank.
When a worker joins, a few accounts at a time move from the fullest to it.
"""

from __future__ import annotations

import hashlib
import heapq
import math
from collections.abc import Iterable, Mapping, Sequence

# A difference of one is as even as it gets; moving an account costs a reconnect.
_WORTH_A_MOVE = 2


def plan(
    fresh: Iterable[str], orphans: Iterable[str], loads: Mapping[str, int], expected: int = 1
) -> dict[str, str]:
    """A worker for each account; `loads` counts what each live worker holds already.

    `fresh` are accounts nobody holds, `orphans` those of the lost; `expected` is how many workers
    there will be. Accounts that no live worker has room for are left out.
    """
    counts = dict(loads)
    if not counts:
        return {}
    newcomers, lost = sorted(fresh), sorted(orphans)
    total = sum(counts.values()) + len(newcomers) + len(lost)
    most = math.ceil(total / max(len(counts), expected))
    chosen = _by_rendezvous(lost, counts, most)
    return chosen | _by_load(newcomers, counts, most)


def rank(account: str, workers: Iterable[str]) -> list[str]:
    """The workers in the account's own order of preference (rendezvous hashing)."""
    return sorted(workers, key=lambda worker: _weight(account, worker), reverse=True)


def moves(holds: Mapping[str, str], workers: Iterable[str], limit: int) -> dict[str, str]:
    """At most `limit` accounts to move, each from a worker above its share to one below it."""
    held: dict[str, list[str]] = {worker: [] for worker in workers}
    for account, worker in sorted(holds.items()):
        if worker in held:
            held[worker].append(account)
    chosen: dict[str, str] = {}
    while held and len(chosen) < limit:
        fullest = max(held, key=lambda worker: len(held[worker]))
        emptiest = min(held, key=lambda worker: len(held[worker]))
        if len(held[fullest]) - len(held[emptiest]) < _WORTH_A_MOVE:
            break
        account = held[fullest].pop()
        held[emptiest].append(account)
        chosen[account] = emptiest
    return chosen


def _by_rendezvous(accounts: Sequence[str], counts: dict[str, int], most: int) -> dict[str, str]:
    chosen = {}
    for account in accounts:
        worker = next((one for one in rank(account, counts) if counts[one] < most), None)
        if worker is not None:
            counts[worker] += 1
            chosen[account] = worker
    return chosen


def _by_load(accounts: Sequence[str], counts: Mapping[str, int], most: int) -> dict[str, str]:
    heap = [(count, worker) for worker, count in counts.items()]
    heapq.heapify(heap)
    chosen = {}
    for account in accounts:
        count, worker = heap[0]
        if count >= most:
            break
        heapq.heapreplace(heap, (count + 1, worker))
        chosen[account] = worker
    return chosen


def _weight(account: str, worker: str) -> bytes:
    # The separator cannot be in a worker id, so no two pairs give the same text.
    return hashlib.blake2b(f"{worker} {account}".encode(), digest_size=8).digest()
