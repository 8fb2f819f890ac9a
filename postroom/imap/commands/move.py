"""MOVE (RFC 6851), and what stands in for it on servers that lack it.

Without MOVE: copy, mark the originals as deleted, and remove exactly those (UID EXPUNGE, RFC 4315).
Without UIDPLUS a plain EXPUNGE would also remove what others marked, so then the originals stay
marked and are removed with the next expunge of whoever does one, unless nothing else is marked.
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, Protocol

from postroom.imap.commands.copy import Copy, copying
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.expunge import Expunge
from postroom.imap.commands.search import Search
from postroom.imap.commands.store import Store
from postroom.imap.encode import Offered
from postroom.imap.sets import parse_set
from postroom.imap.types import Copied


@dataclass(frozen=True, slots=True)
class Move(Command[Copied]):
    """Move messages of the selected mailbox into another; needs the MOVE capability."""

    uids: str
    path: str

    def start(self, offered: Offered) -> Exchange[Copied]:
        return copying("UID MOVE", self.uids, self.path, offered)


class Running(Protocol):
    """Something that runs commands with a deadline of its own choice."""

    def __call__(self, command: Command[Any], /) -> Awaitable[Any]: ...


async def move(run: Running, offered: Offered, uids: str, path: str) -> Copied:
    """Move by whatever the server offers."""
    if offered.has("MOVE"):
        moved: Copied = await run(Move(uids, path))
        return moved
    copied: Copied = await run(Copy(uids, path))
    await run(Store(uids, ("\\Deleted",), "add", silent=True))
    if offered.has("UIDPLUS"):
        await run(Expunge(uids))
    elif await _only_these_are_marked(run, uids):
        await run(Expunge())
    return copied


async def _only_these_are_marked(run: Running, uids: str) -> bool:
    marked = await run(Search(("DELETED",)))
    ours = parse_set(uids)
    return all(uid in ours for uid in marked)
