"""Where things are: from ids and special-use flags to mailboxes, and from UIDs back to ids.

The folder numbers of ids (contract A2) and the special uses that sync recorded are in the store;
the server is asked only for a special use that sync has not recorded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

import msgspec

from postroom.clock import Clock, Deadline, iso
from postroom.errors import MailboxNotFound, MessageNotFound
from postroom.imap.commands.status import Status
from postroom.imap.errors import ImapRefused
from postroom.imap.types import ListedMailbox
from postroom.model.account import Account
from postroom.model.ids import MessageKey, message_id, parse_message_id
from postroom.model.mailbox import Mailbox, MailboxCursor, MailboxList
from postroom.providers.imap.lanes import Lane
from postroom.providers.imap.listing import arrange, canonical, find, read_tree
from postroom.providers.imap.sessions import CommandConnections, Session

# A special use moves when a person renames mailboxes: seldom, and sync notices.
_USES_KEPT_S = 30.0
# Folder numbers never change; this bounds the memory of an account with very many mailboxes.
_MOST_NUMBERS = 1_000
_STATUS_ITEMS = ("MESSAGES", "UNSEEN")


class NumberedMailboxes(Protocol):
    """What sync recorded of the mailboxes (`store.mailboxes.Mailboxes`)."""

    async def cursors(self, account: str, /) -> dict[str, MailboxCursor]: ...

    async def number_for(self, account: str, uid_validity: int, path: str, /) -> int: ...

    async def resolve(self, account: str, number: int, /) -> tuple[int, str] | None: ...


@dataclass(frozen=True, slots=True)
class Place:
    """A message: its key, and the mailbox that the key's number means."""

    key: MessageKey
    path: str
    uid_validity: int


class Places:
    """The mailboxes of one account."""

    def __init__(
        self,
        account: Account,
        mailboxes: NumberedMailboxes,
        connections: CommandConnections,
        clock: Clock,
    ) -> None:
        self._account = account
        self._mailboxes = mailboxes
        self._connections = connections
        self._clock = clock
        self._numbers: dict[tuple[str, int], int] = {}
        self._uses: dict[str, str | None] = {}
        self._uses_until_s = 0.0

    async def list(self, deadline: Deadline, *, counters: bool) -> MailboxList:
        """The mailboxes as the server lists them now (contract E)."""
        async with self._connections.use(deadline) as session:
            status = _STATUS_ITEMS if counters else ()
            listed = await read_tree(session.connection, deadline, status)
            if counters and not session.has("LIST-STATUS"):
                listed = await _counted(session, listed, deadline)
        return MailboxList(mailboxes=arrange(listed, self._account.imap))

    async def verified(
        self, listed: MailboxList, verified_ms: Callable[[MailboxCursor], int]
    ) -> MailboxList:
        """The list with the time at which each watched mailbox was last verified."""
        cursors = await self._mailboxes.cursors(self._account.account)
        known = {path: verified_ms(cursor) for path, cursor in cursors.items()}
        return MailboxList(
            mailboxes=tuple(
                msgspec.structs.replace(one, last_verified=iso(known[one.path]))
                if known.get(one.path)
                else one
                for one in listed.mailboxes
            )
        )

    async def locate(self, message: str) -> Place:
        """Where a message id points. Raises MessageNotFound when its number means nothing."""
        return await self.locate_key(parse_message_id(message))

    async def locate_key(self, key: MessageKey) -> Place:
        """Where a message key points."""
        found = await self._mailboxes.resolve(self._account.account, key.number)
        if found is None:
            raise MessageNotFound("The message was not found")
        return Place(key, path=found[1], uid_validity=found[0])

    @asynccontextmanager
    async def at(
        self,
        place: Place,
        deadline: Deadline,
        *,
        is_followup: bool = False,
        lane: Lane = Lane.INTERACTIVE,
    ) -> AsyncIterator[Session]:
        """A connection on the message's mailbox; MessageNotFound when that is another by now."""
        async with AsyncExitStack() as leaving:
            try:
                session = await leaving.enter_async_context(
                    self._connections.use(deadline, place.path, is_followup=is_followup, lane=lane)
                )
            except MailboxNotFound as error:
                raise MessageNotFound("The message was not found") from error
            # A changed UIDVALIDITY means that the UID names another message (contract A2).
            if session.uid_validity != place.uid_validity:
                raise MessageNotFound("The message was not found")
            yield session

    async def number(self, path: str, uid_validity: int) -> int:
        """The folder number of a mailbox (contract A2)."""
        known = self._numbers.get((path, uid_validity))
        if known is not None:
            return known
        number = await self._mailboxes.number_for(self._account.account, uid_validity, path)
        if len(self._numbers) >= _MOST_NUMBERS:
            self._numbers.clear()
        self._numbers[(path, uid_validity)] = number
        return number

    async def id_of(self, path: str, uid_validity: int | None, uid: int | None) -> str | None:
        """The id of a message that the server told the new UID of (contract A9)."""
        if not uid_validity or not uid:
            return None
        return message_id(MessageKey(await self.number(path, uid_validity), uid))

    async def path_of(self, wanted: str, deadline: Deadline) -> str:
        """The mailbox that a path or a special-use flag names (contract C1)."""
        if not wanted.startswith("\\"):
            return canonical(wanted)
        found = await self.with_use(wanted, deadline)
        if found is None:
            raise MailboxNotFound(f"The account has no {wanted[:32]} mailbox")
        return found

    async def with_use(self, use: str, deadline: Deadline) -> str | None:
        """The path of the mailbox with a special use, if there is one."""
        uses = await self._known_uses()
        known = next((path for path, has in uses.items() if (has or "").lower() == use.lower()), "")
        if known or use.lower() == "\\inbox":
            return known or "INBOX"
        listed: Mailbox | None = find((await self.list(deadline, counters=False)).mailboxes, use)
        return listed.path if listed is not None else None

    async def use_of(self, path: str) -> str | None:
        """The special use of a mailbox as sync recorded it."""
        if path == "INBOX":
            return "\\Inbox"
        return (await self._known_uses()).get(path)

    async def _known_uses(self) -> dict[str, str | None]:
        now = self._clock.steady_s()
        if now >= self._uses_until_s or not self._uses:
            cursors = await self._mailboxes.cursors(self._account.account)
            self._uses = {path: cursor.special_use for path, cursor in cursors.items()}
            self._uses_until_s = now + _USES_KEPT_S
        return self._uses


async def _counted(
    session: Session, listed: Sequence[ListedMailbox], deadline: Deadline
) -> tuple[ListedMailbox, ...]:
    """The mailboxes with their counters, asked for one by one; refused ones stay without."""
    counted = []
    for entry in listed:
        try:
            status = await session.run(Status(entry.path, _STATUS_ITEMS), deadline)
        except ImapRefused:
            counted.append(entry)
            continue
        counted.append(ListedMailbox(entry.path, entry.delimiter, entry.attributes, status))
    return tuple(counted)
