"""Sending through the Sending power against a real SMTP server."""

from __future__ import annotations

import asyncio
import base64
import datetime
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from postroom.clock import Deadline, SystemClock
from postroom.model.account import Account, Credentials, SmtpServer, TlsOptions
from postroom.model.secret import Secret
from postroom.providers.interface import Accepted, NotAccepted, Sendable
from postroom.providers.smtp.sending import SmtpSending, own_message_id
from tests.fakes.smtp_sink import SmtpSink

MESSAGE = Sendable("<a@b>", "me@example.com", ("you@example.org",), b"Subject: x\r\n\r\n.dot\r\n")


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    started = await SmtpSink().start()
    yield started
    await started.stop()


@pytest_asyncio.fixture
async def sending() -> AsyncIterator[SmtpSending]:
    opened = SmtpSending(SystemClock())
    yield opened
    await opened.close()


def account(port: int, *, host: str = "127.0.0.1", must_verify: bool = True) -> Account:
    return Account(
        account="a",
        smtp=SmtpServer(
            host=host,
            port=port,
            auth=Credentials(user="me", password=Secret("right")),
            tls=TlsOptions(reject_unauthorized=must_verify),
        ),
    )


async def send(
    sending: SmtpSending, to: Account, message: Sendable = MESSAGE, seconds: float = 5
) -> Accepted | NotAccepted:
    return await sending.send(to, message, Deadline.after(SystemClock(), seconds))


async def test_the_connection_is_kept_for_the_next_message(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    for _ in range(3):
        assert isinstance(await send(sending, account(sink.port)), Accepted)
    assert sink.connections == 1
    assert sink.messages[0].raw == b"Subject: x\r\n\r\n.dot\r\n"


async def test_a_kept_connection_that_the_server_closed_is_replaced(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    await send(sending, account(sink.port))
    sink.drop_connections()
    assert isinstance(await send(sending, account(sink.port)), Accepted)
    assert len(sink.messages) == 2


async def test_a_refusal_leaves_the_connection_clean(sink: SmtpSink, sending: SmtpSending) -> None:
    sink.refused = {"you@example.org": "550 no"}
    outcome = await send(sending, account(sink.port))
    assert isinstance(outcome, NotAccepted)
    assert (outcome.code, outcome.response_code, outcome.command) == ("EENVELOPE", 550, "RCPT TO")
    sink.refused = {}
    assert isinstance(await send(sending, account(sink.port)), Accepted)
    assert sink.connections == 1


async def test_the_login_is_used(sink: SmtpSink, sending: SmtpSending) -> None:
    sink.credentials = ("me", "right")
    assert isinstance(await send(sending, account(sink.port)), Accepted)
    assert sink.messages[0].user == "me"


async def test_starttls_is_used_when_offered_and_verified(
    sink: SmtpSink, sending: SmtpSending, tmp_path: Path
) -> None:
    sink.tls_context = self_signed(tmp_path)
    refused = await send(sending, account(sink.port))
    assert isinstance(refused, NotAccepted)
    assert refused.code == "ETLS"
    assert sink.messages == []
    assert isinstance(await send(sending, account(sink.port, must_verify=False)), Accepted)


async def test_failures_have_the_codes_of_the_contract(sending: SmtpSending) -> None:
    away = await send(sending, account(1))
    assert isinstance(away, NotAccepted)
    assert away.code == "ECONNECTION"
    nowhere = await send(sending, account(25, host="does-not-exist.invalid"))
    assert isinstance(nowhere, NotAccepted)
    assert nowhere.code in {"EDNS", "ETIMEDOUT"}
    without = await send(sending, Account(account="a"))
    assert isinstance(without, NotAccepted)
    assert without.code == "ENOAUTH"


async def test_a_silent_server_times_out_and_after_data_it_is_unknown(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    sink.hold = asyncio.Event()
    outcome = await send(sending, account(sink.port), seconds=0.5)
    assert isinstance(outcome, NotAccepted)
    assert outcome.code == "ETIMEDOUT"
    assert outcome.is_unknown


@pytest.mark.parametrize("reply", [b"garbage\r\n", b"220 hi\r\n", b"\x00\xff\r\n", b""])
async def test_any_greeting_is_survived(sending: SmtpSending, reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    outcome = await send(sending, account(server.sockets[0].getsockname()[1]))
    assert isinstance(outcome, NotAccepted)
    assert not outcome.is_unknown
    server.close()


async def test_nothing_is_transmitted_when_the_mark_before_data_fails(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    async def lost() -> bool:
        return False

    message = Sendable("<a@b>", "me@example.com", ("you@example.org",), b"x", lost)
    assert isinstance(await send(sending, account(sink.port), message), NotAccepted)
    assert sink.messages == []
    assert isinstance(await send(sending, account(sink.port)), Accepted)


async def test_internationalised_addresses_are_sent_as_utf8(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    message = Sendable("<a@b>", "me@example.com", ("j\u00fcrgen@example.org",), b"x")
    assert isinstance(await send(sending, account(sink.port), message), Accepted)
    assert sink.messages[0].recipients == ["j\u00fcrgen@example.org"]


async def test_an_address_with_a_line_break_never_reaches_the_wire(
    sink: SmtpSink, sending: SmtpSending
) -> None:
    message = Sendable("<a@b>", "me@example.com", ("a@b.c>\r\nRCPT TO:<x@y.z",), b"x")
    outcome = await send(sending, account(sink.port), message)
    assert isinstance(outcome, NotAccepted)
    assert sink.messages == []


@pytest.mark.parametrize(
    ("host", "response", "own"),
    [
        (
            "smtp.office365.com",
            "250 2.0.0 OK <AB1@AM0.eurprd01.prod.outlook.com> [Hostname=x]",
            "<AB1@AM0.eurprd01.prod.outlook.com>",
        ),
        (
            "email-smtp.eu-west-1.amazonaws.com",
            "250 Ok 0102-abc-000000",
            "<0102-abc-000000@eu-west-1.amazonses.com>",
        ),
        (
            "email-smtp.us-east-1.amazonaws.com",
            "250 Ok 0102-abc-000000",
            "<0102-abc-000000@email.amazonses.com>",
        ),
        ("smtp.example.com", "250 Ok 0102-abc-000000", None),
    ],
)
def test_ids_that_servers_give_are_picked_up(host: str, response: str, own: str | None) -> None:
    assert own_message_id(host, response) == own


def self_signed(directory: Path) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink.test")])
    start = datetime.datetime(2020, 1, 1)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    path = directory / "sink.pem"
    path.write_bytes(
        certificate.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


@pytest.mark.parametrize("encoding", ["plain", "base64"])
async def test_a_server_that_repeats_the_login_leaks_no_password(
    sending: SmtpSending, encoding: str
) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        while line := await reader.readline():
            word = line.split()[0].upper()
            if word == b"EHLO":
                writer.write(b"250-hello\r\n250 AUTH PLAIN\r\n")
            elif word == b"AUTH":
                said = line.split()[-1]
                if encoding == "plain":
                    said = base64.b64decode(said).replace(b"\0", b" ")
                writer.write(b"535 I do not know " + said + b"\r\n")
            else:
                writer.write(b"221 bye\r\n")
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        outcome = await send(sending, account(port))
    assert isinstance(outcome, NotAccepted)
    assert (outcome.code, outcome.response_code) == ("EAUTH", 535)
    assert "I do not know" in (outcome.response or "")
    told = outcome.text + (outcome.response or "")
    assert "right" not in told
    assert base64.b64encode(b"\0me\0right").decode() not in told
