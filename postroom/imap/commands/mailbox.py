"""The commands that act on a mailbox by name and only succeed or fail: CREATE, DELETE, RENAME,
SUBSCRIBE, UNSUBSCRIBE (RFC 9051 6.3.4 to 6.3.8)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Create(Command[None]):
    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("CREATE").mailbox(self.path).end(), done)


@dataclass(frozen=True, slots=True)
class Delete(Command[None]):
    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("DELETE").mailbox(self.path).end(), done)


@dataclass(frozen=True, slots=True)
class Rename(Command[None]):
    path: str
    new: str

    def start(self, offered: Offered) -> Exchange[None]:
        line = Line(offered).raw("RENAME").mailbox(self.path).mailbox(self.new)
        return Exchange(line.end(), done)


@dataclass(frozen=True, slots=True)
class Subscribe(Command[None]):
    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("SUBSCRIBE").mailbox(self.path).end(), done)


@dataclass(frozen=True, slots=True)
class Unsubscribe(Command[None]):
    path: str

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("UNSUBSCRIBE").mailbox(self.path).end(), done)
