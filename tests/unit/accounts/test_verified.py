"""When each mailbox was last known to be as announced (invariant I7)."""

from __future__ import annotations

import pytest

from postroom.clock import Deadline, SystemClock, parse_iso
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.model.operations import ListMailboxes
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.test_injected import bent
from tests.unit.accounts.watching import World, imap_account, world

CLOCK = SystemClock()


async def verified(here: World) -> dict[str, int]:
    """Path -> lastVerified as the interface shows it, in milliseconds."""
    answering = here.runner._held["a"].answering
    assert answering is not None
    told = await answering.list_mailboxes(ListMailboxes(), Deadline.after(CLOCK, 10))
    return {one.path: parse_iso(one.last_verified) for one in told.mailboxes if one.last_verified}


async def test_a_quiet_mailbox_is_verified_by_each_round_and_writes_nothing(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    is_refused = False

    def bend(_number: int, _session: Session, command: ClientCommand, answer: Answer) -> None:
        if is_refused and command.name == "EXAMINE" and command.arguments[0] == "Bad":
            answer.end, answer.lines = "NO [INUSE] Not now", []

    mail = MailStore()
    mail.add_account("u", "secret")
    for path in ("Quiet", "Bad", "Unwatched"):
        mail.create("u", path)
    async with bent(monkeypatch, mail, bend) as server, world(store) as here:
        account = imap_account("a", "u", server.port, path=("INBOX", "Quiet", "Bad"))
        await here.register(account)
        await here.until_state("a", "connected")
        before = await verified(here)
        assert set(before) == {"INBOX", "Quiet", "Bad"}
        is_refused = True
        mail.deliver("u", message("unseen"), "Bad")
        recorded = await here.mailboxes.cursors("a")
        began_ms = CLOCK.now_ms()
        await here.sync("a")
        after = await verified(here)
        assert after["Quiet"] >= began_ms
        assert after["INBOX"] >= began_ms
        assert after["Bad"] == before["Bad"]
        assert (await here.mailboxes.cursors("a"))["Quiet"] == recorded["Quiet"]
        is_refused = False
        await here.sync("a")
        assert (await verified(here))["Bad"] > after["Bad"]
