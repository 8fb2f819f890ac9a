"""When a mailbox counts as one that had another name before."""

from __future__ import annotations

import msgspec

from postroom.imap.types import Selected
from postroom.model.mailbox import MailboxCursor
from postroom.providers.imap.renaming import departed, former

OLD = MailboxCursor(path="Old", uid_validity=7, number=2, uid_next=10, is_complete=True)
INBOX = MailboxCursor(path="INBOX", uid_validity=1, number=1, uid_next=5, is_complete=True)


def gone(*cursors: MailboxCursor) -> tuple[MailboxCursor, ...]:
    known = {cursor.path: cursor for cursor in (INBOX, *cursors)}
    return departed(known, {"INBOX", "New"})


def opened(validity: int = 7, uid_next: int | None = 10, mailbox_id: str | None = None) -> Selected:
    return Selected("New", uid_validity=validity, uid_next=uid_next, mailbox_id=mailbox_id)


def with_id(mailbox_id: str) -> MailboxCursor:
    return msgspec.structs.replace(OLD, mailbox_id=mailbox_id)


def test_nothing_is_gone_as_a_rule() -> None:
    assert departed({"INBOX": INBOX}, {"INBOX"}) == ()


def test_a_uid_validity_that_no_other_mailbox_has_is_known_again() -> None:
    assert former(gone(OLD), opened()) == OLD
    assert former(gone(OLD), opened(uid_next=12)) == OLD
    assert former(gone(OLD), opened(validity=8)) is None


def test_a_uid_validity_shared_by_others_proves_nothing() -> None:
    other = msgspec.structs.replace(OLD, path="Other")
    assert gone(OLD, other) == ()


def test_fewer_uids_than_before_are_another_mailbox() -> None:
    assert former(gone(OLD), opened(uid_next=3)) is None
    assert former(gone(OLD), opened(uid_next=None)) is None


def test_the_mailbox_id_decides_where_there_is_one() -> None:
    twin = msgspec.structs.replace(OLD, path="Twin", mailbox_id="T")
    both = gone(with_id("A"), twin)
    assert former(both, opened(mailbox_id="T")) == twin
    assert former(both, opened(mailbox_id="B")) is None
    assert former(both, opened()) is None


def test_a_mailbox_that_was_not_seen_to_its_end_is_not_known_again() -> None:
    assert gone(msgspec.structs.replace(OLD, is_complete=False)) == ()
