"""The operations that change: flags, moving, deleting, storing.

A message that is gone is a 404 and not a silent success, so each change makes sure that the UID is
there. New ids come from UIDPLUS (RFC 4315); a server without it leaves them out (contract A9).
"""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, replace
from typing import Any

from postroom.clock import Deadline
from postroom.errors import MailboxNotFound, PayloadTooLarge, Unprocessable, UploadFailed
from postroom.imap.commands.append import Append
from postroom.imap.commands.create import Create
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.expunge import Expunge
from postroom.imap.commands.move import move
from postroom.imap.commands.search import Key, Search
from postroom.imap.commands.status import Status
from postroom.imap.commands.store import Mode, Store
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import Appended, Copied
from postroom.model.message import (
    FlagChange,
    FlagResult,
    MessageDeleted,
    MessageMoved,
    MessageStored,
    MessageUpdated,
    MovedTo,
)
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    MoveMessage,
    UpdateMessage,
)
from postroom.providers.imap.places import Place, Places
from postroom.providers.imap.reading import fetch_one
from postroom.providers.imap.sessions import CommandConnections, Session
from postroom.providers.imap.summary import visible_flags

_TRASH = "\\Trash"
_DELETED = "\\Deleted"
_MODES: tuple[Mode, ...] = ("set", "add", "delete")
_FLAGS_ITEM = "FLAGS"
_LABELS_ITEM = "X-GM-LABELS"


class Writing:
    """Changes the mailboxes of one account."""

    def __init__(self, places: Places, connections: CommandConnections) -> None:
        self._places = places
        self._connections = connections

    async def update_message(self, asked: UpdateMessage, deadline: Deadline) -> MessageUpdated:
        """Change flags and labels; the answer has the resulting lists (contract C7)."""
        place = await self._places.locate(asked.message)
        async with self._places.at(place, deadline) as session:
            if asked.labels is not None and not session.has("X-GM-EXT-1"):
                raise Unprocessable("The mail server has no labels", code="MissingServerExtension")
            # Asked first, so that a message that is gone is not answered as changed.
            await fetch_one(session, place.key.uid, "(UID)", deadline)
            flags = _List(session, place.key.uid, _FLAGS_ITEM, deadline)
            labels = _List(session, place.key.uid, _LABELS_ITEM, deadline)
            return MessageUpdated(
                flags=await flags.change(asked.flags), labels=await labels.change(asked.labels)
            )

    async def move_message(self, asked: MoveMessage, deadline: Deadline) -> MessageMoved:
        """Move to another mailbox; the new id is there with UIDPLUS (contract A9)."""
        place = await self._places.locate(asked.message)
        path = await self._places.path_of(asked.path, deadline)
        copied = await self._move(place, path, deadline)
        uid = copied.destination[0] if copied.destination else None
        return MessageMoved(
            path=path, id=await self._places.id_of(path, copied.uid_validity, uid), uid=uid
        )

    async def delete_message(self, asked: DeleteMessage, deadline: Deadline) -> MessageDeleted:
        """To Trash, or gone when it is there, forced, or there is no Trash (contract C9)."""
        place = await self._places.locate(asked.message)
        trash = None if asked.force else await self._places.with_use(_TRASH, deadline)
        if trash is None or trash == place.path:
            await self._remove(place, deadline)
            return MessageDeleted(deleted=True)
        copied = await self._move(place, trash, deadline)
        uid = copied.destination[0] if copied.destination else None
        message = await self._places.id_of(trash, copied.uid_validity, uid)
        return MessageDeleted(deleted=False, moved=MovedTo(destination=trash, message=message))

    async def append_message(self, asked: AppendMessage, deadline: Deadline) -> MessageStored:
        """Store a message; with `once` only when its Message-ID is not there yet."""
        path = await self._places.path_of(asked.path, deadline)
        if asked.once and asked.message_id:
            known = await self._stored_before(path, asked.message_id, deadline)
            if known is not None:
                return known
        async with self._connections.use(deadline) as session:
            appended = await _append(session, path, asked, deadline)
        return MessageStored(
            path=path,
            id=await self._places.id_of(path, appended.uid_validity, appended.uid),
            uid=appended.uid,
            uid_validity=_text(appended.uid_validity),
            message_id=asked.message_id,
        )

    async def _move(self, place: Place, path: str, deadline: Deadline) -> Copied:
        async with self._places.at(place, deadline) as session:
            await fetch_one(session, place.key.uid, "(UID)", deadline)
            offered = Offered(session.connection.capabilities)

            def run(command: Command[Any]) -> Awaitable[Any]:
                return session.run(command, deadline)

            return await move(run, offered, str(place.key.uid), path)

    async def _remove(self, place: Place, deadline: Deadline) -> None:
        """Remove exactly this message, whatever else is marked as deleted."""
        uid = str(place.key.uid)
        async with self._places.at(place, deadline) as session:
            await fetch_one(session, place.key.uid, "(UID)", deadline)
            if Offered(session.connection.capabilities).has("UIDPLUS"):
                await session.run(Store(uid, (_DELETED,), "add", silent=True), deadline)
                await session.run(Expunge(uid), deadline)
                return
            await _remove_without_uidplus(session, uid, deadline)

    async def _stored_before(
        self, path: str, message_id: str, deadline: Deadline
    ) -> MessageStored | None:
        """The message of this Message-ID in the mailbox, if it is there."""
        criteria = (Key("HEADER"), "Message-ID", message_id)
        try:
            async with self._connections.use(deadline, path) as session:
                found = await session.run(Search(criteria), deadline)
                uid_validity = session.uid_validity
        except MailboxNotFound:
            return None
        if not found:
            return None
        return MessageStored(
            path=path,
            id=await self._places.id_of(path, uid_validity, found[-1]),
            uid=found[-1],
            uid_validity=_text(uid_validity),
            message_id=message_id,
            is_repeat=True,
        )


@dataclass(frozen=True, slots=True)
class _List:
    """One list of words on one message: its flags, or its labels."""

    session: Session
    uid: int
    item: str
    deadline: Deadline

    async def change(self, change: FlagChange | None) -> FlagResult | None:
        """Each operation that was asked for, with the list as it was after it."""
        if change is None:
            return None
        # Contract C7: set excludes the others.
        modes = _MODES[:1] if change.set is not None else _MODES[1:]
        results: dict[str, tuple[str, ...]] = {}
        for mode in modes:
            words = getattr(change, mode)
            if words is not None:
                results[mode] = await self._store(mode, words)
        return FlagResult(**results, result=next(reversed(results.values()), None))

    async def _store(self, mode: Mode, words: tuple[str, ...]) -> tuple[str, ...]:
        if words or mode == "set":
            command = Store(str(self.uid), words, mode, silent=True, item=self.item)
            await self.session.run(command, self.deadline)
        items = f"(UID {self.item})"
        message = await fetch_one(self.session, self.uid, items, self.deadline)
        if self.item == _FLAGS_ITEM:
            return visible_flags(message.flags)
        return message.labels or ()


async def _remove_without_uidplus(session: Session, uid: str, deadline: Deadline) -> None:
    """A plain EXPUNGE removes all that is marked: unmark the others meanwhile, mark them again."""
    marked = await session.run(Search((Key("DELETED"),)), deadline)
    others = encode_set(one for one in marked if str(one) != uid)
    if others:
        await session.run(Store(others, (_DELETED,), "delete", silent=True), deadline)
    await session.run(Store(uid, (_DELETED,), "add", silent=True), deadline)
    await session.run(Expunge(), deadline)
    if others:
        await session.run(Store(others, (_DELETED,), "add", silent=True), deadline)


async def _append(
    session: Session, path: str, asked: AppendMessage, deadline: Deadline
) -> Appended:
    await _check_limit(session, path, len(asked.raw), deadline)
    command = Append(path, asked.raw, asked.flags, asked.internal_date_ms)
    try:
        return await _appended(session, command, deadline)
    except ImapRefused as error:
        if error.response_code != "TRYCREATE":
            raise _upload_failed(error) from error
    # RFC 9051 7.1: TRYCREATE says that creating the mailbox helps.
    try:
        await session.run(Create(path), deadline)
        return await _appended(session, command, deadline)
    except ImapRefused as error:
        raise _upload_failed(error) from error


async def _check_limit(session: Session, path: str, size: int, deadline: Deadline) -> None:
    """Refuse what the mailbox does not take, where the server has a limit for each (RFC 7889)."""
    if not session.has("APPENDLIMIT"):
        return
    try:
        status = await session.run(Status(path, ("APPENDLIMIT",)), deadline)
    except ImapRefused:
        # The mailbox may not be there yet; storing will tell.
        return
    if status.append_limit is not None and size > status.append_limit:
        raise PayloadTooLarge("The message is larger than the mail server takes")


async def _appended(session: Session, command: Append, deadline: Deadline) -> Appended:
    """Store; a server after RFC 9755, which knows no UTF8 data any more, gets it plain."""
    try:
        return await session.run(command, deadline)
    except ImapRefused as error:
        if not error.is_bad or command.raw.isascii():
            raise
    return await session.run(replace(command, is_plain=True), deadline)


def _upload_failed(error: ImapRefused) -> PayloadTooLarge | UploadFailed:
    log = {"response_code": error.response_code, "server_text": error.server_text}
    if error.response_code == "TOOBIG":
        return PayloadTooLarge("The message is larger than the mail server takes", log=log)
    return UploadFailed("The mail server did not store the message", log=log)


def _text(uid_validity: int | None) -> str | None:
    return str(uid_validity) if uid_validity else None
