"""LOGIN (RFC 9051 6.2.3)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, Revealing, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Login(Command[None]):
    """Log in with a password."""

    user: str
    password: Revealing

    def start(self, offered: Offered) -> Exchange[None]:
        line = Line(offered).raw("LOGIN").quoted(self.user).quoted(self.password.reveal())
        return Exchange(line.end(), done)
