"""LIST (RFC 9051 6.3.9) with LIST-EXTENDED (RFC 5258), SPECIAL-USE (RFC 6154), LIST-STATUS (5819).

What the server does not offer is left out of the command: special-use attributes come by
themselves from most servers, XLIST (the ancestor of SPECIAL-USE) is used where it is all there is.
Without LIST-EXTENDED the subscribed ones are asked for by LSUB, and other selections are made
here. Subscriptions of a whole listing without LIST-EXTENDED and counters without LIST-STATUS need
further commands: the caller sees that `\\Subscribed` or `status` is missing and asks by LSUB
(`is_lsub`) or STATUS.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.status import known_items
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ProtocolViolation
from postroom.imap.responses import Response
from postroom.imap.types import Listed, ListedMailbox, MailboxStatus, Told

# Ten times the largest account we know of; a server that goes on would fill the memory (I28).
MOST_MAILBOXES = 100_000
Selection = Literal["SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE"]
# RFC 6154 2; and what XLIST calls them.
_USES = frozenset(
    {
        *("\\all", "\\archive", "\\drafts", "\\flagged", "\\junk", "\\sent", "\\trash"),
        *("\\important", "\\allmail", "\\spam", "\\starred", "\\inbox"),
    }
)


@dataclass(frozen=True, slots=True)
class ListMailboxes(Command[tuple[ListedMailbox, ...]]):
    """The mailboxes that match, each once, in the server's order.

    `select` narrows the listing (RFC 5258 3.1); `patterns` stand in for `pattern` where several
    are wanted: of those a server without LIST-EXTENDED gets the first.
    """

    reference: str = ""
    pattern: str = "*"
    return_special_use: bool = False
    return_subscribed: bool = False
    return_status: tuple[str, ...] = ()
    is_lsub: bool = False
    select: tuple[Selection, ...] = ()
    patterns: tuple[str, ...] = ()
    return_children: bool = False

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

        is_narrowed = "SPECIAL-USE" in self._selection(offered)
        return Exchange(
            self._line(offered),
            lambda _tagged: tuple(
                mailbox
                for mailbox in _with_status(listed, told)
                if is_narrowed or self._is_selected(mailbox)
            ),
            take,
        )

    def _line(self, offered: Offered) -> tuple[bytes, ...]:
        name = self._name(offered)
        line = Line(offered).raw(name)
        selection = self._selection(offered)
        if selection and name == "LIST":
            line.raw(f"({' '.join(selection)})")
        line.pattern(self.reference)
        self._patterns(line)
        options = self._options(offered)
        if options and name == "LIST":
            line.raw(f"RETURN ({' '.join(options)})")
        return line.end()

    def _patterns(self, line: Line) -> None:
        if not self.patterns or not line.offered.has("LIST-EXTENDED"):
            line.pattern(self.patterns[0] if self.patterns else self.pattern)
            return
        line.open_list()
        for pattern in self.patterns:
            line.pattern(pattern)
        line.close_list()

    def _name(self, offered: Offered) -> str:
        is_extended = offered.has("LIST-EXTENDED")
        if self.is_lsub or ("SUBSCRIBED" in self.select and not is_extended):
            return "LSUB"
        is_old = offered.has("XLIST") and not offered.has("SPECIAL-USE")
        wants_uses = self.return_special_use or "SPECIAL-USE" in self.select
        return "XLIST" if is_old and wants_uses and not is_extended else "LIST"

    def _selection(self, offered: Offered) -> list[str]:
        if not offered.has("LIST-EXTENDED"):
            return []
        return [name for name in self.select if name != "SPECIAL-USE" or offered.has("SPECIAL-USE")]

    def _is_selected(self, mailbox: ListedMailbox) -> bool:
        """What the server would have left out, could it select by special use."""
        return "SPECIAL-USE" not in self.select or any(mailbox.has(use) for use in _USES)

    def _options(self, offered: Offered) -> list[str]:
        options = []
        if offered.has("LIST-EXTENDED"):
            if self.return_special_use and offered.has("SPECIAL-USE"):
                options.append("SPECIAL-USE")
            if self.return_subscribed:
                options.append("SUBSCRIBED")
            if self.return_children:
                options.append("CHILDREN")
        if self.return_status and offered.has("LIST-STATUS"):
            options.append(f"STATUS ({' '.join(known_items(self.return_status, offered))})")
        return options


def _joined(known: ListedMailbox | None, news: ListedMailbox) -> ListedMailbox:
    """A mailbox listed twice is one mailbox with the attributes of both lines."""
    if known is None:
        return news
    return ListedMailbox(
        news.path,
        known.delimiter or news.delimiter,
        known.attributes | news.attributes,
        old_path=known.old_path or news.old_path,
    )


def _with_status(
    listed: dict[str, ListedMailbox], told: dict[str, MailboxStatus]
) -> list[ListedMailbox]:
    return [
        ListedMailbox(
            mailbox.path, mailbox.delimiter, mailbox.attributes, told.get(path), mailbox.old_path
        )
        for path, mailbox in listed.items()
    ]
