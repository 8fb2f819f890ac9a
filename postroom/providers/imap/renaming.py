"""Telling a renamed mailbox from a new one, so that its old mail is not announced again.

The interface knows no renaming: a mailbox is gone, another has come. What was in it keeps its UIDs
and UIDVALIDITY (RFC 9051 6.3.6), so messages below the recorded UIDNEXT are old, whatever their
date. Proof is the mailbox id (RFC 8474) where the server has one; else a UIDVALIDITY that no other
recorded mailbox has, as some servers give the same one to all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from postroom.imap.types import Selected
from postroom.model.mailbox import MailboxCursor


def departed(
    cursors: Mapping[str, MailboxCursor], listed: Collection[str]
) -> tuple[MailboxCursor, ...]:
    """The recorded mailboxes that the server does not list, as far as they can be known again."""
    gone = [cursor for path, cursor in cursors.items() if path not in listed and cursor.is_complete]
    if not gone:
        return ()
    validities = Counter(cursor.uid_validity for cursor in cursors.values())
    return tuple(one for one in gone if one.mailbox_id or validities[one.uid_validity] == 1)


def former(gone: Sequence[MailboxCursor], opened: Selected) -> MailboxCursor | None:
    """What is recorded of the opened mailbox under its former name, if it had one."""
    for cursor in gone:
        if cursor.uid_validity != opened.uid_validity:
            continue
        if cursor.mailbox_id and opened.mailbox_id:
            if cursor.mailbox_id == opened.mailbox_id:
                return cursor
        elif not cursor.mailbox_id and (opened.uid_next or 0) >= cursor.uid_next:
            return cursor
    return None
