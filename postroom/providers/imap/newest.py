"""The fast indexer: the highest UID is all that it keeps, new messages all that it tells.

Contract I4. A message is new when its UID is at or above the cursor's `uid_next`, which moves in
the very write that announces it. At first sight everything up to the highest UID is old mail, but
for what arrived after `notifyFrom`. UIDNEXT of the server is believed only where it spares a
question: it has to be the recorded one, and the count as well.
"""

from __future__ import annotations

from collections import Counter

from postroom.imap.commands.fetch import Fetch
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import Selected
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.arrival import Arrival
from postroom.providers.imap.desk import Known, Opened
from postroom.providers.imap.index import Entries, FlagNames
from postroom.providers.imap.passes import is_full_due, is_uid
from postroom.providers.imap.recording import Recording
from postroom.providers.imap.roster import Roster

LAST_TIMEOUT_S = 60.0
# UIDs of one listing: their text stays below the 8,000 bytes that servers take.
LISTED_AT_ONCE = 700


async def look_for_new(opened: Opened, known: Known) -> None:
    """One pass of the fast indexer over an opened mailbox."""
    cursor, selected = known.cursor, opened.selected
    names = FlagNames(cursor.keywords)
    recording = Recording(opened, known, names)
    roster = Roster(opened.desk, opened.connection, names)
    highest, is_asked = 0, True
    if not cursor.is_complete:
        listed, highest = await _at_first_sight(opened, roster, known)
    elif is_asked := not _is_quiet(cursor, selected, opened.started_ms):
        listed = await roster.masks(f"{cursor.uid_next}:*", known, selected.exists)
    else:
        listed = {}
    came = sorted(uid for uid in listed if uid >= cursor.uid_next)
    fresh, _silent = await Arrival(opened).sort(cursor, came)
    known.found += Counter({"added": len(fresh)})
    await recording.announce(fresh, listed)
    highest = max((highest, *listed))
    await recording.finish_newest(highest, is_asked=is_asked)


def _is_quiet(cursor: MailboxCursor, selected: Selected, now_ms: int) -> bool:
    """Whether the counters prove that nothing came; not for longer than a comparison may wait."""
    is_same = selected.uid_next == cursor.uid_next and selected.exists == cursor.messages
    return is_same and not is_full_due(cursor, now_ms)


async def _at_first_sight(opened: Opened, roster: Roster, known: Known) -> tuple[Entries, int]:
    """What may have to be announced, and the highest UID."""
    exists, first = opened.selected.exists, known.cursor.uid_next
    if not exists:
        return {}, 0
    highest, young = await _highest(opened), None
    if highest:
        arrival = Arrival(opened)
        young = await arrival.young(known.cursor, first, highest)
    if young is None:
        # The server does not say: from all of them.
        listed = await roster.masks(f"{first}:*", known, exists)
        return listed, max(listed, default=0)
    listed = {}
    for at in range(0, len(young), LISTED_AT_ONCE):
        numbers = encode_set(young[at : at + LISTED_AT_ONCE])
        listed |= await roster.masks(numbers, known, exists)
    return listed, highest


async def _highest(opened: Opened) -> int:
    """The UID of the last message; 0 when the server does not tell."""
    command = Fetch("*", "(UID)", by_uid=False)
    try:
        last = await opened.connection.run(command, opened.desk.deadline(LAST_TIMEOUT_S))
    except ImapRefused:
        return 0
    return max((one.uid for one in last if is_uid(one.uid)), default=0)
