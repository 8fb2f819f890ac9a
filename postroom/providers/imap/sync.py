"""Bringing one mailbox's recorded index up to the server's, announcing what changed.

One pass: EXAMINE, choose a look (`passes`), list and compare (`looks`), record (`recording`). Every
step is one `MailboxChange`, written atomically with its events; the cursor moves only with recorded
data (invariants I9, I15), so a pass cut off anywhere is simply made again. What decides whether a
message is new is the index, not UIDNEXT: a message is announced exactly once, when it enters the
index (I8). The primary connection examines and never selects: watching changes nothing.
"""

from __future__ import annotations

from collections import Counter

from postroom.errors import ConnectionClosing, DeadlineExceeded
from postroom.imap.commands.select import Select
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.types import Selected
from postroom.logs import get_logger
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.net.imap import ImapConnection
from postroom.providers.imap.beginnings import established, restarted
from postroom.providers.imap.desk import Desk, Known, Opened
from postroom.providers.imap.index import FlagNames, IndexLost
from postroom.providers.imap.looks import Looks
from postroom.providers.imap.newest import look_for_new
from postroom.providers.imap.passes import Look, News, choose, resync_from
from postroom.providers.imap.recording import Recording

log = get_logger("providers.imap")

SELECT_TIMEOUT_S = 60.0


class NotOpened(ConnectionClosing):
    """The connection came to its end while a mailbox was being opened: it may be to blame."""


async def sync_mailbox(
    desk: Desk, connection: ImapConnection, mailbox: Mailbox, known: Known | None, news: News
) -> Known:
    """One pass over `mailbox`; what is recorded of it afterwards.

    `news` is what the connection heard so far; it is taken before the mailbox is opened, so that
    anything that comes later asks for another pass. Raises ImapRefused when it cannot be opened,
    NotOpened when the attempt ends the connection.
    """
    heard = news.take()
    started_ms = desk.clock.now_ms()
    selected, has_resynced = await _open(desk, connection, mailbox, known, started_ms)
    if selected.changed and not has_resynced:
        # Told before the listing, so the listing has to ask about flags.
        heard.has_flags = True
    current = await established(desk, connection, mailbox, known, selected)
    current.found = Counter()
    opened = Opened(desk, connection, mailbox, selected, news, started_ms)
    if current.cursor.indexer == "fast":
        await look_for_new(opened, current)
    else:
        has_resynced = has_resynced and current is known
        current = await _compare(opened, current, heard, has_resynced=has_resynced)
    current.rest()
    return current


async def _open(
    desk: Desk, connection: ImapConnection, mailbox: Mailbox, known: Known | None, now_ms: int
) -> tuple[Selected, bool]:
    """The opened mailbox, and whether it told everything since the last look (QRESYNC)."""
    since = None
    # Labels are not part of what QRESYNC tells.
    if "QRESYNC" in connection.enabled and not connection.has("X-GM-EXT-1") and known is not None:
        is_current = not desk.is_outdated(known.cursor) and known.cursor.indexer == "full"
        since = resync_from(known.cursor, now_ms) if is_current else None
    condstore = connection.has("CONDSTORE")
    command = Select(mailbox.path, read_only=True, condstore=condstore, qresync=since)
    try:
        return await _examine(desk, connection, command), since is not None
    except ImapRefused as error:
        if since is None or not error.is_bad:
            raise
    # Enabled, and not understood all the same.
    command = Select(mailbox.path, read_only=True, condstore=condstore)
    return await _examine(desk, connection, command), False


async def _examine(desk: Desk, connection: ImapConnection, command: Select) -> Selected:
    try:
        return await connection.run(command, desk.deadline(SELECT_TIMEOUT_S))
    except (ConnectionClosing, DeadlineExceeded, ProtocolViolation) as error:
        raise NotOpened(error.text, code=error.public_code, log=error.log) from error


async def _compare(opened: Opened, current: Known, heard: News, *, has_resynced: bool) -> Known:
    """One pass of the full indexer; an index that turns out to be lost is built anew."""
    try:
        await _pass(opened, current, heard, has_resynced=has_resynced)
    except IndexLost:
        current = await restarted(opened.desk, current, opened.selected)
        await _pass(opened, current, heard, has_resynced=False)
    return current


async def _pass(opened: Opened, current: Known, heard: News, *, has_resynced: bool) -> None:
    """Look, record, and write the cursor."""
    before, selected, started_ms = current.cursor, opened.selected, opened.started_ms
    names = FlagNames(before.keywords)
    looks = Looks(opened.desk, opened.connection, names, opened.news)
    recording = Recording(opened, current, names)
    look = choose(before, selected, heard, started_ms, has_resynced=has_resynced)
    if look not in (Look.NOTHING, Look.FULL):
        portion = await looks.part(look, current, selected)
        if portion is not None:
            await recording.record(portion)
        else:
            look = Look.FULL
    if look is Look.FULL:
        await _list_all(opened, current, looks, recording)
    is_resumed = not before.is_complete and before.uid_next > 1
    if is_resumed:
        # What was listed in an earlier attempt may have changed since: look again.
        opened.news.has_flags = True
    modseq = None if selected.no_modseq else selected.highest_modseq
    is_behind = is_resumed or looks.is_doubtful
    await recording.finish(
        is_whole=look is Look.FULL and not is_behind,
        modseq=before.highest_modseq if is_behind else modseq,
    )
    if look is Look.FULL and current.found and _claims_nothing(before, selected, heard):
        # The server should have told this by itself (invariant I7).
        name = opened.desk.account.account
        log.warning("mailbox.healed", account=name, path=before.path, **current.found)


def _claims_nothing(before: MailboxCursor, selected: Selected, heard: News) -> bool:
    """Whether by the server's own mod-sequence nothing changed; without one it claims nothing."""
    is_same = bool(before.highest_modseq) and selected.highest_modseq == before.highest_modseq
    return before.is_complete and is_same and not heard


async def _list_all(opened: Opened, current: Known, looks: Looks, recording: Recording) -> None:
    """A full comparison; of a mailbox that is not complete, of what was not listed yet."""
    selected, cursor = opened.selected, current.cursor
    first = 1 if cursor.is_complete else cursor.uid_next
    async for portion in looks.full(current, selected, first):
        await recording.record(portion)
    if cursor.is_complete or opened.news.has_shrunk:
        return
    await recording.flush()
    if current.cursor.messages < selected.exists:
        # What is missing now would be told as new later: a short listing has to come twice.
        async for portion in looks.full(current, selected):
            await recording.record(portion)
