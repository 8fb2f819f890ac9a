"""AUTHENTICATE (RFC 9051 6.2.2) with the mechanisms that send a password or a bearer token.

PLAIN (RFC 4616), OAUTHBEARER (RFC 7628) and XOAUTH2 say everything in one response, which goes
along with the command when the server offers SASL-IR (RFC 4959). LOGIN asks twice. A refused
token is explained by a challenge that must be answered with nothing before the tagged NO comes.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from postroom.imap.commands.exchange import Command, Exchange, Revealing, done
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation

Mechanism = Literal["PLAIN", "XOAUTH2", "OAUTHBEARER", "LOGIN"]


@dataclass(frozen=True, slots=True)
class Authenticate(Command[None]):
    """Log in by a SASL mechanism."""

    mechanism: Mechanism
    user: str
    secret: Revealing

    def start(self, offered: Offered) -> Exchange[None]:
        line = Line(offered).raw("AUTHENTICATE").raw(self.mechanism)
        words = iter(self._words())
        if self.mechanism != "LOGIN" and offered.has("SASL-IR"):
            line.encoded(base64.b64encode(next(words)))
        return Exchange(line.end(), done, answer=_answering(words, self.mechanism))

    def _words(self) -> tuple[bytes, ...]:
        user, secret = self.user.encode(), self.secret.reveal().encode()
        if self.mechanism == "PLAIN":
            return (b"\0" + user + b"\0" + secret,)
        if self.mechanism == "LOGIN":
            return (user, secret)
        if self.mechanism == "XOAUTH2":
            return (b"user=" + user + b"\x01auth=Bearer " + secret + b"\x01\x01",)
        # RFC 5801 4: `,` and `=` of the user are escaped in the header of a GS2 message.
        name = user.replace(b"=", b"=3D").replace(b",", b"=2C")
        return (b"n,a=" + name + b",\x01auth=Bearer " + secret + b"\x01\x01",)


def _answering(words: Iterator[bytes], mechanism: Mechanism) -> Callable[[bytes], bytes]:
    """Give the words one after the other, then what ends the dialogue."""
    # RFC 7628 3.2.3: OAUTHBEARER acknowledges an error with a single 0x01.
    last = base64.b64encode(b"\x01") if mechanism == "OAUTHBEARER" else b""
    left = iter((*(base64.b64encode(word) for word in words), last))

    def answer(_challenge: bytes) -> bytes:
        word = next(left, None)
        if word is None:
            raise ProtocolViolation("The mail server does not stop asking for credentials")
        return word + b"\r\n"

    return answer
