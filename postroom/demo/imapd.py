"""A small IMAP server over a `MailStore`, on the sans-IO server side of `imap`.

One task per connection reads commands and answers them from literal tables, one table per state of
RFC 9051 3. News are told by comparing what the session last told with what the mailbox now holds
(`View`), at the moments the protocol allows it: after a command, and during IDLE at once.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Iterable
from typing import TypeVar

from postroom.demo import imap_mailboxes, imap_messages, imap_notify, imap_search
from postroom.demo.imap_login import log_in_plain, log_in_with_password
from postroom.demo.imap_session import Answer, Session
from postroom.demo.mailstore import MailStore
from postroom.imap.errors import ProtocolViolation
from postroom.imap.framing import Limits
from postroom.imap.reading import parameters, text
from postroom.imap.server import ClientCommand, ServerSide
from postroom.net.listen import Listener
from postroom.net.wire import Wire, WireEnded

CAPABILITIES = (
    *("IMAP4rev1", "AUTH=PLAIN", "SASL-IR", "LITERAL+", "ID", "ENABLE", "IDLE", "NAMESPACE"),
    *("UIDPLUS", "MOVE", "UNSELECT", "SPECIAL-USE", "LIST-EXTENDED", "LIST-STATUS", "CONDSTORE"),
)
# What it can do besides, for tests: NOTIFY, stable ids, and (with `demo.gmail`) labels.
EXTENSIONS = (
    *("QRESYNC", "ESEARCH", "PARTIAL", "NOTIFY", "OBJECTID", "UTF8=ACCEPT", "X-GM-EXT-1"),
    "APPENDLIMIT",
)
# A client that holds its connection open without a word (RFC 9051 5.4: at least 30 minutes).
IDLE_CONNECTION_S = 1860.0
LIMITS = Limits(line_bytes=1024 * 1024, literal_bytes=imap_mailboxes.MOST_APPENDED_BYTES)

T = TypeVar("T")
Table = dict[str, Callable[[Session, ClientCommand], Answer]]


class ImapServer:
    """Serves a mail store on a port.

    `hidden` capabilities are not offered and their commands not known; `also` are offered as well
    (of EXTENSIONS).
    """

    def __init__(
        self,
        mailstore: MailStore,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        hidden: Iterable[str] = (),
        also: Iterable[str] = (),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._store = mailstore
        self._host = host
        self._wanted_port = port
        self._tls = tls
        offered = dict.fromkeys((*CAPABILITIES, *also))
        self._capabilities = tuple(name for name in offered if name not in set(hidden))
        self._listener = Listener(self._serve)
        self._wires: set[Wire] = set()

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def connections(self) -> int:
        """How many clients are connected."""
        return len(self._wires)

    async def start(self) -> int:
        """Listen; the port."""
        await self._listener.open(self._host, self._wanted_port, self._tls)
        return self._listener.port

    async def stop(self) -> None:
        """End every connection and stop listening."""
        await self._listener.close()

    def drop_connections(self) -> None:
        """Cut every connection without a word, as a failing network does."""
        for wire in tuple(self._wires):
            wire.abort()

    async def _serve(self, wire: Wire) -> None:
        self._wires.add(wire)
        session = Session(self._store, self._capabilities)
        try:
            await _Dialogue(wire, session).run()
        finally:
            session.end()
            self._wires.discard(wire)


class _Dialogue:
    """Reads commands from one connection and writes the answers."""

    def __init__(self, wire: Wire, session: Session) -> None:
        self._wire = wire
        self._session = session
        self._side = ServerSide(LIMITS)
        self._news = asyncio.Event()
        self._is_idling = False

    async def run(self) -> None:
        """Greet, and answer until the client has gone."""
        pushing = asyncio.create_task(self._push())
        try:
            await self._talk()
        finally:
            pushing.cancel()

    async def _talk(self) -> None:
        names = " ".join(self._session.capabilities)
        await self._wire.write(f"* OK [CAPABILITY {names}] Postroom demo ready\r\n".encode())
        try:
            while not self._session.is_over:
                await self._step()
        except (ProtocolViolation, TimeoutError):
            await self._wire.write(b"* BYE That was no IMAP, or too late\r\n")
        # Waiting for the client to close keeps the last answer from being lost in a reset.
        await self._wire.close(1.0)

    async def _step(self) -> None:
        command = await self._next(self._side.next_command)
        if command.name == "IDLE" and "IDLE" in self._session.capabilities:
            await self._idle(command)
        elif command.name == "AUTHENTICATE":
            await self._authenticate(command)
        else:
            answer = _answer(self._session, command)
            if self._session.reporter is not None:
                self._session.reporter.wake = self._news.set
            await self._finish(command, answer)

    async def _next(self, read: Callable[[], T | None]) -> T:
        """What `read` gives once enough has come; literals are asked for on the way."""
        while True:
            found = read()
            for _ in range(self._side.literals_to_ask()):
                await self._wire.write(b"+ OK\r\n")
            if found is not None:
                return found
            async with asyncio.timeout(IDLE_CONNECTION_S):
                self._side.feed(await self._wire.read())

    async def _finish(self, command: ClientCommand, answer: Answer) -> None:
        await self._wire.write(answer.encoded(command.tag))

    async def _authenticate(self, command: ClientCommand) -> None:
        response = text(command.arguments[1]) if len(command.arguments) > 1 else None
        if response is None:
            await self._wire.write(b"+ \r\n")
            response = (await self._next(self._side.next_line)).decode("latin-1")
        await self._finish(command, log_in_plain(self._session, command, response))

    async def _idle(self, command: ClientCommand) -> None:
        await self._wire.write(b"+ idling\r\n")
        self._is_idling = True
        self._session.listen(self._news.set)
        self._news.set()
        try:
            line = await self._next(self._side.next_line)
        finally:
            self._is_idling = False
            self._session.listen(None)
        is_done = line.strip().upper() == b"DONE"
        status = "OK Idle ended" if is_done else "BAD Expected DONE"
        await self._finish(command, Answer(status, self._session.news()))

    async def _push(self) -> None:
        """Tell news when they happen: all of them during IDLE, those of NOTIFY at any time."""
        while True:
            await self._news.wait()
            self._news.clear()
            reporter = self._session.reporter
            if self._is_idling:
                lines = self._session.news()
            else:
                lines = reporter.lines() if reporter is not None else []
            if lines:
                try:
                    await self._wire.write(b"".join(lines))
                except WireEnded:
                    return


def _answer(session: Session, command: ClientCommand) -> Answer:
    """The answer by the tables; an error of one command is its answer."""
    if session.user is None:
        handler = _ANY.get(command.name) or _BEFORE_LOGIN.get(command.name)
    else:
        handler = _ANY.get(command.name) or _AFTER_LOGIN.get(command.name)
    if handler is None:
        handler = _SELECTED.get(command.name) if session.view is not None else None
    needed = _NEEDS.get(command.name)
    if handler is None or (needed is not None and not session.has(needed)):
        return Answer("BAD Unknown command, or not now")
    try:
        answer = handler(session, command)
    except ProtocolViolation as wrong:
        return Answer(f"BAD {wrong.text}")
    except (IndexError, ValueError):
        return Answer("BAD Missing or malformed argument")
    return answer


def _capability(session: Session, _command: ClientCommand) -> Answer:
    return Answer("OK Done", [session.line("CAPABILITY", *session.capabilities)])


def _noop(session: Session, _command: ClientCommand) -> Answer:
    return Answer("OK Done", session.news())


def _logout(session: Session, _command: ClientCommand) -> Answer:
    session.is_over = True
    return Answer("OK Done", [b"* BYE Good-bye\r\n"])


def _id(session: Session, command: ClientCommand) -> Answer:
    session.client = parameters(command.arguments[0] if command.arguments else None)
    return Answer("OK Done", [session.line("ID", [b"name", b"Postroom demo"])])


_NEEDS = {
    "ENABLE": "ENABLE",
    "NAMESPACE": "NAMESPACE",
    "NOTIFY": "NOTIFY",
    "UNSELECT": "UNSELECT",
    "UID EXPUNGE": "UIDPLUS",
    "MOVE": "MOVE",
    "UID MOVE": "MOVE",
    "ID": "ID",
}
_ANY: Table = {"CAPABILITY": _capability, "NOOP": _noop, "LOGOUT": _logout, "ID": _id}
_BEFORE_LOGIN: Table = {"LOGIN": log_in_with_password}
_AFTER_LOGIN: Table = {
    "ENABLE": imap_mailboxes.enable,
    "NOTIFY": imap_notify.notify,
    "NAMESPACE": imap_mailboxes.namespace,
    "LIST": imap_mailboxes.list_all,
    "LSUB": imap_mailboxes.list_subscribed,
    "STATUS": imap_mailboxes.status,
    "CREATE": imap_mailboxes.create,
    "DELETE": imap_mailboxes.delete,
    "RENAME": imap_mailboxes.rename,
    "SUBSCRIBE": imap_mailboxes.subscribe,
    "UNSUBSCRIBE": imap_mailboxes.unsubscribe,
    "SELECT": imap_mailboxes.select,
    "EXAMINE": imap_mailboxes.examine,
    "APPEND": imap_mailboxes.append,
}
_SELECTED: Table = {
    "CHECK": _noop,
    "CLOSE": imap_messages.close,
    "UNSELECT": imap_messages.unselect,
    "EXPUNGE": imap_messages.expunge,
    "UID EXPUNGE": imap_messages.expunge,
    "FETCH": imap_messages.fetch,
    "UID FETCH": imap_messages.fetch,
    "STORE": imap_messages.store,
    "UID STORE": imap_messages.store,
    "SEARCH": imap_search.search,
    "UID SEARCH": imap_search.search,
    "COPY": imap_messages.copy,
    "UID COPY": imap_messages.copy,
    "MOVE": imap_messages.move,
    "UID MOVE": imap_messages.move,
}
