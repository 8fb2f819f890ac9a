"""The client's end of one IMAP connection, without the connection.

    client.begin(command)              what to send is in client.outgoing()
    news = client.receive(data)        responses go to the command; what it refuses is news
    client.is_busy                     until the tagged response has come
    client.result()                    the command's value, or ImapRefused

One command at a time: pipelining would make it ambiguous which command an untagged response
belongs to (RFC 9051 5.5). After a ProtocolViolation the client is of no further use.
"""

from __future__ import annotations

from typing import Any

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.fetch import FLAGS_LINE, read_flags_line
from postroom.imap.framing import Framer, Limits
from postroom.imap.responses import (
    Capabilities,
    Code,
    Continuation,
    EnabledNow,
    Notice,
    Response,
    Tagged,
    names_of,
    read_response,
    shared_names,
)
from postroom.imap.twins import CHOSEN, Twin
from postroom.imap.types import (
    Alert,
    Bye,
    Exists,
    Expunged,
    Fetched,
    Listed,
    Overflowed,
    Told,
    Unsolicited,
    Vanished,
)

_NEWS = (Fetched, Exists, Expunged, Vanished, Told, Listed)
# Both make mailbox names and strings UTF-8 (RFC 6855 3, RFC 9051 6.3.1).
_UTF8 = frozenset(("UTF8=ACCEPT", "IMAP4REV2"))
# One for all: CPython makes a new empty set each time.
_NONE: frozenset[str] = frozenset()


class ImapClient:
    """State of the dialogue: greeting, capabilities, the command under way."""

    # An installation holds one for each of its thousands of accounts.
    __slots__ = (
        *("_twin", "_framer", "_exchange", "_segments", "_outgoing", "_ended", "_last", "_count"),
        *("_is_sealed", "greeting", "capabilities", "capabilities_told", "enabled", "is_idling"),
        "bye",
    )

    def __init__(self, limits: Limits = Limits(), twin: Twin = CHOSEN) -> None:
        self._twin = twin
        self._framer = Framer(limits)
        self._exchange: Exchange[Any] | None = None
        self._segments: tuple[bytes, ...] = ()
        self._outgoing = bytearray()
        self._ended: Tagged | None = None
        self._last: Exchange[Any] | None = None
        self._count = 0
        # True from the tagged OK of STARTTLS or COMPRESS to `begin_tls` or `begin_compressed`.
        self._is_sealed = False
        self.greeting: Notice | None = None
        self.capabilities: frozenset[str] = _NONE
        # Grows with each capability list that the server sends, by itself or asked for.
        self.capabilities_told = 0
        self.enabled: frozenset[str] = _NONE
        self.is_idling = False
        self.bye: str | None = None

    @property
    def is_busy(self) -> bool:
        """Whether a command waits for its tagged response."""
        return self._exchange is not None

    @property
    def offered(self) -> Offered:
        """What commands are written for."""
        return Offered(self.capabilities, self.is_utf8)

    @property
    def is_utf8(self) -> bool:
        """Whether mailbox names are UTF-8 and no longer modified UTF-7."""
        return not _UTF8.isdisjoint(self.enabled)

    def begin(self, command: Command[Any]) -> None:
        """Start a command; its first segment is ready to be sent."""
        if self._exchange is not None:
            raise RuntimeError("a command is already under way")
        exchange = command.start(self.offered)
        self._count += 1
        self._exchange = self._last = exchange
        self._ended = None
        first, self._segments = exchange.segments[0], exchange.segments[1:]
        self._outgoing += b"P%d " % self._count + first

    def outgoing(self) -> bytes:
        """What is to be sent now; the next call gives only what came after."""
        data = bytes(self._outgoing)
        self._outgoing.clear()
        return data

    def stop_idle(self) -> None:
        """End IDLE; the command ends with the server's tagged response."""
        if self.is_idling:
            self.is_idling = False
            self._outgoing += b"DONE\r\n"

    def result(self) -> Any:
        """The value of the command that has just ended, once; raises ImapRefused."""
        ended, last = self._ended, self._last
        if ended is None or last is None:
            raise RuntimeError("no command has ended")
        # What was listed belongs to the caller now.
        self._ended = self._last = None
        if ended.status == "OK":
            return last.finish(ended)
        name = ended.code.name if ended.code is not None else None
        raise ImapRefused(ended.text, response_code=name, is_bad=ended.status == "BAD")

    def begin_tls(self) -> None:
        """Forget what was said in the clear (RFC 9051 6.2.1, 11.1).

        Bytes after the tagged OK of STARTTLS were put there by somebody in between: they are left
        unread, and refused here.
        """
        self._is_sealed = False
        if self._framer.pending_bytes:
            raise ProtocolViolation("The mail server sent more in the clear after STARTTLS")
        self.capabilities = _NONE

    def take_pending(self) -> bytes:
        """The bytes that came after the tagged OK of COMPRESS: the start of the compressed stream
        (RFC 4978 3), for whoever inflates it."""
        return self._framer.take_pending()

    def begin_compressed(self) -> None:
        """From here on `receive` gets inflated bytes; what was pending must have been taken."""
        if self._framer.pending_bytes:
            raise RuntimeError("compressed bytes are pending: take them first")
        self._is_sealed = False

    def receive(self, data: bytes) -> list[Unsolicited]:
        """Take in bytes; what no command asked for comes out."""
        framer = self._framer
        framer.feed(data)
        news: list[Unsolicited] = []
        while not self._is_sealed:
            if self.greeting is not None and self._take_flags(news):
                continue
            raw = framer.next()
            if raw is None:
                break
            self._take(raw, news)
        framer.trim()
        return news

    def _take(self, raw: bytes, news: list[Unsolicited]) -> None:
        twin = self._twin
        message = twin.read_message(raw) if self.greeting is not None else None
        if message is not None:
            self._hear(Fetched(message), news)
        else:
            response = read_response(raw, is_utf8=self.is_utf8, tokenise=twin.tokenise)
            self._dispatch(response, news)

    def _take_flags(self, news: list[Unsolicited]) -> bool:
        """Step over plain flag lines by the fast road; whether there may be more."""
        lines = self._exchange.lines if self._exchange is not None else None
        if lines is not None:
            self._framer.step(self._twin.read_flag_lines, lines)
        quick = self._framer.match(FLAGS_LINE)
        if quick is None:
            return False
        self._hear(Fetched(read_flags_line(quick)), news)
        return True

    def _dispatch(self, response: Response, news: list[Unsolicited]) -> None:
        if isinstance(response, Tagged):
            self._tagged(response, news)
        elif isinstance(response, Continuation):
            self._continue(response)
        elif self.greeting is None:
            self._greet(response, news)
        else:
            self._untagged(response, news)

    def _greet(self, response: Response, news: list[Unsolicited]) -> None:
        if not isinstance(response, Notice) or response.status not in ("OK", "PREAUTH", "BYE"):
            raise ProtocolViolation("The server did not greet as an IMAP server")
        # Without its code: the capabilities in it are learned, and would be kept twice.
        self.greeting = Notice(response.status, None, response.text)
        self._untagged(response, news)

    def _tagged(self, response: Tagged, news: list[Unsolicited]) -> None:
        if self._exchange is None or response.tag != f"P{self._count}":
            raise ProtocolViolation("The mail server answered a command that was not sent")
        if response.status not in ("OK", "NO", "BAD"):
            raise ProtocolViolation("The mail server sent a malformed tagged response")
        self._learn(response.code)
        self._alert(response.code, response.text, news)
        self._ended = response
        self._is_sealed = self._exchange.is_last and response.status == "OK"
        self._exchange = None
        self._segments = ()
        self.is_idling = False

    def _continue(self, response: Continuation) -> None:
        exchange = self._exchange
        if exchange is None:
            raise ProtocolViolation("The mail server asked for more when nothing was sent")
        if self._segments:
            self._outgoing += self._segments[0]
            self._segments = self._segments[1:]
        elif exchange.answer is not None:
            answer = exchange.answer(response.text)
            # Only IDLE has nothing to say at this point: the server listens for DONE.
            self.is_idling = not answer
            self._outgoing += answer

    def _untagged(self, response: Response, news: list[Unsolicited]) -> None:
        if isinstance(response, Capabilities):
            self.capabilities = response.names
            self.capabilities_told += 1
        elif isinstance(response, EnabledNow):
            self.enabled = shared_names(self.enabled | response.names)
        elif isinstance(response, Notice):
            self._notice(response, news)
        self._hear(response, news)

    def _hear(self, response: Response, news: list[Unsolicited]) -> None:
        """To the command, or it is news."""
        if self._exchange is not None and self._exchange.take(response):
            return
        if isinstance(response, _NEWS):
            news.append(response)

    def _notice(self, response: Notice, news: list[Unsolicited]) -> None:
        self._learn(response.code)
        if response.status == "BYE":
            self.bye = response.text
            news.append(Bye(response.text))
        elif response.code is not None and response.code.name == "NOTIFICATIONOVERFLOW":
            news.append(Overflowed())
        else:
            self._alert(response.code, response.text, news)

    def _learn(self, code: Code | None) -> None:
        if code is not None and code.name == "CAPABILITY":
            self.capabilities = names_of(code.values)
            self.capabilities_told += 1

    def _alert(self, code: Code | None, text: str, news: list[Unsolicited]) -> None:
        if code is not None and code.name == "ALERT":
            news.append(Alert(text))
