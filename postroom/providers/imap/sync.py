"""Bringing one mailbox's recorded index up to the server's, announcing what changed.

One pass: EXAMINE, choose a look (`passes`), list and compare (`looks`), record (`recording`). Every
step is one `MailboxChange`, written atomically with its events; the cursor moves only with recorded
data (invariants I9, I15), so a pass cut off anywhere is simply made again. What decides whether a
message is new is the index, not UIDNEXT: a message is announced exactly once, when it enters the
index (I8). The primary connection examines and never selects: watching changes nothing.
"""

from __future__ import annotations

import msgspec

from postroom.imap.commands.select import Select
from postroom.imap.commands.status import Status
from postroom.imap.types import Selected
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.desk import Desk, Known
from postroom.providers.imap.index import FlagNames, MailboxIndex
from postroom.providers.imap.looks import Looks
from postroom.providers.imap.passes import Look, News, Nonsense, choose, is_uid_validity
from postroom.providers.imap.recording import Recording
from postroom.providers.interface import MailboxChange, MailboxReset

log = get_logger("providers.imap")

SELECT_TIMEOUT_S = 60.0


async def sync_mailbox(
    desk: Desk, connection: ImapConnection, mailbox: Mailbox, known: Known | None, news: News
) -> Known:
    """One pass over `mailbox`; what is recorded of it afterwards.

    `news` is what the connection heard so far; it is taken before the mailbox is opened, so that
    anything that comes later asks for another pass. Raises ImapRefused when it cannot be opened.
    """
    heard = news.take()
    selected = await connection.run(
        Select(mailbox.path, read_only=True, condstore=connection.has("CONDSTORE")),
        desk.deadline(SELECT_TIMEOUT_S),
    )
    if selected.changed:
        # Told before the listing, so the listing has to ask about flags.
        heard.has_flags = True
    started_ms = desk.clock.now_ms()
    current = await _established(desk, connection, mailbox, known, selected)
    names = FlagNames(current.cursor.keywords)
    looks = Looks(connection, desk.clock, names, news)
    look = choose(current.cursor, len(current.index), selected, heard, started_ms)
    seen = await looks.take(look, current, selected)
    recording = Recording(desk, connection, mailbox, current, names)
    await recording.record(seen.difference, seen.listed)
    await recording.finish(selected, is_whole=seen.look is Look.FULL, started_ms=started_ms)
    return current


async def _established(
    desk: Desk,
    connection: ImapConnection,
    mailbox: Mailbox,
    known: Known | None,
    selected: Selected,
) -> Known:
    """The recorded state that fits what was opened: as it was, a new one, or a reset one."""
    validity = selected.uid_validity
    if validity is None or not is_uid_validity(validity):
        raise Nonsense("The mailbox has no usable UIDVALIDITY", log={"uid_validity": validity})
    if not selected.is_counted:
        raise Nonsense("The server does not tell how many messages the mailbox holds")
    if known is None:
        return await _begin(desk, mailbox, validity)
    if known.cursor.uid_validity != validity:
        await _confirm(desk, connection, mailbox, known.cursor, validity)
        return await _reset(desk, mailbox, known, validity)
    desk.suspected.pop(mailbox.path, None)
    if known.cursor.is_complete and known.cursor.messages and not len(known.index):
        return await _restart(desk, known)
    return known


async def _begin(desk: Desk, mailbox: Mailbox, validity: int) -> Known:
    """A mailbox not seen before: give it a number, announce it unless everything is new."""
    number = await desk.mailboxes.number_for(desk.account.account, validity, mailbox.path)
    cursor = MailboxCursor(
        path=mailbox.path,
        uid_validity=validity,
        number=number,
        special_use=mailbox.special_use,
        special_use_source=mailbox.special_use_source,
        delimiter=mailbox.delimiter,
    )
    if desk.has_synced:
        cursor = msgspec.structs.replace(cursor, step=cursor.next_step())
        await desk.recorder.mailbox_new(cursor)
    return Known(cursor, MailboxIndex())


async def _confirm(
    desk: Desk, connection: ImapConnection, mailbox: Mailbox, cursor: MailboxCursor, validity: int
) -> None:
    """Believe a new UIDVALIDITY only when STATUS tells it too; a lower one only the second time.

    RFC 9051 2.3.1.1 has it rise strictly, so a lower one is a flapping server or a restored one.
    """
    status = await connection.run(
        Status(mailbox.path, ("UIDVALIDITY",)), desk.deadline(SELECT_TIMEOUT_S)
    )
    if status.uid_validity not in (None, validity):
        raise Nonsense("UIDVALIDITY differs between EXAMINE and STATUS")
    if validity < cursor.uid_validity and desk.suspected.get(mailbox.path) != validity:
        desk.suspected[mailbox.path] = validity
        raise Nonsense("UIDVALIDITY fell", log={"was": cursor.uid_validity, "is": validity})
    desk.suspected.pop(mailbox.path, None)


async def _reset(desk: Desk, mailbox: Mailbox, known: Known, validity: int) -> Known:
    """Drop the index for a new UIDVALIDITY; the last good look stays as the line between old
    mail, which is not announced again, and new mail (contract I5)."""
    before = known.cursor
    number = await desk.mailboxes.number_for(desk.account.account, validity, mailbox.path)
    cursor = MailboxCursor(
        path=before.path,
        uid_validity=validity,
        number=number,
        special_use=before.special_use,
        special_use_source=before.special_use_source,
        delimiter=before.delimiter,
        last_verified_ms=before.last_verified_ms,
        step=before.next_step(),
    )
    reset = MailboxReset("uidValidityChange", validity, before.uid_validity)
    await desk.recorder.record(
        MailboxChange(cursor=cursor, reset=reset, dropped_number=before.number)
    )
    log.info("mailbox.reset", account=desk.account.account, reason=reset.reason)
    return Known(cursor, MailboxIndex())


async def _restart(desk: Desk, known: Known) -> Known:
    """The cursor is there but its index is not: build it anew (contract I5)."""
    before = known.cursor
    cursor = MailboxCursor(
        path=before.path,
        uid_validity=before.uid_validity,
        number=before.number,
        special_use=before.special_use,
        special_use_source=before.special_use_source,
        delimiter=before.delimiter,
        last_verified_ms=before.last_verified_ms,
        step=before.next_step(),
    )
    reset = MailboxReset("syncStateLost", before.uid_validity, before.uid_validity)
    await desk.recorder.record(
        MailboxChange(cursor=cursor, reset=reset, dropped_number=before.number)
    )
    log.warning(
        "mailbox.reset", account=desk.account.account, path=before.path, reason=reset.reason
    )
    return Known(cursor, MailboxIndex())
