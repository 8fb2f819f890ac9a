"""What changed between the recorded messages and the server's list: set arithmetic, no I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FlagStep:
    """A message whose mask went from `before` to `after`."""

    uid: int
    before: int
    after: int


@dataclass(frozen=True, slots=True)
class Difference:
    """Everything sorted by UID."""

    added: tuple[int, ...] = ()
    removed: tuple[int, ...] = ()
    changed: tuple[FlagStep, ...] = ()

    @property
    def is_empty(self) -> bool:
        return not (self.added or self.removed or self.changed)

    @property
    def counts(self) -> Counter[str]:
        """How many messages differ, by how."""
        lists = {"added": self.added, "removed": self.removed, "changed": self.changed}
        return Counter({name: len(found) for name, found in lists.items() if found})


def compare(known: Mapping[int, int], listed: Mapping[int, int]) -> Difference:
    """The difference when `listed` is the whole mailbox: what is not in it is removed."""
    part = compare_part(known, listed)
    return Difference(part.added, tuple(sorted(known.keys() - listed.keys())), part.changed)


def compare_part(known: Mapping[int, int], listed: Mapping[int, int]) -> Difference:
    """The difference when `listed` is only what the server says changed: nothing is removed."""
    # Two frequent cases without a look at each message: a first sync, and nothing at all.
    if not known:
        return Difference(added=tuple(sorted(listed)))
    if known == listed:
        return Difference()
    different = sorted(listed.items() - known.items())
    return Difference(
        added=tuple(uid for uid, _ in different if uid not in known),
        changed=tuple(FlagStep(uid, known[uid], mask) for uid, mask in different if uid in known),
    )
