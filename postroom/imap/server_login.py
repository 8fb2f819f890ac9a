"""The server's end before login (RFC 9051 3.1, "not authenticated"), without a socket.

    phase = LoginPhase(("IMAP4rev1", "ID", "SASL-IR", "AUTH=PLAIN"))
    send(phase.greet("ready"))
    send(phase.receive(data))          until phase.asked has a user and a password, or is_over
    send(phase.accept(...)) or send(phase.refuse(...))
    phase.take_pending()               after accept: bytes the client sent ahead, for what follows

It knows CAPABILITY, ID, NOOP, LOGIN, AUTHENTICATE PLAIN (RFC 4616, with or without an initial
response) and LOGOUT; all else is BAD, and a client that says nothing but nonsense is shown out.
While a login is being checked nothing more is read, so a client that sends commands ahead gets its
answers in order. A peer that has not logged in can hold a few kilobytes of memory, not more.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from postroom.imap import reading
from postroom.imap.errors import ProtocolViolation
from postroom.imap.framing import Limits
from postroom.imap.server import ClientCommand, ServerSide, encode_values, read_command
from postroom.imap.tokens import Token

# RFC 9051 4 asks for lines of 8,192 bytes; OAuth tokens as passwords have been 4 KB.
LOGIN_LIMITS = Limits(line_bytes=16_384, literal_bytes=8_192, response_bytes=32_768)
# A program that got so many commands wrong is no mail program.
MOST_WRONG = 10
# RFC 2971 3.3.
MOST_FIELDS = 30
_CONTROL = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class LoginAsked:
    """A user who wants to log in; the password is kept from every representation (I26)."""

    tag: str
    user: str
    password: str = field(repr=False)


class LoginPhase:
    """One client until it is logged in."""

    def __init__(
        self,
        capabilities: Iterable[str],
        identity: Mapping[str, str] | None = None,
        limits: Limits = LOGIN_LIMITS,
    ) -> None:
        self._capabilities = " ".join(capabilities)
        self._identity = dict(identity or {})
        self._side = ServerSide(limits)
        self._most_bytes = limits.line_bytes + limits.response_bytes
        self._wrong = 0
        # The tag of an AUTHENTICATE whose response is awaited.
        self._challenged: str | None = None
        self._is_accepted = False
        self.asked: LoginAsked | None = None
        # What the client said of itself by ID.
        self.client: dict[str, str] = {}
        # The client is to be disconnected when the last answer has been sent.
        self.is_over = False

    def greet(self, text: str) -> bytes:
        """The greeting."""
        return _line(f"* OK {text}")

    def receive(self, data: bytes) -> bytes:
        """Take in what the client sent; what to answer."""
        self._side.feed(data)
        if self._side.pending_bytes > self._most_bytes and not self._is_accepted:
            # While a login is checked nothing is read; a client may send some commands ahead.
            return self._show_out("Too much at once")
        return self._go_on()

    def accept(self, untagged: Iterable[str], text: str) -> bytes:
        """Let the user in: untagged lines first, then the tagged OK."""
        asked = self._take_asked()
        self._is_accepted = True
        lines = [_line(f"* {line}") for line in untagged]
        return b"".join([*lines, _line(f"{asked.tag} OK {text}")])

    def refuse(self, text: str, *, is_last: bool = False) -> bytes:
        """Do not let the user in; the client may try again unless `is_last`."""
        answer = _line(f"{self._take_asked().tag} NO {text}")
        if is_last:
            self.is_over = True
            return answer + _line("* BYE Good-bye")
        return answer + self._go_on()

    def take_pending(self) -> bytes:
        """What the client sent after the accepted login."""
        return self._side.take_pending()

    def _take_asked(self) -> LoginAsked:
        asked, self.asked = self.asked, None
        if asked is None:
            raise RuntimeError("nobody wants to log in")
        return asked

    def _go_on(self) -> bytes:
        answers = bytearray()
        try:
            while self.asked is None and not self.is_over and not self._is_accepted:
                raw = self._side.next_line()
                answers += b"+ OK\r\n" * self._side.literals_to_ask()
                if raw is None:
                    break
                answers += self._answer(raw)
        except ProtocolViolation:
            answers += self._show_out("Too long")
        return bytes(answers)

    def _answer(self, raw: bytes) -> bytes:
        if self._challenged is not None:
            tag, self._challenged = self._challenged, None
            return self._respond(tag, raw.decode("latin-1").strip())
        try:
            command = read_command(raw)
        except ProtocolViolation as wrong:
            return self._bad("*", wrong.text)
        handler = _COMMANDS.get(command.name)
        if handler is None:
            return self._bad(command.tag, "Unknown command, or not before login")
        return handler(self, command)

    def _bad(self, tag: str, text: str) -> bytes:
        self._wrong += 1
        answer = _line(f"{tag} BAD {text}")
        return answer if self._wrong < MOST_WRONG else answer + self._show_out("Too many errors")

    def _show_out(self, text: str) -> bytes:
        self.is_over = True
        return _line(f"* BYE {text}")

    def _capability(self, command: ClientCommand) -> bytes:
        return _line(f"* CAPABILITY {self._capabilities}") + _done(command)

    def _noop(self, command: ClientCommand) -> bytes:
        return _done(command)

    def _logout(self, command: ClientCommand) -> bytes:
        return self._show_out("Good-bye") + _done(command)

    def _identify(self, command: ClientCommand) -> bytes:
        told = reading.parameters(command.arguments[0] if command.arguments else None)
        self.client = dict(list(told.items())[:MOST_FIELDS])
        words: list[Token] = [
            word.encode("utf-8", "replace") for pair in self._identity.items() for word in pair
        ]
        return b"* ID " + encode_values([words or None]) + b"\r\n" + _done(command)

    def _login(self, command: ClientCommand) -> bytes:
        words = [reading.text(word) for word in command.arguments]
        if len(words) != 2 or words[0] is None or words[1] is None:
            return self._bad(command.tag, "A user and a password are expected")
        self.asked = LoginAsked(command.tag, words[0], words[1])
        return b""

    def _authenticate(self, command: ClientCommand) -> bytes:
        mechanism, *response = [reading.text(word) or "" for word in command.arguments] or [""]
        if mechanism.upper() != "PLAIN":
            return _line(f"{command.tag} NO [CANNOT] Only PLAIN is supported")
        if not response:
            self._challenged = command.tag
            return b"+ \r\n"
        # RFC 4959 3: an empty response is sent as `=`.
        return self._respond(command.tag, "" if response[0] == "=" else response[0])

    def _respond(self, tag: str, response: str) -> bytes:
        """RFC 4616 2: `authzid NUL authcid NUL password`."""
        try:
            words = base64.b64decode(response, validate=True).decode().split("\0")
        except (binascii.Error, ValueError):
            words = []
        if response == "*" or len(words) != 3:
            return self._bad(tag, "Cancelled" if response == "*" else "Malformed response")
        self.asked = LoginAsked(tag, words[1], words[2])
        return b""


def _line(text: str) -> bytes:
    """A line; what a client chose as its name starts no second one."""
    return _CONTROL.sub(" ", text).encode("utf-8", "replace") + b"\r\n"


def _done(command: ClientCommand) -> bytes:
    return _line(f"{command.tag} OK Completed")


_COMMANDS: dict[str, Callable[[LoginPhase, ClientCommand], bytes]] = {
    "CAPABILITY": LoginPhase._capability,
    "ID": LoginPhase._identify,
    "NOOP": LoginPhase._noop,
    "LOGIN": LoginPhase._login,
    "AUTHENTICATE": LoginPhase._authenticate,
    "LOGOUT": LoginPhase._logout,
}
