"""SMTP as a client: one connection, one transaction at a time (RFC 5321), by aiosmtplib.

The only file that knows the library. Every failure is an `SmtpTrouble` with a delivery error code
of the contract (errors.md), the SMTP reply when there was one, and `is_unknown` when the connection
was lost after DATA had begun, so that nobody knows whether the server took the message (I19).
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from aiosmtplib import (
    SMTP,
    SMTPConnectError,
    SMTPException,
    SMTPNotSupported,
    SMTPResponseException,
    SMTPServerDisconnected,
)

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded, PostroomError
from postroom.model.account import TlsOptions
from postroom.model.secret import Secret
from postroom.net.dial import open_socket
from postroom.net.imap_login import masked
from postroom.net.road import Road
from postroom.net.tls import TlsFloor, client_context

# Contract F15: a silent server is given up after two minutes.
SILENCE_LIMIT_S = 120.0
# RFC 5321 4.5.3.2.6: a server may take ten minutes over the end of DATA; giving up sooner would
# send the message twice.
DATA_LIMIT_S = 600.0
CONNECT_LIMIT_S = 30.0
GOODBYE_LIMIT_S = 2.0
# A name server that does not know our own address by then is not waited for.
NAME_LIMIT_S = 2.0
# RFC 5321 4.1.2: neither a path's brackets nor anything that ends a command.
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")


class SmtpTrouble(PostroomError):
    """A failed step of the dialogue; `public_code` is the delivery error code."""

    def __init__(
        self,
        text: str,
        code: str,
        *,
        command: str,
        response_code: int | None = None,
        response: str | None = None,
        is_unknown: bool = False,
    ) -> None:
        super().__init__(text, code=code)
        self.delivery_code = code
        self.command = command
        self.response_code = response_code
        self.response = response
        self.is_unknown = is_unknown


@dataclass(frozen=True, slots=True)
class SmtpTarget:
    """Where to connect and as whom; equal targets may share a connection."""

    host: str
    port: int
    is_secure: bool = False
    must_verify: bool = True
    min_version: str | None = None
    ehlo_name: str | None = None
    # Used when neither the account nor the local address has a name of its own (contract F16).
    usual_ehlo_name: str | None = None
    floor: TlsFloor = TlsFloor()
    road: Road = Road()
    user: str | None = None
    password: Secret | None = None
    access_token: Secret | None = None


@dataclass(frozen=True, slots=True)
class Transaction:
    """One message on the wire."""

    sender: str
    recipients: tuple[str, ...]
    raw: bytes


@dataclass(frozen=True, slots=True)
class Taken:
    """The server's reply to the message, and the recipients that it refused before."""

    response: str
    refused: tuple[tuple[str, SmtpTrouble], ...] = ()


class SmtpConnection:
    """A connection that has said EHLO and logged in."""

    def __init__(self, client: SMTP) -> None:
        self._client = client
        self.sent = 0

    @property
    def is_usable(self) -> bool:
        return self._client.is_connected

    @classmethod
    async def open(cls, target: SmtpTarget, deadline: Deadline) -> SmtpConnection:
        """Connect, secure, greet and log in."""
        client = SMTP(
            hostname=target.host,
            use_tls=target.is_secure,
            start_tls=False,
            tls_context=_tls_context(target),
        )
        try:
            await _connect(client, target, deadline)
            client.timeout = SILENCE_LIMIT_S
            with _explained("EHLO"):
                await client._ehlo_or_helo_if_needed()  # EHLO, else HELO
            if not target.is_secure and client.supports_extension("starttls"):
                with _explained("STARTTLS"):
                    await client.starttls(timeout=_within(deadline, CONNECT_LIMIT_S))
                    await client.ehlo(timeout=_within(deadline))
            await _log_in(client, target, deadline)
        except BaseException:
            client.close()
            raise
        return cls(client)

    async def begin(self, message: Transaction, deadline: Deadline) -> Taken:
        """The envelope: MAIL and RCPT. Tells who was refused; raises when all were.

        Nothing is transmitted yet: `finish` sends the message.
        """
        for address in (message.sender, *message.recipients):
            _refuse_unsafe(address)
        options, encoding = self._options(message)
        with _explained("MAIL FROM"):
            await self._client.mail(
                message.sender,
                options=options,
                encoding=encoding,
                timeout=_within(deadline),
            )
        refused: list[tuple[str, SmtpTrouble]] = []
        for recipient in message.recipients:
            try:
                with _explained("RCPT TO"):
                    await self._client.rcpt(recipient, encoding=encoding, timeout=_within(deadline))
            except SmtpTrouble as trouble:
                if trouble.response_code is None:
                    raise
                refused.append((recipient, trouble))
        if len(refused) == len(message.recipients):
            raise _all_refused(refused)
        return Taken("", tuple(refused))

    async def finish(self, message: Transaction, deadline: Deadline) -> str:
        """DATA: the server's response text. A lost connection from here on is `is_unknown`."""
        with _explained("DATA", is_unknown=True):
            reply = await self._client.data(message.raw, timeout=_within(deadline, DATA_LIMIT_S))
        self.sent += 1
        return f"{reply.code} {reply.message}"

    async def reset(self, deadline: Deadline) -> None:
        """RSET: forget a half-made envelope; closes the connection when that fails."""
        try:
            with _explained("RSET"):
                await self._client.rset(timeout=_within(deadline, GOODBYE_LIMIT_S))
        except (SmtpTrouble, DeadlineExceeded):
            self._client.close()

    def abort(self) -> None:
        """Close at once, without a word."""
        self._client.close()

    async def close(self) -> None:
        """Say goodbye if the server still listens, and close."""
        if self._client.is_connected:
            try:
                with _explained("QUIT"):
                    await self._client.quit(timeout=GOODBYE_LIMIT_S)
            except SmtpTrouble:
                pass
        self._client.close()

    def _options(self, message: Transaction) -> tuple[list[str], str]:
        options: list[str] = []
        if self._client.supports_extension("size"):
            options.append(f"size={len(message.raw)}")
        if not message.raw.isascii() and self._client.supports_extension("8bitmime"):
            options.append("body=8bitmime")
        if all(address.isascii() for address in (message.sender, *message.recipients)):
            return options, "ascii"
        if not self._client.supports_extension("smtputf8"):
            raise SmtpTrouble(
                "The server does not take internationalised addresses",
                "EENVELOPE",
                command="MAIL FROM",
            )
        return [*options, "smtputf8"], "utf-8"


async def _connect(client: SMTP, target: SmtpTarget, deadline: Deadline) -> None:
    """Open the socket by the target's road, let the library have it, choose the EHLO name."""
    # Name, road, TLS and banner together.
    within = Deadline.after(deadline.clock, _within(deadline, CONNECT_LIMIT_S))
    try:
        connected = await open_socket(target.host, target.port, target.road, within)
    except ConnectFailed as error:
        raise _unreachable(error) from error
    try:
        name = target.ehlo_name or await _address_name(target.road, connected)
    except BaseException:
        connected.close()
        raise
    client.local_hostname = _local_name(name or target.usual_ehlo_name)
    with _explained("CONN"):
        await client.connect(sock=connected, timeout=within.remaining_s())


async def _address_name(road: Road, connected: socket.socket) -> str | None:
    """The name of the local address, if one was chosen: as set, else by DNS (contract X1)."""
    place = connected.getsockname()
    # Behind a TLS proxy the socket is one end of a pair and has no address.
    if not place or place[0] not in road.local_addresses:
        return None
    told = dict(road.names).get(place[0])
    if told is not None:
        return told
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(NAME_LIMIT_S):
            name, _ = await loop.getnameinfo(place, socket.NI_NAMEREQD | socket.NI_NUMERICSERV)
    except (OSError, UnicodeError):
        return None
    return name


def _refuse_unsafe(address: str) -> None:
    # The library would repair such an address, that is send to another one.
    if _UNSAFE.search(address):
        raise SmtpTrouble(
            "An address of the envelope cannot be sent", "EENVELOPE", command="MAIL FROM"
        )


async def _log_in(client: SMTP, target: SmtpTarget, deadline: Deadline) -> None:
    # A server that offers no AUTH is used without: it refuses the sender if it minds.
    offered = client.supported_auth_methods
    if target.user is None or not offered:
        return
    try:
        with _explained("AUTH"):
            await _authenticate(client, target, target.user, _within(deadline))
    except SmtpTrouble as trouble:
        raise _without(target.access_token or target.password, trouble) from None


async def _authenticate(client: SMTP, target: SmtpTarget, user: str, within: float) -> None:
    if target.access_token is not None:
        await client.auth_xoauth2(user, target.access_token.reveal(), timeout=within)
        return
    offered = client.supported_auth_methods
    password = target.password.reveal() if target.password else ""
    if "plain" in offered:
        await client.auth_plain(user, password, timeout=within)
    elif "login" in offered:
        await client.auth_login(user, password, timeout=within)
    else:
        await client.login(user, password, timeout=within)


def _without(secret: Secret | None, trouble: SmtpTrouble) -> SmtpTrouble:
    """The same trouble; servers repeat what they did not understand (invariant I26)."""
    response = trouble.response
    return SmtpTrouble(
        masked(trouble.text, secret),
        trouble.delivery_code,
        command=trouble.command,
        response_code=trouble.response_code,
        response=None if response is None else masked(response, secret),
        is_unknown=trouble.is_unknown,
    )


def _tls_context(target: SmtpTarget) -> ssl.SSLContext:
    options = TlsOptions(min_version=target.min_version)
    try:
        return client_context(options, verify=target.must_verify, floor=target.floor)
    except ConnectFailed as error:
        raise SmtpTrouble(error.text, "ETLS", command="CONN") from error


def _unreachable(error: ConnectFailed) -> SmtpTrouble:
    code = {"ENOTFOUND": "EDNS", "ETIMEDOUT": "ETIMEDOUT"}.get(str(error.public_code))
    return SmtpTrouble(f"Can not connect: {error.text}", code or "ECONNECTION", command="CONN")


def _local_name(wanted: str | None) -> str:
    # The library would ask the name server for our own name; the plain host name will do.
    name = wanted or socket.gethostname()
    is_fit = name.isascii() and all(char.isalnum() or char in ".-_[]:" for char in name)
    return name if name and is_fit else "[127.0.0.1]"


def _within(deadline: Deadline, at_most_s: float = SILENCE_LIMIT_S) -> float:
    return min(deadline.remaining_s(), at_most_s)


def _all_refused(refused: list[tuple[str, SmtpTrouble]]) -> SmtpTrouble:
    # One temporary refusal makes the whole attempt temporary: that recipient may still be taken.
    troubles = [trouble for _, trouble in refused]
    worst = min(troubles, key=lambda trouble: trouble.response_code or 0)
    return SmtpTrouble(
        f"Can't send mail - all recipients were rejected: {worst.text}",
        "EENVELOPE",
        command="RCPT TO",
        response_code=worst.response_code,
        response=worst.response,
    )


_CODES = {
    "CONN": "ECONNECTION",
    "EHLO": "EPROTOCOL",
    "STARTTLS": "ETLS",
    "AUTH": "EAUTH",
    "MAIL FROM": "EENVELOPE",
    "RCPT TO": "EENVELOPE",
    "DATA": "EMESSAGE",
}


@contextmanager
def _explained(command: str, *, is_unknown: bool = False) -> Iterator[None]:
    try:
        yield
    except SMTPResponseException as error:
        raise _replied(error, command, is_unknown=is_unknown) from error
    except TimeoutError as error:
        text = f"Timeout: no answer to {command}"
        raise SmtpTrouble(text, "ETIMEDOUT", command=command, is_unknown=is_unknown) from error
    except (SMTPConnectError, SMTPServerDisconnected, OSError) as error:
        code, text = _lost(error, command)
        raise SmtpTrouble(text, code, command=command, is_unknown=is_unknown) from error
    except SMTPNotSupported as error:
        raise SmtpTrouble(str(error), _CODES.get(command, "EPROTOCOL"), command=command) from error
    except (SMTPException, UnicodeError, ValueError) as error:
        # ValueError: the library refuses an address or a name that it cannot put on the wire.
        code = _CODES.get(command, "EPROTOCOL")
        raise SmtpTrouble(str(error), code, command=command, is_unknown=False) from error


def _replied(error: SMTPResponseException, command: str, *, is_unknown: bool) -> SmtpTrouble:
    if error.code < 200:
        # The library's mark of a reply that is not SMTP.
        text = f"Invalid response to {command}"
        return SmtpTrouble(text, "EPROTOCOL", command=command, is_unknown=is_unknown)
    response = f"{error.code} {error.message}"
    return SmtpTrouble(
        f"{command} was refused: {response}",
        _CODES.get(command, "EPROTOCOL") if command != "CONN" else "EPROTOCOL",
        command=command,
        response_code=error.code,
        response=response,
    )


def _lost(error: BaseException, command: str) -> tuple[str, str]:
    reason: BaseException | None = error
    while reason is not None:
        if isinstance(reason, ssl.SSLError):
            return "ETLS", f"TLS failed: {reason.reason or reason}"
        if isinstance(reason, socket.gaierror):
            return "EDNS", "The name of the server does not resolve"
        reason = reason.__cause__
    if command == "CONN":
        return "ECONNECTION", f"Can not connect: {error}"
    return "ESOCKET", f"The connection was lost in {command}"
