"""Reading new messages as messageNew shows them: details, chosen headers, text.

What is read is what the runtime settings ask for (notifyHeaders, notifyText, ...). Messages come in
chunks whose texts are bounded together, so that a batch of large mails does not pile up.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from postroom.clock import Clock, Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import FetchedMessage
from postroom.model.ids import MessageKey
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.model.message import MessageDetail, MessageText
from postroom.net.imap import ImapConnection
from postroom.providers.imap.details import FETCH_TIMEOUT_S, gather
from postroom.providers.imap.structure import layout
from postroom.providers.imap.summary import detail, detail_items, summary_items
from postroom.providers.imap.texts import TextWish, assembled, text_items, text_weight, wish
from postroom.store.settings import Settings

# Encoded text of one chunk of messages: what one commit may weigh in memory and in the store.
CHUNK_TEXT_BYTES = 8 * 1024 * 1024
_SETTINGS = ("notifyHeaders", "notifyText", "notifyTextSize", "notifyWebSafeHtml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What messageNew is to carry beyond the list entry."""

    # Lower-case names; "*" for all; empty for none.
    headers: frozenset[str] = frozenset()
    # None for no text.
    text: TextWish | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The flags and labels that came with the details of a message; None where they did not."""

    flags: tuple[str, ...] | None
    labels: tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk of messages that were read, with what was told with them by UID."""

    details: tuple[MessageDetail, ...] = ()
    told: Mapping[int, Told] = field(default_factory=dict)


class NewMail:
    """Reads new messages over a connection that has their mailbox open."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    async def tells_moves(self) -> bool:
        """Whether moves are announced, too (setting notifyMoved)."""
        return bool(await self._settings.get("notifyMoved"))

    async def read(
        self,
        connection: ImapConnection,
        uids: Sequence[int],
        mailbox: Mailbox,
        cursor: MailboxCursor,
    ) -> AsyncIterator[Arrived]:
        """The messages by ascending UID, in chunks; those that cannot be had are left out."""
        wanted = await self._wanted()
        items = detail_items if wanted.headers else summary_items
        messages = await gather(connection, uids, items(connection.has), self._clock)
        for chunk in _chunks(messages, wanted.text):
            texts = await self._texts(connection, chunk, wanted)
            yield Arrived(
                tuple(_shown(message, mailbox, cursor.number, wanted, texts) for message in chunk),
                {one.uid: Told(one.flags, one.labels) for one in chunk if one.uid is not None},
            )

    async def _wanted(self) -> Wanted:
        values = await self._settings.get_many(_SETTINGS)
        is_web_safe = bool(values["notifyWebSafeHtml"])
        # Pictures stay out of events: they would be many times their text.
        text = wish("*", values["notifyTextSize"], web_safe=is_web_safe, embed=False)
        return Wanted(
            headers=frozenset(name.lower() for name in values["notifyHeaders"] or ()),
            text=text if values["notifyText"] else None,
        )

    async def _texts(
        self, connection: ImapConnection, messages: Sequence[FetchedMessage], wanted: Wanted
    ) -> dict[int, MessageText]:
        """The texts by UID; messages of the same structure share a FETCH."""
        if wanted.text is None:
            return {}
        groups: defaultdict[str, list[FetchedMessage]] = defaultdict(list)
        for message in messages:
            groups[text_items(layout(message.body), wanted.text)].append(message)
        groups.pop("", None)
        texts: dict[int, MessageText] = {}
        for items, group in groups.items():
            bodies = {message.uid: message.body for message in group if message.uid is not None}
            for fetched in await self._fetch(connection, list(bodies), items):
                if fetched.uid is not None and fetched.sections:
                    parts = layout(bodies[fetched.uid])
                    texts[fetched.uid] = await assembled(parts, fetched.sections, wanted.text)
        return texts

    async def _fetch(
        self, connection: ImapConnection, uids: Sequence[int], items: str
    ) -> Sequence[FetchedMessage]:
        """A text that the server refuses is left out: the message is announced without it."""
        deadline = Deadline.after(self._clock, FETCH_TIMEOUT_S)
        try:
            return await connection.run(Fetch(encode_set(uids), f"(UID {items})"), deadline)
        except ImapRefused:
            return ()


def _chunks(
    messages: Sequence[FetchedMessage], text: TextWish | None
) -> list[list[FetchedMessage]]:
    """The messages in runs whose texts together stay within the limit, at least one each."""
    chunks: list[list[FetchedMessage]] = []
    room = 0
    for message in messages:
        weight = 0 if text is None else text_weight(layout(message.body), text)
        if not chunks or weight > room:
            chunks.append([])
            room = CHUNK_TEXT_BYTES
        chunks[-1].append(message)
        room -= weight
    return chunks


def _shown(
    message: FetchedMessage,
    mailbox: Mailbox,
    number: int,
    wanted: Wanted,
    texts: Mapping[int, MessageText],
) -> MessageDetail:
    uid = message.uid or 0
    key = MessageKey(number, uid)
    shown = detail(message, key, path=mailbox.path, special_use=mailbox.special_use)
    text = texts.get(uid)
    if text is not None and shown.text is not None:
        text = msgspec.structs.replace(text, id=shown.text.id, encoded_size=shown.text.encoded_size)
    return msgspec.structs.replace(
        shown, headers=_chosen(shown.headers, wanted.headers), text=text or shown.text
    )


def _chosen(
    headers: dict[str, list[str]] | None, names: frozenset[str]
) -> dict[str, list[str]] | None:
    if headers is None or "*" in names:
        return headers
    return {name: values for name, values in headers.items() if name in names}
