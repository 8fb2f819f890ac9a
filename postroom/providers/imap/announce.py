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
from postroom.imap.types import BodyPart, FetchedMessage
from postroom.mime.safehtml import safe_html
from postroom.mime.text import TextPart, cut_text, decode_text, encoded_budget
from postroom.model.ids import MessageKey
from postroom.model.mailbox import Mailbox, MailboxCursor
from postroom.model.message import MessageDetail, MessageText
from postroom.net.imap import ImapConnection
from postroom.providers.imap.details import FETCH_TIMEOUT_S, gather
from postroom.providers.imap.structure import Layout, layout
from postroom.providers.imap.summary import detail, detail_items, summary_items
from postroom.store.settings import Settings

# Encoded text of one chunk of messages: what one commit may weigh in memory and in the store.
CHUNK_TEXT_BYTES = 8 * 1024 * 1024
_SETTINGS = ("notifyHeaders", "notifyText", "notifyTextSize", "notifyWebSafeHtml")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What messageNew is to carry beyond the list entry."""

    # Lower-case names; "*" for all; empty for none.
    headers: frozenset[str] = frozenset()
    # Most bytes of each text; None for no text.
    text_bytes: int | None = None
    is_web_safe: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """A chunk of messages that were read, with the flags told with them."""

    details: tuple[MessageDetail, ...] = ()
    flags: Mapping[int, tuple[str, ...] | None] = field(default_factory=dict)


class NewMail:
    """Reads new messages over a connection that has their mailbox open."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

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
        for chunk in _chunks(messages, wanted.text_bytes):
            texts = await self._texts(connection, chunk, wanted)
            yield Arrived(
                tuple(_shown(message, mailbox, cursor.number, wanted, texts) for message in chunk),
                {message.uid: message.flags for message in chunk if message.uid is not None},
            )

    async def _wanted(self) -> Wanted:
        values = await self._settings.get_many(_SETTINGS)
        return Wanted(
            headers=frozenset(name.lower() for name in values["notifyHeaders"] or ()),
            text_bytes=values["notifyTextSize"] if values["notifyText"] else None,
            is_web_safe=bool(values["notifyWebSafeHtml"]),
        )

    async def _texts(
        self, connection: ImapConnection, messages: Sequence[FetchedMessage], wanted: Wanted
    ) -> dict[int, MessageText]:
        """The texts by UID; messages of the same structure share a FETCH."""
        if wanted.text_bytes is None:
            return {}
        groups: defaultdict[str, list[FetchedMessage]] = defaultdict(list)
        for message in messages:
            groups[_text_items(layout(message.body), wanted.text_bytes)].append(message)
        groups.pop("", None)
        texts: dict[int, MessageText] = {}
        for items, group in groups.items():
            bodies = {message.uid: message.body for message in group if message.uid is not None}
            for fetched in await self._fetch(connection, list(bodies), items):
                if fetched.uid is not None and fetched.sections:
                    parts = layout(bodies[fetched.uid])
                    texts[fetched.uid] = _text(parts, fetched.sections, wanted)
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
    messages: Sequence[FetchedMessage], text_bytes: int | None
) -> list[list[FetchedMessage]]:
    """The messages in runs whose texts together stay within the limit, at least one each."""
    chunks: list[list[FetchedMessage]] = []
    room = 0
    for message in messages:
        weight = 0 if text_bytes is None else _text_weight(layout(message.body), text_bytes)
        if not chunks or weight > room:
            chunks.append([])
            room = CHUNK_TEXT_BYTES
        chunks[-1].append(message)
        room -= weight
    return chunks


def _text_weight(parts: Layout, text_bytes: int) -> int:
    return sum(
        min(part.size, encoded_budget(part.encoding, text_bytes))
        for part in (*parts.plain, *parts.html)
    )


def _text_items(parts: Layout, text_bytes: int) -> str:
    return " ".join(
        f"BODY.PEEK[{part.part}]<0.{encoded_budget(part.encoding, text_bytes)}>"
        for part in (*parts.plain, *parts.html)
    )


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


def _text(parts: Layout, sections: Mapping[str, bytes], wanted: Wanted) -> MessageText:
    limit = wanted.text_bytes or 0
    plain, is_plain_cut = _joined(parts.plain, sections, limit, "\n")
    html, is_html_cut = _joined(parts.html, sections, limit, "<br>\n")
    if html is not None and wanted.is_web_safe:
        html = safe_html(html)
    return MessageText(
        plain=plain,
        html=html,
        web_safe=True if html is not None and wanted.is_web_safe else None,
        has_more=is_plain_cut or is_html_cut,
    )


def _joined(
    parts: Sequence[BodyPart], sections: Mapping[str, bytes], limit: int, between: str
) -> tuple[str | None, bool]:
    """The text of several parts, cut at `limit` bytes, and whether there is more."""
    found = [
        decode_text(_text_part(part, sections[part.part], limit), limit)
        for part in parts
        if part.part in sections
    ]
    if not found:
        return None, False
    cut = cut_text(between.join(piece.text for piece in found), limit)
    return cut.text, cut.has_more or any(piece.has_more for piece in found)


def _text_part(part: BodyPart, raw: bytes, limit: int) -> TextPart:
    return TextPart(
        raw=raw,
        encoding=part.encoding,
        charset=part.parameters.get("charset"),
        is_html=part.subtype == "html",
        is_whole=len(raw) < encoded_budget(part.encoding, limit),
    )
