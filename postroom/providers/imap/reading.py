"""The operations that only look: pages, searches, one message, its text, a reference.

A page is one SELECT (none when the mailbox is selected already) and one FETCH; what a search
finds stays a set of ranges, so half a million messages found cost as much as a page. Ids are made
from the UIDVALIDITY that the very same SELECT told, so they cannot name a message of another time.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from postroom.clock import Clock, Deadline
from postroom.errors import MessageNotFound
from postroom.imap.commands.fetch import Fetch
from postroom.imap.commands.search import Criterion, Find
from postroom.imap.commands.store import Store
from postroom.imap.errors import ImapRefused
from postroom.imap.sets import encode_set
from postroom.imap.types import BodyPart, FetchedMessage
from postroom.mime.headers import first
from postroom.model.ids import MessageKey, parse_text_id
from postroom.model.message import (
    MessageDetail,
    MessageList,
    MessageSummary,
    MessageText,
    ReferencedMessage,
)
from postroom.model.operations import (
    GetMessage,
    GetReference,
    GetText,
    ListMessages,
    SearchMessages,
)
from postroom.providers.imap.criteria import Server, search_criteria
from postroom.providers.imap.pages import Page, wanted_page
from postroom.providers.imap.places import Places
from postroom.providers.imap.sessions import CommandConnections, Session
from postroom.providers.imap.structure import Layout, Leaf, layout, leaves
from postroom.providers.imap.summary import (
    detail,
    detail_items,
    headers_of,
    reference_items,
    summarise,
    summary_items,
    text_sizes,
    visible_flags,
    with_flags,
)
from postroom.providers.imap.texts import MOST_TEXT_PARTS, TextWish, read_text, wish

_SEEN = "\\Seen"
# A quoted original longer than this helps nobody who answers it.
MOST_QUOTED_BYTES = 1_048_576


class Reading:
    """Looks into the mailboxes of one account."""

    def __init__(self, places: Places, connections: CommandConnections, clock: Clock) -> None:
        self._places = places
        self._connections = connections
        self._clock = clock

    async def list_messages(self, asked: ListMessages, deadline: Deadline) -> MessageList:
        """A page of a mailbox, newest first, by sequence number (contract B6)."""
        page = wanted_page(asked.page, asked.page_size, asked.cursor)
        path = await self._places.path_of(asked.path, deadline)
        async with self._connections.use(deadline, path) as session:
            total = session.exists
            span = page.span(total)
            if span is None:
                return page.answer(total, [])
            items = summary_items(session.has, previews=page.size)
            fetched = await session.run(
                Fetch(f"{span[0]}:{span[1]}", items, by_uid=False), deadline
            )
            newest_first = sorted(fetched, key=lambda message: message.seq, reverse=True)
            return page.answer(total, await self._summaries(session, path, newest_first))

    async def search_messages(self, asked: SearchMessages, deadline: Deadline) -> MessageList:
        """A page of what a search found, highest UID first (contract D5, B6)."""
        page = wanted_page(asked.page, asked.page_size, asked.cursor)
        path = await self._places.path_of(asked.path, deadline)
        async with self._connections.use(deadline, path) as session:
            offered = session.connection.offered
            server = Server(session.has, self._clock.now_ms(), offered.is_utf8)
            criteria = search_criteria(asked.search, server)
            total, uids = await _search(session, criteria, page, deadline)
            return page.answer(total, await self._found(session, path, uids, deadline))

    async def get_message(self, asked: GetMessage, deadline: Deadline) -> MessageDetail:
        """One message in full (contract C2 to C4)."""
        place = await self._places.locate(asked.message)
        wanted = wish(
            asked.text_type,
            asked.max_bytes,
            web_safe=asked.web_safe_html,
            processed=asked.pre_process_html,
            embed=asked.embed_attached_images,
        )
        async with self._places.at(place, deadline) as session:
            items = detail_items(session.has, previews=1)
            message = await fetch_one(session, place.key.uid, items, deadline)
            text = await _text(session, message, place.key, wanted, deadline)
            use = await self._places.use_of(place.path)
            found = detail(message, place.key, path=place.path, special_use=use, text=text)
            if asked.mark_as_seen and found.unseen:
                return await _seen(session, found, place.key.uid, deadline)
            return found

    async def get_text(self, asked: GetText, deadline: Deadline) -> MessageText:
        """The text that a text id names (contract C6)."""
        key, numbers = parse_text_id(asked.text)
        place = await self._places.locate_key(key)
        wanted = wish(asked.text_type, asked.max_bytes, web_safe=asked.web_safe_html)
        async with self._places.at(place, deadline) as session:
            message = await fetch_one(session, key.uid, "(UID BODYSTRUCTURE)", deadline)
            parts = Layout(
                plain=_named(message, numbers.plain),
                html=_named(message, numbers.html),
                attachments=layout(message.body).attachments,
            )
            text = await read_text(session, key.uid, parts, wanted, deadline)
        return msgspec.structs.replace(text, plain=None) if asked.web_safe_html else text

    async def get_reference(self, asked: GetReference, deadline: Deadline) -> ReferencedMessage:
        """What a reply or forward needs of a message (contract F30 to F37)."""
        place = await self._places.locate(asked.message)
        key = place.key
        async with self._places.at(place, deadline) as session:
            message = await fetch_one(session, key.uid, reference_items(session.has), deadline)
            text = MessageText()
            if asked.with_text:
                wanted = wish("*", MOST_QUOTED_BYTES, web_safe=False)
                text = await read_text(session, key.uid, layout(message.body), wanted, deadline)
        headers = headers_of(message)
        summary = summarise(message, key, path=place.path)
        return ReferencedMessage(
            id=summary.id,
            path=place.path,
            flags=summary.flags,
            message_id=summary.message_id or first(headers, "message-id"),
            in_reply_to=summary.in_reply_to or first(headers, "in-reply-to"),
            references=first(headers, "references"),
            subject=summary.subject,
            date=summary.date,
            from_=summary.from_,
            reply_to=summary.reply_to if first(headers, "reply-to") else (),
            to=summary.to,
            cc=summary.cc,
            thread_id=summary.thread_id,
            attachments=summary.attachments,
            plain=text.plain,
            html=text.html,
        )

    async def _found(
        self, session: Session, path: str, uids: list[int], deadline: Deadline
    ) -> list[MessageSummary]:
        if not uids:
            return []
        items = summary_items(session.has, previews=len(uids))
        fetched = await session.run(Fetch(encode_set(uids), items), deadline)
        highest_first = sorted(fetched, key=lambda message: message.uid or 0, reverse=True)
        return await self._summaries(session, path, highest_first)

    async def _summaries(
        self, session: Session, path: str, messages: list[FetchedMessage]
    ) -> list[MessageSummary]:
        number = await self._places.number(path, session.uid_validity)
        use = await self._places.use_of(path)
        return [
            summarise(message, MessageKey(number, message.uid), path=path, special_use=use)
            for message in messages
            if message.uid is not None
        ]


async def _search(
    session: Session, criteria: tuple[Criterion, ...], page: Page, deadline: Deadline
) -> tuple[int, list[int]]:
    """How many messages match, and the UIDs of the page's share.

    A server with PARTIAL (RFC 9394) sends no more than that; of others the ranges are cut here.
    """
    if session.has("PARTIAL") and session.has("ESEARCH"):
        part = await session.run(Find(criteria, last=page.last), deadline)
        return part.count or 0, part.numbers.highest(0, page.size)
    found = (await session.run(Find(criteria), deadline)).numbers
    return len(found), page.cut(found)


async def fetch_one(session: Session, uid: int, items: str, deadline: Deadline) -> FetchedMessage:
    """One message by UID. Raises MessageNotFound when it is gone."""
    fetched = await session.run(Fetch(str(uid), items), deadline)
    for message in fetched:
        if message.uid == uid:
            return message
    raise MessageNotFound("The message was not found")


async def _text(
    session: Session,
    message: FetchedMessage,
    key: MessageKey,
    wanted: TextWish,
    deadline: Deadline,
) -> MessageText | None:
    parts = layout(message.body)
    sizes = text_sizes(parts, key)
    if wanted.text_type is None or sizes is None:
        return sizes
    text = await read_text(session, key.uid, parts, wanted, deadline)
    return msgspec.structs.replace(text, id=sizes.id, encoded_size=sizes.encoded_size)


async def _seen(
    session: Session, found: MessageDetail, uid: int, deadline: Deadline
) -> MessageDetail:
    """Mark as seen; a mailbox that may only be read is read all the same."""
    try:
        stored = await session.run(Store(str(uid), (_SEEN,), "add"), deadline)
    except ImapRefused:
        return found
    flags = next((message.flags for message in stored if message.uid == uid), None)
    return with_flags(found, visible_flags(flags) if flags else (*found.flags, _SEEN))


def _named(message: FetchedMessage, numbers: tuple[str, ...]) -> tuple[BodyPart, ...]:
    """The text parts that a text id names. Raises MessageNotFound when one is not there."""
    texts = {leaf.part.part: leaf.part for leaf in _leaves(message) if leaf.part.type == "text"}
    try:
        return tuple(texts[number] for number in numbers[:MOST_TEXT_PARTS])
    except KeyError as error:
        raise MessageNotFound("The text was not found") from error


def _leaves(message: FetchedMessage) -> Iterable[Leaf]:
    return leaves(message.body) if message.body is not None else ()
