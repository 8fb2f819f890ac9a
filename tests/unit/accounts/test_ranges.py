"""Big mailboxes are listed in ranges; a first sync that is cut off goes on where it was."""

from __future__ import annotations

import re

import pytest

from postroom.demo.imap_session import Answer, Session
from postroom.imap.server import ClientCommand
from postroom.providers.imap import roster
from postroom.providers.imap.index import MailboxIndex
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.bending import LONG_AGO, bent, every_profile, flags_as_told, mail_of
from tests.unit.accounts.watching import World, imap_account, world

COUNT = 95
SEEN = ("\\Seen",)


def listing(command: ClientCommand) -> tuple[int, int | None] | None:
    """The range of UIDs that the command lists, if it does."""
    if command.name != "UID FETCH" or "FLAGS" not in str(command.arguments[1]):
        return None
    found = re.fullmatch(r"(\d+):(\d+|\*)", str(command.arguments[0]))
    if found is None or len(command.arguments[1]) != 2:
        return None
    return int(found[1]), None if found[2] == "*" else int(found[2])


async def indexed(here: World) -> set[int]:
    cursor = (await here.mailboxes.cursors("a"))["INBOX"]
    blocks = await here.mailboxes.blocks("a", cursor.number)
    return set(MailboxIndex(blocks).entries())


@every_profile
async def test_a_mailbox_in_ranges_is_told_like_any_other(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    hidden: tuple[str, ...],
    also: tuple[str, ...],
) -> None:
    mail = mail_of(COUNT)
    inbox = mail.mailbox("u", "INBOX")
    ranges: list[tuple[int, int | None]] = []

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        if (asked := listing(command)) is not None:
            ranges.append(asked)

    async with (
        bent(monkeypatch, mail, bend, hidden, also) as server,
        world(store, fetch_batch_size=10) as here,
    ):
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        assert ranges[:3] == [(1, 10), (11, 50), (51, None)]
        assert await indexed(here) == set(inbox.messages)
        for uid in (5, 20, 60, 95):
            inbox.set_flags(uid, SEEN)
        inbox.remove([1, 10, 11, 51, 94])
        await here.until_told("a", "messageDeleted", 5)
        await here.until_told("a", "messageUpdated", 4)
        await here.sync("a")
        gone = [event.data["uid"] for event in await here.told("a", "messageDeleted")]
        changed = [event.data["uid"] for event in await here.told("a", "messageUpdated")]
        assert (sorted(gone), sorted(changed)) == ([1, 10, 11, 51, 94], [5, 20, 60, 95])
        assert await indexed(here) == set(inbox.messages)


@every_profile
async def test_a_first_sync_over_a_link_that_dies_lists_nothing_twice(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    hidden: tuple[str, ...],
    also: tuple[str, ...],
) -> None:
    mail = mail_of(COUNT)
    inbox = mail.mailbox("u", "INBOX")
    answered: list[int] = []
    firsts: list[int] = []
    listings = 0
    is_whole = False

    def bend(_number: int, session: Session, command: ClientCommand, _answer: Answer) -> None:
        nonlocal listings, is_whole
        if (asked := listing(command)) is None or session.view is None:
            return
        if session.view.mailbox is not inbox or is_whole:
            return
        listings += 1
        if listings % 2 == 0:
            # What was listed already changes while nobody is connected.
            if listings == 4:
                inbox.set_flags(answered[0], SEEN)
                inbox.remove([answered[1]])
                mail.deliver("u", message("late"))
            raise TimeoutError
        firsts.append(asked[0])
        is_whole = asked[1] is None
        last = asked[1] or max(inbox.messages)
        answered.extend(uid for uid in inbox.messages if asked[0] <= uid <= last)

    async with (
        bent(monkeypatch, mail, bend, hidden, also) as server,
        world(store, fetch_batch_size=10) as here,
    ):
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        assert firsts == sorted(set(firsts))
        await here.until_told("a", "messageNew")
        await here.until_told("a", "messageDeleted")
        await here.until_told("a", "messageUpdated")
        await here.sync("a")
        assert await here.subjects("a") == ["late"]
        assert [one.data["uid"] for one in await here.told("a", "messageDeleted")] == [2]
        assert [one.data["uid"] for one in await here.told("a", "messageUpdated")] == [1]
        assert await indexed(here) == set(inbox.messages)


async def test_a_first_listing_shorter_than_the_count_is_made_again(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(COUNT)
    is_done = False

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal is_done
        if listing(command) == (11, 50) and not is_done:
            is_done = True
            answer.lines.clear()

    async with (
        bent(monkeypatch, mail, bend) as server,
        world(store, fetch_batch_size=10) as here,
    ):
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        assert is_done
        await here.sync("a")
        assert await indexed(here) == set(mail.mailbox("u", "INBOX").messages)
        assert await here.told("a", "messageNew") == []


async def test_a_range_that_is_refused_is_asked_again_smaller(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    monkeypatch.setattr(roster, "FIRST_DELAY_S", 0.01)
    mail = mail_of(COUNT)
    inbox = mail.mailbox("u", "INBOX")
    refused = 0

    def bend(_number: int, session: Session, command: ClientCommand, answer: Answer) -> None:
        nonlocal refused
        asked = listing(command)
        if asked is None or session.view is None or session.view.mailbox is not inbox:
            return
        if len(answer.lines) > 12:
            refused += 1
            answer.lines.clear()
            answer.end = "NO [LIMIT] Too much at once"

    async with (
        bent(monkeypatch, mail, bend) as server,
        world(store, fetch_batch_size=40) as here,
    ):
        await here.register(imap_account("a", "u", server.port, notify_from=LONG_AGO))
        await here.until_state("a", "connected")
        assert refused
        assert await indexed(here) == set(inbox.messages)
        assert len(await flags_as_told(here)) == COUNT


async def test_places_that_make_no_sense_cost_the_ranges_only(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(COUNT)

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if command.name == "FETCH":
            answer.lines = [re.sub(rb"UID \d+", b"UID 7", line) for line in answer.lines]

    async with (
        bent(monkeypatch, mail, bend) as server,
        world(store, fetch_batch_size=10) as here,
    ):
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        assert await indexed(here) == set(mail.mailbox("u", "INBOX").messages)


async def test_empty_mailboxes_are_recorded_without_being_opened(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(3)
    trash = mail.mailbox("u", "Trash")
    trash.remove([trash.add(message("gone"), (), mail.now_ms())])
    opened: list[str] = []

    def bend(_number: int, _session: Session, command: ClientCommand, _answer: Answer) -> None:
        if command.name == "EXAMINE":
            opened.append(str(command.arguments[0]))

    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        # In Trash there was something once.
        assert set(opened) == {"INBOX", "Trash"}
        assert set(await here.mailboxes.cursors("a")) == set(mail.mailboxes("u"))
        mail.deliver("u", message("archived"), "Archive")
        await here.sync("a")
        (new,) = await here.told("a", "messageNew")
        assert (new.path, new.data["subject"]) == ("Archive", "archived")
        assert await here.told("a", "mailboxNew") == []


async def test_an_index_that_lost_a_part_is_built_anew_and_told_as_such(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    mail = mail_of(600)
    async with bent(monkeypatch, mail, lambda *_told: None) as server, world(store) as here:
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        cursor = (await here.mailboxes.cursors("a"))["INBOX"]
        assert await store.command("HDEL", store.keys.index("a", cursor.number), 1) == 1
        monkeypatch.setattr("postroom.providers.imap.passes.FULL_COMPARE_MS", 0)
        await here.sync("a")
        (told,) = await here.until_told("a", "mailboxReset")
        assert told.data["reason"] == "syncStateLost"
        await here.sync("a")
        assert await here.told("a", "messageNew") == []
        assert await indexed(here) == set(mail.mailbox("u", "INBOX").messages)
