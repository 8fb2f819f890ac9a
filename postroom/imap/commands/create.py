"""CREATE (RFC 9051 6.3.4) with a special use (RFC 6154 3) and the id of OBJECTID (RFC 8474 4)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap import reading
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.encode import Line, Offered
from postroom.imap.responses import Response, Tagged
from postroom.imap.types import Created, Listed


@dataclass(frozen=True, slots=True)
class Create(Command[Created]):
    """Make a mailbox; `use` is left out where the server cannot take it (\\Sent, \\Archive ...)."""

    path: str
    use: str | None = None

    def start(self, offered: Offered) -> Exchange[Created]:
        line = Line(offered).raw("CREATE").mailbox(self.path)
        if self.use is not None and offered.has("CREATE-SPECIAL-USE"):
            line.open_list().raw("USE").open_list().flag(self.use).close_list().close_list()
        paths = [self.path]

        def take(response: Response) -> bool:
            # RFC 9051 6.3.4: a server that changes the name says so by a LIST response.
            if not isinstance(response, Listed):
                return False
            if response.mailbox.old_path == self.path:
                paths.append(response.mailbox.path)
            return response.mailbox.old_path == self.path

        return Exchange(line.end(), lambda tagged: _created(paths[-1], tagged), take)


def _created(path: str, tagged: Tagged) -> Created:
    code = tagged.code
    if code is None or code.name != "MAILBOXID" or not code.values:
        return Created(path)
    return Created(path, reading.object_id(code.values[0]))
