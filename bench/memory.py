"""Memory and CPU of the product's processes, by kind.

PSS counts a page that n processes share as 1/n.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.integration.product import Product

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class Memory:
    """The processes of one kind together, in KiB."""

    processes: int = 0
    pss: int = 0
    rss: int = 0


async def memory_by_kind(product: Product) -> dict[str, Memory]:
    """The product's process tree; kinds as registered, or `supervisor`, `store`, `forkserver`..."""
    kinds: defaultdict[str, Memory] = defaultdict(Memory)
    for pid, kind in (await _processes(product)).items():
        try:
            rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue
        sizes = {line.split(":")[0]: line.split()[1] for line in rollup.splitlines()[1:]}
        one = kinds[kind]
        one.processes += 1
        one.pss += int(sizes["Pss"])
        one.rss += int(sizes["Rss"])
    return kinds


async def cpu_by_kind(product: Product) -> dict[str, float]:
    """Seconds of CPU that the living processes have used so far, by kind."""
    kinds: defaultdict[str, float] = defaultdict(float)
    for pid, kind in (await _processes(product)).items():
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        except OSError:
            continue
        kinds[kind] += (int(fields[11]) + int(fields[12])) / _TICKS
    return kinds


def total(kinds: Mapping[str, Memory]) -> Memory:
    """All kinds together; a sum of RSS counts shared pages many times."""
    memories = kinds.values()
    return Memory(
        sum(one.processes for one in memories),
        sum(one.pss for one in memories),
        sum(one.rss for one in memories),
    )


async def _processes(product: Product) -> dict[int, str]:
    """Process id -> kind of the product's tree."""
    assert product.process is not None
    kinds = {int(member["pid"]): str(member["kind"]) for member in await product.members()}
    kinds[product.process.pid] = "supervisor"
    found = {}
    for pid in _tree(product.process.pid):
        try:
            found[pid] = kinds.get(pid) or _kind(Path(f"/proc/{pid}/cmdline").read_bytes())
        except OSError:
            continue
    return found


def _kind(command: bytes) -> str:
    for word, kind in ((b"valkey", "store"), (b"resource_tracker", "resource_tracker")):
        if word in command:
            return kind
    return "forkserver" if b"forkserver" in command else "other"


def _tree(root: int) -> set[int]:
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text()
            except OSError:
                continue
            parents[int(entry.name)] = int(stat.rsplit(")", 1)[1].split()[1])
    tree, grew = {root}, True
    while grew:
        more = {pid for pid, parent in parents.items() if parent in tree} - tree
        tree |= more
        grew = bool(more)
    return tree
