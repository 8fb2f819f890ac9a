"""A wall clock that jumps: nothing is lost, doubled or done in a rush."""

from __future__ import annotations

import asyncio

import pytest

from postroom.clock import SystemClock
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import MailStore
from postroom.imap.server import ClientCommand
from postroom.providers.imap.watch import WatchLimits
from postroom.store.connection import Store
from tests.fakes.dovecot import message
from tests.unit.accounts.test_injected import bent, flags_as_told
from tests.unit.accounts.watching import imap_account, world

DAY_MS = 24 * 3600 * 1000


class WrongClock(SystemClock):
    """The machine's clock, set wrong by so much."""

    def __init__(self) -> None:
        self.off_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.off_ms


@pytest.mark.parametrize("hidden", [(), ("CONDSTORE",)], ids=["condstore", "plain"])
@pytest.mark.parametrize("jumps", [(10, -20, 5), (-400, 1, 399)])
async def test_a_clock_that_jumps_loses_doubles_and_hurries_nothing(
    monkeypatch: pytest.MonkeyPatch,
    store: Store,
    jumps: tuple[int, ...],
    hidden: tuple[str, ...],
) -> None:
    commands = 0

    def bend(_number: int, _session: Session, _command: ClientCommand, _answer: Answer) -> None:
        nonlocal commands
        commands += 1

    mail = MailStore()
    mail.add_account("u", "secret")
    mail.create("u", "Work")
    clock = WrongClock()
    limits = WatchLimits()
    wanted: dict[str, tuple[str, ...]] = {}
    async with bent(monkeypatch, mail, bend, hidden) as server, world(store, limits, clock) as here:
        await here.register(imap_account("a", "u", server.port))
        await here.until_state("a", "connected")
        for count, days in enumerate((0, *jumps)):
            clock.off_ms += days * DAY_MS
            for path in ("INBOX", "Work"):
                subject = f"{path} {count}"
                uid = mail.deliver("u", message(subject), path)
                mail.mailbox("u", path).set_flags(uid, ("\\Seen",))
                wanted[subject] = ("\\Seen",)
            await here.sync("a")
            # STATUS tells of unseen messages, so any server shows this one.
            wanted["Work 0"] = ("\\Seen",) if count % 2 else ()
            mail.mailbox("u", "Work").set_flags(1, wanted["Work 0"])
            await here.sync("a")

            async def is_told() -> bool:
                return await flags_as_told(here) == wanted

            await here.until(is_told)
            before = commands
            await asyncio.sleep(0.2)
            assert commands <= before + 1
