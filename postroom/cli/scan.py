"""`postroom scan`: how many keys of each shape the store holds, as CSV (contract config.md 4)."""

from __future__ import annotations

import asyncio
import csv
import re
import sys
from collections import Counter
from collections.abc import Iterable

from postroom.cli.command import Call, Command
from postroom.cli.opened import opened
from postroom.clock import SystemClock
from postroom.store.connection import Store
from postroom.store.keys import SHAPES

# Keys asked for at once: a few hundred keep the server free for others.
SCAN_COUNT = 500
_PLACEHOLDER = re.compile(r"<[^>]+>")
OTHER = "(other)"


def scan(call: Call) -> int:
    """Prints KEY,COUNT lines, most frequent first."""
    counts = asyncio.run(_count(call))
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(("KEY", "COUNT"))
    writer.writerows(counts.most_common())
    return 0


async def _count(call: Call) -> Counter[str]:
    counts: Counter[str] = Counter()
    async with opened(call.options, SystemClock()) as store:
        cursor = "0"
        while True:
            cursor, keys = await _page(store, cursor)
            counts.update(shapes_of(keys, store.keys.prefix))
            call.tell(f"{counts.total()} keys")
            if cursor == "0":
                return counts


async def _page(store: Store, cursor: str) -> tuple[str, list[str]]:
    reply = await store.command("SCAN", cursor, "COUNT", SCAN_COUNT)
    next_cursor = reply[0].decode() if isinstance(reply[0], bytes) else str(reply[0])
    return next_cursor, [key.decode(errors="replace") for key in reply[1]]


def shapes_of(keys: Iterable[str], prefix: str) -> list[str]:
    """The declared shape of each key that carries the prefix."""
    return [_shape(key.removeprefix(prefix)) for key in keys if key.startswith(prefix)]


def _shape(key: str) -> str:
    for shape in SHAPES:
        if _pattern(shape.name).fullmatch(key):
            return shape.name
    return OTHER


def _pattern(name: str) -> re.Pattern[str]:
    parts = [re.escape(part) for part in _PLACEHOLDER.split(name)]
    text = "(?:.+)".join(parts).replace(re.escape("{pNN}"), r"\{p\d\d\}")
    return re.compile(text, re.DOTALL)


COMMANDS = (Command("scan", "Count the store's keys by shape", scan),)
