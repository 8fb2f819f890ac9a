"""Opening a ready connection for an account: dial, log in, introduce ourselves, enable.

Used by the watcher for its primary connection and by answering for command connections.
Only the server's own refusal of the credentials is an AuthenticationRefused; everything else is
a ConnectFailed, so that a timeout never disables an account (invariant I5).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from postroom import __version__
from postroom.clock import Clock, Deadline
from postroom.errors import ConnectFailed
from postroom.imap.commands.enable import Enable
from postroom.imap.commands.id import Id
from postroom.imap.errors import ImapRefused
from postroom.imap.types import Unsolicited
from postroom.model.account import Account, Credentials, ImapServer
from postroom.net.imap import ImapConnection, Terms
from postroom.providers.roads import ROAD_SETTINGS, MailRules, RoadSettings, imap_road
from postroom.store.settings import Settings

# Greeting, TLS, login and ID together; a server slower than this is as good as down.
CONNECT_TIMEOUT_S = 60.0
# Handshakes under way in one process: TLS costs some milliseconds of the event loop each.
MOST_CONNECTING = 50
# Logins at the same time that one server is asked for.
MOST_PER_HOST = 20
_ID_SETTINGS = {
    "imapClientName": "name",
    "imapClientVersion": "version",
    "imapClientVendor": "vendor",
    "imapClientSupportUrl": "support-url",
}
_DEFAULT_ID = {"name": "Postroom", "version": __version__}


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What the runtime settings say about IMAP connections."""

    # The fields of the ID command (RFC 2971).
    client: Mapping[str, str] = field(default_factory=lambda: dict(_DEFAULT_ID))
    # Setting ignoreMailCertErrors: accept a bad certificate unless the account says otherwise.
    accepts_any_certificate: bool = False
    road: RoadSettings = RoadSettings()
    rules: MailRules = MailRules()


class ConnectBudget:
    """How many connections one process opens at a time, in all and to one host (invariant I6).

    Starting a thousand accounts is paced by what servers bear, not by a delay between accounts.
    """

    def __init__(self, most: int = MOST_CONNECTING, most_per_host: int = MOST_PER_HOST) -> None:
        self._all = asyncio.Semaphore(most)
        self._most_per_host = most_per_host
        self._hosts: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def turn(self, host: str) -> AsyncIterator[None]:
        """Wait for a turn to connect to `host`; hosts that nobody waits for are forgotten."""
        semaphore, users = self._hosts.get(host, (asyncio.Semaphore(self._most_per_host), 0))
        self._hosts[host] = (semaphore, users + 1)
        try:
            async with semaphore, self._all:
                yield
        finally:
            semaphore, users = self._hosts.pop(host)
            if users > 1:
                self._hosts[host] = (semaphore, users - 1)


async def read_options(settings: Settings, rules: MailRules = MailRules()) -> ConnectOptions:
    """The options as set now."""
    values = await settings.get_many([*_ID_SETTINGS, *ROAD_SETTINGS, "ignoreMailCertErrors"])
    chosen = {field: values.get(name) for name, field in _ID_SETTINGS.items()}
    client = {name: str(value) for name, value in chosen.items() if value} or dict(_DEFAULT_ID)
    accepts_any = bool(values.get("ignoreMailCertErrors"))
    return ConnectOptions(client, accepts_any, RoadSettings.of(values), rules)


async def connect(
    account: Account,
    *,
    clock: Clock,
    deadline: Deadline,
    options: ConnectOptions | None = None,
    on_unsolicited: Callable[[Unsolicited], None] | None = None,
) -> ImapConnection:
    """A logged-in connection. Raises ConnectFailed or AuthenticationRefused."""
    chosen = options or ConnectOptions()
    server, credentials = _login_data(account)
    connection = await ImapConnection.open(
        server,
        clock=clock,
        deadline=deadline,
        verify=_verifies(server, chosen),
        terms=_terms(account, chosen),
        on_unsolicited=on_unsolicited,
    )
    try:
        await connection.login(credentials, deadline)
        await _introduce(connection, chosen, deadline)
    except BaseException:
        await connection.close()
        raise
    return connection


def _login_data(account: Account) -> tuple[ImapServer, Credentials]:
    server = account.imap
    if server is None or not server.host:
        raise ConnectFailed("The account has no IMAP server", code="ENOTFOUND", is_temporary=False)
    if server.use_auth_server or server.auth is None:
        raise ConnectFailed(
            "The account has no IMAP credentials", code="ENOAUTH", is_temporary=False
        )
    return server, server.auth


def _terms(account: Account, options: ConnectOptions) -> Terms:
    rules = options.rules
    return Terms(rules.floor, imap_road(account, options.road, rules), rules.silence_s)


def _verifies(server: ImapServer, options: ConnectOptions) -> bool:
    if server.tls is not None:
        return server.tls.reject_unauthorized
    return not options.accepts_any_certificate


async def _introduce(
    connection: ImapConnection, options: ConnectOptions, deadline: Deadline
) -> None:
    """ID and ENABLE CONDSTORE; a refusal of either costs nothing but the extension."""
    if connection.has("ID"):
        await _tolerate(connection, Id(dict(options.client)), deadline)
    if connection.has("ENABLE") and connection.has("CONDSTORE"):
        await _tolerate(connection, Enable(("CONDSTORE",)), deadline)


async def _tolerate(connection: ImapConnection, command: Id | Enable, deadline: Deadline) -> None:
    try:
        await connection.run(command, deadline)
    except ImapRefused:
        return
