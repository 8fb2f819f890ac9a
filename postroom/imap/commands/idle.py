"""IDLE (RFC 2177): the server tells news as they happen until the client says DONE.

The client, not this command, sends DONE (`ImapClient.stop_idle`); `is_idling` of the client is
true from the server's "+" line on.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Idle(Command[None]):
    """Listen; everything that arrives is unsolicited."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("IDLE").end(), done, answer=_say_nothing)


def _say_nothing(_text: bytes) -> bytes:
    return b""
