"""From a connection to the stored protocol log: masked, bounded, and nothing when it is off."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from postroom import logs as process_logs
from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import AuthenticationRefused, ConnectFailed, PostroomError, StoreUnavailable
from postroom.imap.commands import Append, Fetch, Select
from postroom.model.account import Account, Credentials
from postroom.model.account import ImapServer as Server
from postroom.model.secret import MASK, Secret
from postroom.providers.imap.connect import ConnectOptions, connect
from postroom.providers.imap.logbook import MOST_UNWRITTEN, LogBook, LogSettings
from postroom.providers.roads import MailRules
from tests.fakes.clock import FakeClock
from tests.fakes.dovecot import free_port, message
from tests.unit.net.test_transcript import unfolded
from tests.unit.providers.imap.test_connect import listening

CLOCK = SystemClock()
CANARY = "c4nary-s3cret"


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


class Kept:
    """Where a log book writes."""

    def __init__(self) -> None:
        self.lines: dict[str, list[dict[str, str]]] = {}
        self.writes = 0
        self.is_away = False

    async def append(self, account: str, lines: list[bytes], most: int, /) -> None:
        self.writes += 1
        if self.is_away:
            raise StoreUnavailable("away")
        self.lines.setdefault(account, []).extend(map(json.loads, lines))


@pytest_asyncio.fixture
async def server() -> AsyncIterator[ImapServer]:
    mail = MailStore()
    mail.add_account("u", CANARY)
    mail.deliver("u", message("hidden words"))
    started = ImapServer(mail)
    await started.start()
    yield started
    await started.stop()


def account(port: int, *, password: str = CANARY, token: str = "", logs: bool = True) -> Account:
    credentials = Credentials(
        user="u",
        password=None if token else Secret(password),
        access_token=Secret(token) if token else None,
    )
    where = Server(host="127.0.0.1", port=port, auth=credentials)
    return Account(account="a", logs=logs, imap=where)


async def logged(who: Account, settings: LogSettings = LogSettings()) -> list[dict[str, str]]:
    """What the log of one connection holds, whatever becomes of it."""
    kept = Kept()
    book = LogBook(kept, CLOCK)
    options = ConnectOptions(logbook=book, logs=settings)
    try:
        connection = await connect(who, clock=CLOCK, deadline=soon(), options=options)
        await connection.run(Append("INBOX", message("also hidden")), soon())
        await connection.run(Select("INBOX"), soon())
        await connection.run(Fetch("1:*", "(UID BODY.PEEK[])"), soon())
        await connection.logout(soon())
    except PostroomError:
        pass
    await book.close()
    return kept.lines.get("a", [])


async def test_a_connection_is_told_from_its_beginning_to_its_end(server: ImapServer) -> None:
    lines = await logged(account(server.port))
    text = [f"{line['direction']}: {line['text']}" for line in lines]
    assert text[0] == f"note: connected to 127.0.0.1:{server.port}"
    assert text[1].startswith("server: * OK")
    assert any(one.endswith(MASK) and one.startswith("client: P1 ") for one in text)
    assert any("client: P" in one and "SELECT INBOX" in one for one in text)
    assert any(one.startswith("server: * 1 FETCH (UID 1 BODY[] {") for one in text)
    assert len({line["connection"] for line in lines}) == 1
    shown = json.dumps(lines)
    assert CANARY not in shown
    assert "hidden" not in shown


async def test_nothing_is_written_while_logs_are_off(server: ImapServer) -> None:
    off = account(server.port, logs=False)
    assert await logged(off) == []
    assert await logged(off, LogSettings(is_all=True))
    assert await logged(off, LogSettings(is_all=True, most_lines=0)) == []


@pytest.mark.parametrize(
    "offered", ["", "AUTH=PLAIN", "AUTH=PLAIN SASL-IR", "LOGINDISABLED AUTH=LOGIN"]
)
@pytest.mark.parametrize("answer", ["echo", "encoded", "continue"])
async def test_a_canary_is_in_no_line_whatever_the_server_makes_of_it(
    offered: str, answer: str
) -> None:
    told = {
        "echo": f"TAG NO what is {CANARY}",
        "encoded": "TAG NO " + base64.b64encode(f"\0u\0{CANARY}".encode()).decode(),
        "continue": "+ VXNlcm5hbWU6",
    }[answer]
    for secret in ({"password": CANARY}, {"token": CANARY}):
        async with listening(f"{offered} AUTH=XOAUTH2", {"LOGIN|AUTH|[A-Za-z0-9+/=]+$": told}) as (
            port,
            _,
        ):
            kept = Kept()
            book = LogBook(kept, CLOCK)
            with pytest.raises((AuthenticationRefused, ConnectFailed)):
                await connect(
                    account(port, **secret),
                    clock=CLOCK,
                    deadline=Deadline.after(CLOCK, 0.5),
                    options=ConnectOptions(logbook=book),
                )
            await book.close()
        shown = json.dumps(kept.lines)
        assert MASK in shown
        assert CANARY not in shown
        assert b"c4nary" not in unfolded(shown)


async def test_a_connection_that_cannot_be_made_says_why() -> None:
    lines = await logged(account(free_port()))
    assert [line["text"].split(" (")[0] for line in lines] == ["connect ECONNREFUSED"]


async def test_lines_are_written_in_batches_and_bounded(clock: FakeClock) -> None:
    kept = Kept()
    book = LogBook(kept, clock)
    for number in range(MOST_UNWRITTEN + 50):
        book.write("a", "c", 100, "server", str(number))
    book.write("b", "c", 100, "server", "other")
    assert kept.writes == 0
    await asyncio.sleep(0)
    await clock.advance(2)
    assert kept.writes == 2
    assert kept.lines["a"][0]["text"] == "50 lines were left out"
    assert kept.lines["a"][1]["text"] == "50"
    assert len(kept.lines["a"]) == MOST_UNWRITTEN + 1
    assert kept.lines["b"][0]["text"] == "other"
    # Nothing is left running while nothing is said.
    await asyncio.sleep(0)
    assert book._writer is not None
    assert book._writer.done()


async def test_a_store_that_is_away_costs_lines_and_nothing_else(clock: FakeClock) -> None:
    kept = Kept()
    kept.is_away = True
    book = LogBook(kept, clock)
    book.write("a", "c", 100, "server", "lost")
    await asyncio.sleep(0)
    await clock.advance(2)
    kept.is_away = False
    book.write("a", "c", 100, "server", "kept")
    await book.close()
    assert [line["text"] for line in kept.lines["a"]] == ["kept"]


@pytest.mark.parametrize(
    ("value", "settings"),
    [
        (None, LogSettings()),
        ({}, LogSettings()),
        ({"all": True}, LogSettings(is_all=True)),
        ({"maxLogLines": 0}, LogSettings(most_lines=0)),
        ("nonsense", LogSettings()),
    ],
)
def test_the_setting_may_leave_out_anything(value: object, settings: LogSettings) -> None:
    assert LogSettings.of(value) == settings


async def test_the_raw_log_has_every_byte_of_both_directions(
    server: ImapServer, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ConnectOptions(rules=MailRules(logs_raw=True))
    process_logs.configure("trace")
    try:
        connection = await connect(
            account(server.port, logs=False), clock=CLOCK, deadline=soon(), options=options
        )
        await connection.run(Append("INBOX", message(text="x" * 10_000)), soon())
        await connection.close()
    finally:
        process_logs.configure("warn")
    rows = [json.loads(row) for row in capsys.readouterr().out.splitlines()]
    raw = "".join(row["data"] for row in rows if row["msg"] == "imap.raw")
    assert {row["direction"] for row in rows if row["msg"] == "imap.raw"} == {"client", "server"}
    assert "x" * 10_000 in raw.replace("=\r\n", "")
