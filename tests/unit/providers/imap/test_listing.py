"""The mailbox tree: special uses, order, filter, and when a mailbox is believed to be gone."""

from __future__ import annotations

from postroom.imap.types import ListedMailbox
from postroom.model.account import ImapServer
from postroom.providers.imap.listing import Absences, arrange, find, selectable, tracked
from postroom.providers.imap.names import WELL_KNOWN

SERVER = ImapServer(host="mail.example.com")


def listed(path: str, *attributes: str, delimiter: str | None = "/") -> ListedMailbox:
    return ListedMailbox(path, delimiter, frozenset(attributes))


def uses(*entries: ListedMailbox, server: ImapServer = SERVER) -> dict[str, tuple[str, str]]:
    return {
        mailbox.path: (mailbox.special_use, mailbox.special_use_source or "")
        for mailbox in arrange(entries, server)
        if mailbox.special_use
    }


def test_inbox_is_found_whatever_its_case() -> None:
    (inbox,) = arrange([listed("Inbox")], SERVER)
    assert (inbox.path, inbox.name, inbox.special_use) == ("INBOX", "INBOX", "\\Inbox")


def test_the_accounts_own_choice_beats_the_servers_attribute() -> None:
    server = ImapServer(host="h", sent_mail_path="Mine")
    found = uses(listed("INBOX"), listed("Sent", "\\Sent"), listed("Mine"), server=server)
    assert found["Mine"] == ("\\Sent", "user")
    assert "Sent" not in found


def test_a_choice_that_is_not_there_changes_nothing() -> None:
    server = ImapServer(host="h", sent_mail_path="Nowhere")
    assert uses(listed("Sent", "\\Sent"), server=server) == {"Sent": ("\\Sent", "extension")}


def test_the_servers_attribute_beats_the_name() -> None:
    found = uses(listed("Sent"), listed("Outgoing", "\\SENT"))
    assert found == {"Outgoing": ("\\Sent", "extension")}


def test_names_in_many_languages_are_known() -> None:
    found = uses(
        listed("Papierkorb"),
        listed("\u041e\u0442\u043f\u0440\u0430\u0432\u043b\u0435\u043d\u043d\u044b\u0435"),
        listed("INBOX/Brouillons"),
    )
    assert [use for use, _ in found.values()] == ["\\Sent", "\\Drafts", "\\Trash"]
    assert {source for _, source in found.values()} == {"name"}


def test_of_two_fitting_names_the_one_nearer_the_root_is_taken() -> None:
    assert list(uses(listed("Old/Trash"), listed("Trash"))) == ["Trash"]


def test_a_name_stands_for_one_special_use_only() -> None:
    names = [name for group in WELL_KNOWN.values() for name in group]
    assert len(names) == len(set(names))
    assert all(name == name.casefold() for name in names)


def test_the_order_is_the_contracts() -> None:
    entries = [
        listed("Zebra"), listed("Trash"), listed("Apple"), listed("Junk"), listed("Archive"),
        listed("Everything", "\\All"), listed("Drafts"), listed("Sent"),
        listed("Stars", "\\Flagged"), listed("INBOX"),
    ]  # fmt: skip
    assert [mailbox.path for mailbox in arrange(entries, SERVER)] == [
        "INBOX", "Stars", "Sent", "Drafts", "Everything", "Archive", "Junk", "Trash",
        "Apple", "Zebra",
    ]  # fmt: skip


def test_name_and_parent_follow_the_delimiter() -> None:
    (mailbox,) = arrange([listed("a.b.c", delimiter=".")], SERVER)
    assert (mailbox.name, mailbox.parent_path, mailbox.delimiter) == ("c", "a.b", ".")
    (flat,) = arrange([listed("a/b", delimiter=None)], SERVER)
    assert (flat.name, flat.parent_path) == ("a/b", "")


def test_what_cannot_be_selected_is_left_out_and_repeats_count_once() -> None:
    entries = [listed("INBOX"), listed("A", "\\NoSelect"), listed("B", "\\NonExistent")]
    entries += [listed("C"), listed("C", "\\Sent"), listed("")]
    assert [entry.path for entry in selectable(entries)] == ["INBOX", "C"]


def test_the_path_filter_takes_paths_and_special_uses() -> None:
    mailboxes = arrange([listed("INBOX"), listed("Sent"), listed("Work"), listed("Other")], SERVER)
    assert tracked(mailboxes, None) == tracked(mailboxes, ("*",)) == mailboxes
    assert [one.path for one in tracked(mailboxes, ("inbox", "\\sent", "Work"))] == [
        "INBOX",
        "Sent",
        "Work",
    ]


def test_a_mailbox_is_found_by_path_or_special_use() -> None:
    mailboxes = arrange([listed("INBOX"), listed("Gesendet")], SERVER)
    assert find(mailboxes, "\\Sent") is find(mailboxes, "Gesendet") is mailboxes[1]
    assert find(mailboxes, "Nope") is None


def test_absence_needs_two_listings_in_a_row() -> None:
    absences = Absences()
    assert absences.observe(["INBOX", "A"], ["INBOX"]) == frozenset()
    assert absences.is_pending
    assert absences.observe(["INBOX", "A"], ["INBOX"]) == {"A"}
    assert not absences.is_pending


def test_a_mailbox_that_comes_back_was_never_gone() -> None:
    absences = Absences()
    absences.observe(["INBOX", "A"], ["INBOX"])
    absences.observe(["INBOX", "A"], ["INBOX", "A"])
    assert absences.observe(["INBOX", "A"], ["INBOX"]) == frozenset()


def test_an_empty_listing_proves_nothing() -> None:
    absences = Absences()
    for _ in range(3):
        assert absences.observe(["INBOX", "A"], []) == frozenset()
        assert absences.observe(["INBOX", "A"], ["B"]) == frozenset()
    assert not absences.is_pending
