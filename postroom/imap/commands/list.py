"""LIST (RFC 9051 6.3.9) with LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS (5819).

What the server does not offer is left out of the command: special-use attributes come by
themselves from most servers, XLIST (the ancestor of SPECIAL-USE) is used where it is all there is.
Subscriptions without LIST-EXTENDED and counters without LIST-STATUS need further commands: the
caller sees that `\\Subscribed` or `status` is missing and asks by LSUB (`is_lsub`) or STATUS.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.status import known_items
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.responses import Response
from postroom.imap.types import Listed, ListedMailbox, MailboxStatus, Told

# Ten times the largest account we know of; a server that goes on would fill the memory (I28).
MOST_MAILBOXES = 100_000


@dataclass(frozen=True, slots=True)
class ListMailboxes(Command[tuple[ListedMailbox, ...]]):
    """The mailboxes that match, each once, in the server's order."""

    reference: str = ""
    pattern: str = "*"
    return_special_use: bool = False
    return_subscribed: bool = False
    return_status: tuple[str, ...] = ()
    is_lsub: bool = False

    def start(self, offered: Offered) -> Exchange[tuple[ListedMailbox, ...]]:
        listed: dict[str, ListedMailbox] = {}
        told: dict[str, MailboxStatus] = {}

        def take(response: Response) -> bool:
            if isinstance(response, Listed):
                known = listed.get(response.mailbox.path)
                listed[response.mailbox.path] = _joined(known, response.mailbox)
                if len(listed) > MOST_MAILBOXES:
                    raise ProtocolViolation("The mail server lists mailboxes beyond the limit")
            elif isinstance(response, Told) and self.return_status:
                told[response.status.path] = response.status
            else:
                return False
            return True

        return Exchange(
            self._line(offered), lambda _tagged: tuple(_with_status(listed, told)), take
        )

    def _line(self, offered: Offered) -> tuple[bytes, ...]:
        line = Line(offered).raw(self._name(offered)).pattern(self.reference)
        line.pattern(self.pattern)
        options = self._options(offered)
        if options and not self.is_lsub:
            line.raw(f"RETURN ({' '.join(options)})")
        return line.end()

    def _name(self, offered: Offered) -> str:
        if self.is_lsub:
            return "LSUB"
        is_old = offered.has("XLIST") and not offered.has("SPECIAL-USE")
        return "XLIST" if is_old and self.return_special_use else "LIST"

    def _options(self, offered: Offered) -> list[str]:
        if self._name(offered) != "LIST":
            return []
        options = []
        if self.return_special_use and offered.has("SPECIAL-USE") and offered.has("LIST-EXTENDED"):
            options.append("SPECIAL-USE")
        if self.return_subscribed and offered.has("LIST-EXTENDED"):
            options.append("SUBSCRIBED")
        if self.return_status and offered.has("LIST-STATUS"):
            options.append(f"STATUS ({' '.join(known_items(self.return_status, offered))})")
        return options


def _joined(known: ListedMailbox | None, news: ListedMailbox) -> ListedMailbox:
    """A mailbox listed twice is one mailbox with the attributes of both lines."""
    if known is None:
        return news
    return ListedMailbox(
        news.path, known.delimiter or news.delimiter, known.attributes | news.attributes
    )


def _with_status(
    listed: dict[str, ListedMailbox], told: dict[str, MailboxStatus]
) -> list[ListedMailbox]:
    return [
        ListedMailbox(mailbox.path, mailbox.delimiter, mailbox.attributes, told.get(path))
        for path, mailbox in listed.items()
    ]
