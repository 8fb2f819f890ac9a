"""Who holds an account: a worker and the epoch of its hold (architecture, decision 2).

The epoch rises with every change of ownership and is never used twice in a partition, so the
token of a former hold never equals the token of a later one, even of the same worker.
"""

from __future__ import annotations

from postroom.model.value import Value


class Owner(Value, frozen=True, kw_only=True):
    """One hold of one account by one worker."""

    worker: str
    epoch: int

    @property
    def token(self) -> str:
        """What the store keeps and the fenced scripts compare: `worker:epoch`."""
        return f"{self.worker}:{self.epoch}"


def parse_owner(token: str) -> Owner:
    """The Owner of a `worker:epoch` token; ValueError for anything else."""
    worker, separator, epoch = token.rpartition(":")
    if not separator or not worker:
        raise ValueError("not an owner token")
    return Owner(worker=worker, epoch=int(epoch))
