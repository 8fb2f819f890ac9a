"""The recorded state that a pass begins with: as it was, a new one, or one to be built anew.

Built anew, with an event, is a mailbox whose UIDVALIDITY changed or whose index is lost (contract
I5); without one, a mailbox that was indexed before the account's last flush or by the other
indexer (I11). The numbers of message ids stay either way, unless UIDVALIDITY changed.
"""

from __future__ import annotations

import msgspec

from postroom.imap.commands.status import Status
from postroom.imap.types import MailboxStatus, Selected
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.index import MailboxIndex
from postroom.providers.imap.passes import Nonsense, is_uid_validity
from postroom.providers.imap.renaming import former
from postroom.providers.interface import MailboxChange, MailboxReset

log = get_logger("providers.imap")

STATUS_TIMEOUT_S = 60.0


async def established(
    desk: Desk,
    connection: ImapConnection,
    mailbox: Mailbox,
    known: Known | None,
    selected: Selected,
) -> Known:
    """The recorded state that fits what was opened."""
    validity = selected.uid_validity
    if validity is None or not is_uid_validity(validity):
        raise Nonsense("The mailbox has no usable UIDVALIDITY", log={"uid_validity": validity})
    if not selected.is_counted:
        raise Nonsense("The server does not tell how many messages the mailbox holds")
    if known is None:
        return await _begin(desk, mailbox, selected, validity)
    if known.cursor.uid_validity != validity:
        await _confirm(desk, connection, mailbox, known.cursor, validity)
        return await _reset(desk, known, selected, validity)
    desk.suspected.pop(mailbox.path, None)
    if desk.is_outdated(known.cursor):
        return await _flushed(desk, known, selected)
    if known.cursor.indexer == "full" and known.cursor.messages and _is_lost(known):
        return await restarted(desk, known, selected)
    return known


async def recorded_as_empty(desk: Desk, mailbox: Mailbox, status: MailboxStatus) -> bool:
    """Record a mailbox of a first sync without opening it, if STATUS says that it is empty.

    Whatever comes later is above its mod-sequence and its count, and so it is found, and new. A
    count of 0 alone is not believed: the mailbox must never have held a message.
    """
    validity = status.uid_validity
    is_unused = status.messages == 0 and status.uid_next == 1
    if desk.has_synced or not is_unused or validity is None or not is_uid_validity(validity):
        return False
    first, now_ms = await _first_cursor(desk, mailbox, validity), desk.clock.now_ms()
    cursor = msgspec.structs.replace(
        first,
        highest_modseq=status.highest_modseq or None,
        mailbox_id=status.mailbox_id,
        is_complete=True,
        last_verified_ms=now_ms,
        compared_ms=now_ms,
        step=first.next_step(),
    )
    await desk.recorder.record(MailboxChange(cursor=cursor))
    return True


async def restarted(desk: Desk, known: Known, selected: Selected) -> Known:
    """The cursor is there but its index is not: build it anew (contract I5)."""
    before = known.cursor
    cursor = _anew(desk, before, selected)
    reset = MailboxReset("syncStateLost", before.uid_validity, before.uid_validity)
    return await _replace(desk, known, cursor, reset)


def _is_lost(known: Known) -> bool:
    return known.index.is_whole and not len(known.index)


async def _begin(desk: Desk, mailbox: Mailbox, selected: Selected, validity: int) -> Known:
    """A mailbox not seen before: give it a number, announce it unless everything is new."""
    cursor = await _first_cursor(desk, mailbox, validity)
    cursor = _succeeding(_anew(desk, cursor, selected), former(desk.departed, selected))
    if desk.has_synced:
        cursor = msgspec.structs.replace(cursor, step=cursor.next_step())
        await desk.recorder.mailbox_new(cursor)
    return Known(cursor, MailboxIndex())


async def _first_cursor(desk: Desk, mailbox: Mailbox, validity: int) -> MailboxCursor:
    """The cursor of a mailbox not seen before; from now on it has its number."""
    return MailboxCursor(
        path=mailbox.path,
        uid_validity=validity,
        number=await desk.mailboxes.number_for(desk.account.account, validity, mailbox.path),
        special_use=mailbox.special_use,
        special_use_source=mailbox.special_use_source,
        delimiter=mailbox.delimiter,
        indexer=desk.indexer,
        flushed_ms=desk.account.flushed_ms,
    )


def _succeeding(cursor: MailboxCursor, before: MailboxCursor | None) -> MailboxCursor:
    """The first cursor of a mailbox that had another name: what it held then is no news."""
    if before is None:
        return cursor
    log.info("mailbox.renamed", path=cursor.path, was=before.path)
    if cursor.indexer == "fast":
        return msgspec.structs.replace(cursor, uid_next=before.uid_next, is_complete=True)
    return msgspec.structs.replace(cursor, known_below=before.uid_next)


async def _confirm(
    desk: Desk, connection: ImapConnection, mailbox: Mailbox, cursor: MailboxCursor, validity: int
) -> None:
    """Believe a new UIDVALIDITY only when STATUS tells it too; a lower one only the second time.

    RFC 9051 2.3.1.1 has it rise strictly, so a lower one is a flapping server or a restored one.
    """
    status = await connection.run(
        Status(mailbox.path, ("UIDVALIDITY",)), desk.deadline(STATUS_TIMEOUT_S)
    )
    if status.uid_validity not in (None, validity):
        raise Nonsense("UIDVALIDITY differs between EXAMINE and STATUS")
    if validity < cursor.uid_validity and desk.suspected.get(mailbox.path) != validity:
        desk.suspected[mailbox.path] = validity
        raise Nonsense("UIDVALIDITY fell", log={"was": cursor.uid_validity, "is": validity})
    desk.suspected.pop(mailbox.path, None)


async def _reset(desk: Desk, known: Known, selected: Selected, validity: int) -> Known:
    """Drop the index for a new UIDVALIDITY; the last good look stays as the line between old
    mail, which is not announced again, and new mail (contract I5)."""
    before = known.cursor
    number = await desk.mailboxes.number_for(desk.account.account, validity, before.path)
    cursor = _anew(desk, before, selected)
    cursor = msgspec.structs.replace(cursor, uid_validity=validity, number=number)
    reset = MailboxReset("uidValidityChange", validity, before.uid_validity)
    return await _replace(desk, known, cursor, reset)


async def _flushed(desk: Desk, known: Known, selected: Selected) -> Known:
    """Build the index anew, silently.

    After a flush `notifyFrom` alone tells what is announced; a mere change of the indexer must
    announce nothing that was announced before.
    """
    before = known.cursor
    cursor = _anew(desk, before, selected)
    if before.flushed_ms != desk.account.flushed_ms:
        cursor = msgspec.structs.replace(cursor, last_verified_ms=0)
    return await _replace(desk, known, cursor, None)


def _anew(desk: Desk, before: MailboxCursor, selected: Selected) -> MailboxCursor:
    """The cursor of a mailbox of which nothing has been listed yet."""
    return MailboxCursor(
        path=before.path,
        uid_validity=before.uid_validity,
        number=before.number,
        highest_modseq=None if selected.no_modseq else selected.highest_modseq,
        special_use=before.special_use,
        special_use_source=before.special_use_source,
        delimiter=before.delimiter,
        mailbox_id=before.mailbox_id,
        last_verified_ms=before.last_verified_ms,
        step=before.step,
        indexer=desk.indexer,
        flushed_ms=desk.account.flushed_ms,
    )


async def _replace(
    desk: Desk, known: Known, cursor: MailboxCursor, reset: MailboxReset | None
) -> Known:
    """Write a cursor that begins anew, and drop the index of the one before it."""
    cursor = msgspec.structs.replace(cursor, step=known.cursor.next_step())
    await desk.recorder.record(
        MailboxChange(cursor=cursor, reset=reset, dropped_number=known.cursor.number)
    )
    name, reason = desk.account.account, reset.reason if reset is not None else "flush"
    log.info("mailbox.reset", account=name, path=cursor.path, reason=reason)
    return Known(cursor, MailboxIndex())
