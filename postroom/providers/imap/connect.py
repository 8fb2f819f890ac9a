"""Opening a ready connection for an account: dial, log in, introduce ourselves, enable, compress.

Used by the watcher for its primary connection and by answering for command connections. They
differ in what they need: QRESYNC tells a watcher what vanished while it was away; compression pays
where mails are read, and costs some 75 KB a connection, more than an idle account may have.
Only the server's own refusal of the credentials is an AuthenticationRefused; everything else is
a ConnectFailed, so that a timeout never disables an account (invariant I5).
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from postroom import __version__
from postroom.clock import Clock, Deadline
from postroom.errors import ConnectFailed, PostroomError
from postroom.imap.commands.enable import Enable
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.id import Id
from postroom.imap.errors import AnswerUnreadable, ImapRefused
from postroom.imap.types import Unsolicited
from postroom.model.account import Account, Credentials, ImapServer
from postroom.model.ids import new_connection_id
from postroom.net.imap import ImapConnection, Terms
from postroom.net.transcript import MaskedTranscript, RawTranscript, Transcript
from postroom.providers.imap.logbook import LogBook, LogSettings
from postroom.providers.roads import ROAD_SETTINGS, MailRules, RoadSettings, imap_road
from postroom.store.settings import Settings

# Greeting, TLS, login and ID together; a server slower than this is as good as down.
CONNECT_TIMEOUT_S = 60.0
_ID_SETTINGS = {
    "imapClientName": "name",
    "imapClientVersion": "version",
    "imapClientVendor": "vendor",
    "imapClientSupportUrl": "support-url",
}
_DEFAULT_ID = {"name": "Postroom", "version": __version__}


# Without the last, IMAP4rev2 (RFC 9051) instead of rev1 where a server has both.
_ENABLED = ("CONDSTORE", "UTF8=ACCEPT", "IMAP4REV2")
# Offered by one and the same server, QRESYNC is asked for together with the others.
_ENABLED_WATCHING = ("CONDSTORE", "QRESYNC", "UTF8=ACCEPT", "IMAP4REV2")


class Use(enum.Enum):
    """What a connection is opened for."""

    WATCHING = enum.auto()
    ANSWERING = enum.auto()


@dataclass(frozen=True, slots=True)
class ConnectOptions:
    """What the runtime settings say about IMAP connections."""

    # The fields of the ID command (RFC 2971).
    client: Mapping[str, str] = field(default_factory=lambda: dict(_DEFAULT_ID))
    # Setting ignoreMailCertErrors: accept a bad certificate unless the account says otherwise.
    accepts_any_certificate: bool = False
    road: RoadSettings = RoadSettings()
    rules: MailRules = MailRules()
    logs: LogSettings = LogSettings()
    # Where protocol logs are written; None where nobody keeps them.
    logbook: LogBook | None = None


async def read_options(
    settings: Settings, rules: MailRules = MailRules(), logbook: LogBook | None = None
) -> ConnectOptions:
    """The options as set now."""
    values = await settings.get_many(
        [*_ID_SETTINGS, *ROAD_SETTINGS, "ignoreMailCertErrors", "logs"]
    )
    chosen = {field: values.get(name) for name, field in _ID_SETTINGS.items()}
    client = {name: str(value) for name, value in chosen.items() if value} or dict(_DEFAULT_ID)
    accepts_any = bool(values.get("ignoreMailCertErrors"))
    logs = LogSettings.of(values.get("logs"))
    return ConnectOptions(client, accepts_any, RoadSettings.of(values), rules, logs, logbook)


async def connect(
    account: Account,
    *,
    clock: Clock,
    deadline: Deadline,
    options: ConnectOptions | None = None,
    on_unsolicited: Callable[[Unsolicited], None] | None = None,
    use: Use = Use.WATCHING,
) -> ImapConnection:
    """A logged-in connection. Raises ConnectFailed or AuthenticationRefused."""
    chosen = options or ConnectOptions()
    server, credentials = _login_data(account)
    terms = _terms(account, credentials, chosen)
    try:
        connection = await ImapConnection.open(
            server,
            clock=clock,
            deadline=deadline,
            verify=_verifies(server, chosen),
            terms=terms,
            on_unsolicited=on_unsolicited,
        )
    except PostroomError as error:
        for transcript in terms.transcripts:
            transcript.noted(error.text)
        raise
    try:
        await connection.login(credentials, deadline)
        async with connection.setting_up():
            if connection.has("ID"):
                await _tolerated(connection, Id(dict(chosen.client)), deadline)
            await _enable(connection, _wanted(server, use), deadline)
            if use is Use.ANSWERING and chosen.rules.compresses:
                await _compress(connection, deadline)
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


def _terms(account: Account, credentials: Credentials, options: ConnectOptions) -> Terms:
    rules = options.rules
    road = imap_road(account, options.road, rules)
    transcripts = tuple(_transcripts(account, credentials, options))
    return Terms(rules.floor, road, rules.silence_s, transcripts)


def _transcripts(
    account: Account, credentials: Credentials, options: ConnectOptions
) -> Iterator[Transcript]:
    logs, book, name = options.logs, options.logbook, account.account
    is_logged = book is not None and (account.logs or logs.is_all) and logs.most_lines > 0
    if not is_logged and not options.rules.logs_raw:
        return
    # Says which lines belong together, and nothing else.
    connection = new_connection_id()
    if book is not None and is_logged:
        secrets = [one for one in (credentials.password, credentials.access_token) if one]
        write = partial(book.write, name, connection, logs.most_lines)
        yield MaskedTranscript(write, secrets)
    if options.rules.logs_raw:
        yield RawTranscript(name, connection)


def _verifies(server: ImapServer, options: ConnectOptions) -> bool:
    if server.tls is not None:
        return server.tls.reject_unauthorized
    return not options.accepts_any_certificate


def _wanted(server: ImapServer, use: Use) -> tuple[str, ...]:
    names = _ENABLED_WATCHING if use is Use.WATCHING else _ENABLED
    return tuple(name for name in names if name != "IMAP4REV2" or not server.disable_imap4rev2)


async def _enable(connection: ImapConnection, names: tuple[str, ...], deadline: Deadline) -> None:
    """Enable what is offered, in one round trip; a server that refuses that is asked one by one."""
    offered = tuple(name for name in names if connection.has(name))
    if not offered or not connection.has("ENABLE"):
        return
    if not await _tolerated(connection, Enable(offered), deadline) and len(offered) > 1:
        for name in offered:
            await _tolerated(connection, Enable((name,)), deadline)


async def _compress(connection: ImapConnection, deadline: Deadline) -> None:
    if connection.has("COMPRESS=DEFLATE"):
        try:
            await connection.compress(deadline)
        except ImapRefused:
            return


async def _tolerated(connection: ImapConnection, command: Command[Any], deadline: Deadline) -> bool:
    """Whether the command succeeded; a refusal costs nothing but the extension."""
    try:
        await connection.run(command, deadline)
    except (ImapRefused, AnswerUnreadable):
        return False
    return True
