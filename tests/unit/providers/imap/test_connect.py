"""What a new connection says of itself and switches on, on Dovecot and on servers that refuse."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.imap.commands import Noop, Select
from postroom.model.account import Account, Credentials, ImapServer, TlsOptions
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from postroom.providers.imap.connect import ConnectOptions, Use, connect
from postroom.providers.roads import MailRules
from tests.fakes.dovecot import PASSWORD, running_dovecot

CLOCK = SystemClock()


def account(port: int, *, disable_imap4rev2: bool = False) -> Account:
    server = ImapServer(
        host="127.0.0.1",
        port=port,
        auth=Credentials(user="bob", password=Secret(PASSWORD)),
        tls=TlsOptions(reject_unauthorized=False),
        disable_imap4rev2=disable_imap4rev2,
    )
    return Account(account="a", imap=server)


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


async def connected(
    who: Account, use: Use = Use.WATCHING, rules: MailRules = MailRules()
) -> ImapConnection:
    options = ConnectOptions(rules=rules)
    return await connect(who, clock=CLOCK, deadline=soon(), options=options, use=use)


@asynccontextmanager
async def listening(
    capabilities: str, answers: dict[str, str] | None = None
) -> AsyncIterator[tuple[int, list[str]]]:
    """A server with these capabilities that notes each line and answers OK, or by pattern."""
    said: list[str] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"* OK [CAPABILITY IMAP4rev1 {capabilities}] ready\r\n".encode())
        while line := (await reader.readline()).decode().strip():
            tag, _, command = line.partition(" ")
            said.append(command)
            reply = f"{tag} OK done"
            if command.startswith(("LOGIN", "AUTH")):
                reply = f"{tag} OK [CAPABILITY IMAP4rev1 {capabilities}] in"
            for pattern, answer in (answers or {}).items():
                if re.match(pattern, command):
                    reply = answer.replace("TAG", tag)
            writer.write(f"{reply}\r\n".encode())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], said
    server.close()


@pytest.mark.dovecot
async def test_on_dovecot_a_watcher_has_qresync_and_a_reader_compression() -> None:
    with running_dovecot("protocol imap {\n  mail_plugins = imap_zlib\n}") as dovecot:
        watching = await connected(account(dovecot.port))
        assert watching.enabled >= {"CONDSTORE", "QRESYNC"}
        assert watching._wire._deflated is None
        reading = await connected(account(dovecot.port), Use.ANSWERING)
        assert "QRESYNC" not in reading.enabled
        assert reading._wire._deflated is not None
        await reading.run(Select("INBOX"), soon())
        plain = await connected(account(dovecot.port), Use.ANSWERING, MailRules(compresses=False))
        assert plain._wire._deflated is None
        for connection in (watching, reading, plain):
            await connection.run(Noop(), soon())
            await connection.close()


@pytest.mark.parametrize(
    ("capabilities", "is_off", "enabled"),
    [
        ("", False, []),
        ("CONDSTORE", False, []),
        ("ENABLE", False, []),
        ("ENABLE CONDSTORE QRESYNC UTF8=ACCEPT", False, ["CONDSTORE QRESYNC UTF8=ACCEPT"]),
        ("ENABLE CONDSTORE IMAP4rev2", False, ["CONDSTORE IMAP4REV2"]),
        ("ENABLE CONDSTORE IMAP4rev2", True, ["CONDSTORE"]),
    ],
)
async def test_what_is_offered_is_enabled_by_one_command(
    capabilities: str, is_off: bool, enabled: list[str]
) -> None:
    async with listening(capabilities) as (port, said):
        connection = await connected(account(port, disable_imap4rev2=is_off))
        await connection.close()
    assert [line[7:] for line in said if line.startswith("ENABLE")] == enabled
    # Login and, where there is something to enable, one round trip more.
    assert len(said) == 1 + len(enabled)


@pytest.mark.parametrize("answer", ["TAG NO not today", "TAG BAD what"])
async def test_a_refused_word_costs_only_its_extension(answer: str) -> None:
    answers = {
        "ENABLE.*QRESYNC": answer,
        "ENABLE CONDSTORE$": "* ENABLED CONDSTORE\r\nTAG OK done",
        "ID": answer,
        "COMPRESS": answer,
    }
    offered = "ID ENABLE CONDSTORE QRESYNC COMPRESS=DEFLATE"
    async with listening(offered, answers) as (port, said):
        connection = await connected(account(port))
        assert connection.enabled == {"CONDSTORE"}
        assert [line[7:] for line in said if line.startswith("ENABLE")] == [
            "CONDSTORE QRESYNC",
            "CONDSTORE",
            "QRESYNC",
        ]
        reading = await connected(account(port), Use.ANSWERING)
        assert said[-1] == "COMPRESS DEFLATE"
        await reading.run(Noop(), soon())
        await connection.close()
        await reading.close()
