"""Servers that answer strangely: what makes no sense costs nothing that makes sense.

Messages stay known, nothing is announced that did not happen, and once the server is itself again
everything that did happen has been told, once.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from postroom.model.account import Account, TlsOptions
from postroom.net import tls
from postroom.providers.imap.limits import WatchLimits
from postroom.store.connection import Store
from tests.fakes.authority import Authority
from tests.fakes.scripted_imapd import Bend, Peer, ScriptedImapd, bent, scripted_imapd
from tests.unit.accounts.watching import QUICK, World, imap_account, world

LONG_AGO = "2001-01-01T00:00:00.000Z"
OLD = ["old 0", "old 1", "old 2"]


@asynccontextmanager
async def watched(
    store: Store, server: ScriptedImapd | None = None, limits: WatchLimits = QUICK
) -> AsyncIterator[tuple[World, ScriptedImapd]]:
    """An account that has announced three messages."""
    async with scripted_imapd(server) as started, world(store, limits) as here:
        for subject in OLD:
            await started.deliver(subject)
        await here.register(imap_account("a", "u", started.port, notify_from=LONG_AGO))
        await here.until_told("a", "messageNew", 3)
        await here.until_state("a", "connected")
        yield here, started


async def until(here: World, holds: Callable[[], bool]) -> None:
    async def asked() -> bool:
        return holds()

    await here.until(asked)


async def check_nothing_was_taken_away(here: World, subjects: list[str]) -> None:
    await here.until_told("a", "messageNew", len(subjects))
    await here.until_state("a", "connected")
    await here.sync("a")
    assert await here.subjects("a") == sorted(subjects)
    for event in ("messageDeleted", "mailboxDeleted", "mailboxReset"):
        assert await here.told("a", event) == []


def without(pattern: bytes) -> Bend:
    """Leaves out of each answer what matches."""
    return lambda answer: re.sub(pattern, b"", answer)


def instead(pattern: bytes, by: bytes) -> Bend:
    return lambda answer: re.sub(pattern, by, answer)


def _descending(answer: bytes) -> bytes:
    lines = answer.splitlines(keepends=True)
    return b"".join([*lines[:-1][::-1], lines[-1]])


STRANGE_FETCHES = {
    "no flags": without(rb" FLAGS \([^)]*\)"),
    "no uid": without(rb"UID \d+ "),
    "no modseq": without(rb" MODSEQ \(\d+\)"),
    "nothing": without(rb"\* \d+ FETCH .*\r\n"),
    "only flags": instead(rb"(FETCH \(UID \d+ FLAGS \([^)]*\)).*\r\n", rb"\1)\r\n"),
    "uid zero": instead(rb"UID \d+", b"UID 0"),
    "uid too great": instead(rb"UID \d+", b"UID 99999999999"),
    "twice": instead(rb"(\* \d+ FETCH .*\r\n)", rb"\1\1"),
    "descending": _descending,
    "other news between": instead(rb"(\* \d+ FETCH .*\r\n)", b"* OK still here\r\n" + rb"\1"),
}


@pytest.mark.parametrize("name", STRANGE_FETCHES)
async def test_a_fetch_that_is_not_what_was_asked_for_loses_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store, name: str
) -> None:
    monkeypatch.setattr("postroom.providers.imap.details.MISSING_DELAYS_MS", (1, 2, 3))
    async with watched(store) as (here, server):
        server.faults["UID FETCH"] = server.faults["FETCH"] = bent(STRANGE_FETCHES[name])
        await server.deliver("during")
        before = server.steps["UID FETCH"]
        here.watcher("a").request_sync()
        await until(here, lambda: server.steps["UID FETCH"] > before + 1)
        server.faults.clear()
        server.boxes["INBOX"].messages[1].flags = ("\\Seen",)
        await server.deliver("after")
        here.watcher("a").request_reconnect()
        await here.until_told("a", "messageNew", 4)
        await here.until_state("a", "connected")
        await here.sync("a")
        assert await here.told("a", "messageDeleted") == []
        told = await here.subjects("a")
        # What never came with its details may be known without having been announced.
        assert set(told) >= {*OLD, "after"}
        assert len(told) == len(set(told))


STRANGE_ENVELOPES = {
    "no addresses": (
        rb'ENVELOPE \("([^"]*)" "([^"]*)" .*?"<',
        rb'ENVELOPE ("\1" "\2" NIL NIL NIL NIL NIL NIL NIL "<',
    ),
    "empty address": (
        rb'ENVELOPE \("([^"]*)" "([^"]*)" \(.*?\)\)',
        rb'ENVELOPE ("\1" "\2" ((NIL NIL NIL NIL))',
    ),
    "nil": (rb'ENVELOPE \(.*?>"\)', b"ENVELOPE NIL"),
    "no date": (rb'ENVELOPE \("[^"]*"', b"ENVELOPE (NIL"),
    "nonsense date": (rb'ENVELOPE \("[^"]*"', b'ENVELOPE ("99 Foo 99999 99:99"'),
    "no message id": (rb'"<\d+@example.com>"', b"NIL"),
    "broken structure": (rb"BODYSTRUCTURE \(.*?NIL NIL NIL NIL\)", b"BODYSTRUCTURE (NIL (()) 5)"),
}


@pytest.mark.parametrize("name", STRANGE_ENVELOPES)
async def test_a_message_with_a_strange_envelope_is_announced_all_the_same(
    store: Store, name: str
) -> None:
    async with watched(store) as (here, server):
        before = server.connections
        server.faults["UID FETCH"] = bent(instead(*STRANGE_ENVELOPES[name]))
        await server.deliver("strange")
        told = await here.until_told("a", "messageNew", 4)
        assert told[3].data["uid"] == 4
        assert server.connections == before


STRANGE_NUMBERS = {
    f"{word} {value}": instead(rb"%s \d+" % word.encode(), f"{word} {value}".encode())
    for word in ("UIDVALIDITY", "UIDNEXT", "HIGHESTMODSEQ")
    for value in ("0", "-1", "4294967296", "99999999999999999999999", "x")
} | {"UIDNEXT 1": instead(rb"UIDNEXT \d+", b"UIDNEXT 1")}


@pytest.mark.parametrize("name", STRANGE_NUMBERS)
async def test_a_number_that_cannot_be_never_becomes_state(store: Store, name: str) -> None:
    async with watched(store) as (here, server):
        bend = bent(STRANGE_NUMBERS[name])
        server.faults = {"EXAMINE": bend, "STATUS": bend}
        await server.deliver("during")
        before = server.steps["EXAMINE"]
        here.watcher("a").request_reconnect()

        def was_met_twice() -> bool:
            here.watcher("a").request_sync()
            return server.steps["EXAMINE"] > before + 1

        await until(here, was_met_twice)
        server.faults.clear()
        here.watcher("a").request_reconnect()
        await check_nothing_was_taken_away(here, [*OLD, "during"])
        cursor = (await here.mailboxes.cursors("a"))["INBOX"]
        assert (cursor.uid_validity, cursor.messages) == (7, 4)


STRANGE_LISTS = {
    "empty": without(rb"\* LIST .*\r\n"),
    "truncated": without(rb'\* LIST .*"Work"\r\n'),
    "cut in a name": instead(rb'"Work"', b'"Wo'),
    "names of nothing": instead(rb'"Work"', b'""'),
    "other case": instead(rb'"INBOX"', b'"inbox"'),
    "nil delimiter": instead(rb'"/"', b"NIL"),
    "twice": instead(rb"(\* LIST .*\r\n)", rb"\1\1"),
    "not there": instead(rb"LIST \(\)", b"LIST (\\NonExistent)"),
}


@pytest.mark.parametrize("name", STRANGE_LISTS)
async def test_a_strange_list_deletes_no_mailbox(store: Store, name: str) -> None:
    async with watched(store) as (here, server):
        server.faults["LIST"] = bent(STRANGE_LISTS[name])
        before = server.steps["LIST"]
        here.watcher("a").request_sync()
        # Often enough for whatever counts as proof.
        for more in range(1, 6):
            await until(here, lambda more=more: server.steps["LIST"] >= before + more)
            here.watcher("a").request_sync()
        server.faults.clear()
        await server.deliver("work", "Work")
        await check_nothing_was_taken_away(here, [*OLD, "work"])
        assert await here.told("a", "mailboxNew") == []


NEWS = [b"* 3 EXPUNGE", b"* 99 EXISTS", b"* 1 FETCH (FLAGS (\\Seen))", b"* 77 FETCH (UID 9)",
        b"* VANISHED 1:3", b"* 0 EXPUNGE", b"* 4294967295 EXPUNGE"]  # fmt: skip


@pytest.mark.parametrize("news", NEWS)
async def test_news_that_are_not_true_are_looked_into_and_not_believed(
    store: Store, news: bytes
) -> None:
    async with watched(store) as (here, server):
        await server.say(news)
        await server.deliver("after")
        await check_nothing_was_taken_away(here, [*OLD, "after"])


@pytest.mark.parametrize("step", ["LIST", "STATUS", "EXAMINE", "UID FETCH", "IDLE", "DONE"])
async def test_changes_during_any_step_are_told_once(store: Store, step: str) -> None:
    async with watched(store) as (here, server):
        box = server.boxes["INBOX"]
        is_done = False

        async def change(peer: Peer, answer: bytes) -> None:
            nonlocal is_done
            news = b""
            if not is_done and peer.open_box == "INBOX":
                is_done = True
                box.modseq += 1
                del box.messages[1]
                box.add("injected")
                message = box.messages[2]
                message.flags, message.modseq = ("\\Seen",), box.modseq
                news = b"* 1 EXPUNGE\r\n* 3 EXISTS\r\n* 1 FETCH (UID 2 FLAGS (\\Seen))\r\n"
            await peer.send(answer + news if step == "IDLE" else news + answer)

        server.faults[step] = change
        await server.deliver("during")
        here.watcher("a").request_sync()
        await until(here, lambda: is_done)
        server.faults.clear()
        await here.until_told("a", "messageNew", 5)
        await here.until_told("a", "messageUpdated")
        await here.until_told("a", "messageDeleted")
        await here.sync("a")
        assert await here.subjects("a") == sorted([*OLD, "during", "injected"])
        (gone,) = await here.told("a", "messageDeleted")
        (updated,) = await here.told("a", "messageUpdated")
        assert (gone.data["uid"], updated.data["uid"]) == (1, 2)
        assert updated.data["changes"]["flags"]["value"] == ["\\Seen"]


async def test_a_round_reaches_a_mailbox_whose_own_connection_is_told_nothing(
    store: Store,
) -> None:
    async with scripted_imapd() as server, world(store) as here:
        account = imap_account("a", "u", server.port, subconnections=("Work",))
        await here.register(msgspec.structs.replace(account, notify_from=LONG_AGO))
        await until(here, lambda: sum(peer.is_idling for peer in server.peers) == 2)
        server.boxes["Work"].add("untold")
        here.watcher("a").request_sync()
        (event,) = await here.until_told("a", "messageNew")
        assert (event.path, event.data["subject"]) == ("Work", "untold")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


CERTIFICATES = {
    "expired": "CERT_HAS_EXPIRED",
    "wrong-host": "ERR_TLS_CERT_ALTNAME_INVALID",
    "self-signed": "DEPTH_ZERO_SELF_SIGNED_CERT",
}


@pytest.fixture
def _trusting(monkeypatch: pytest.MonkeyPatch, authority: Authority) -> Iterator[None]:
    """The authority is one of those that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    tls._context.cache_clear()
    yield
    tls._context.cache_clear()


def with_tls(account: Account, *, is_strict: bool) -> Account:
    assert account.imap is not None
    options = TlsOptions(reject_unauthorized=is_strict)
    return msgspec.structs.replace(account, imap=msgspec.structs.replace(account.imap, tls=options))


@pytest.mark.usefixtures("_trusting")
async def test_a_good_certificate_connects(store: Store, authority: Authority) -> None:
    async with scripted_imapd(ScriptedImapd(tls=authority.context("good"))) as server:
        async with world(store) as here:
            await here.register(with_tls(imap_account("a", "u", server.port), is_strict=True))
            await here.until_state("a", "connected")


@pytest.mark.usefixtures("_trusting")
@pytest.mark.parametrize("name", CERTIFICATES)
async def test_a_bad_certificate_is_a_clear_error_and_no_password_is_sent(
    store: Store, authority: Authority, name: str
) -> None:
    server = ScriptedImapd(tls=authority.context(name))
    async with scripted_imapd(server), world(store) as here:
        account = imap_account("a", "u", server.port)
        await here.register(with_tls(account, is_strict=True))
        (event,) = await here.until_told("a", "connectError")
        assert event.data["serverResponseCode"] == CERTIFICATES[name]
        await until(here, lambda: server.connections > 2)
        assert (await here.status("a")).state in ("connecting", "connectError")
        assert server.steps["LOGIN"] == server.steps["AUTHENTICATE"] == 0
        assert len(await here.told("a", "connectError")) == 1
        # The owner of the account says that it is well so.
        await here.accounts.replace(with_tls(account, is_strict=False))
        await here.until_state("a", "connected")
