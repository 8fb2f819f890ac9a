"""Downloads: attachments decoded as they stream, and sources (contract C5).

Each chunk is a use of a command connection of its own, so a long download keeps nobody waiting, a
slow reader holds nothing, and a reader that goes away leaves nothing behind (invariant I25).
The first chunk is fetched before the download is handed out: what cannot be read fails as an
error, not as a broken stream.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from postroom.clock import Clock, Deadline
from postroom.errors import ConnectionUnavailable, MessageNotFound, PayloadTooLarge
from postroom.imap.commands.fetch import Fetch
from postroom.mime.transfer import TransferDecoder, is_identity, transfer_decoder
from postroom.model.ids import parse_attachment_id
from postroom.model.operations import Download, DownloadAttachment, DownloadSource
from postroom.providers.imap.lanes import Lane
from postroom.providers.imap.places import Place, Places
from postroom.providers.imap.reading import fetch_one
from postroom.providers.imap.structure import Leaf, find_leaf

# EENGINE_CHUNK_SIZE: large enough that round trips do not matter, small enough for a hundred
# downloads in memory.
CHUNK_BYTES = 1_000_000
# What the option may ask for: less would be all round trips, more would hold the connection.
LEAST_CHUNK_BYTES = 4_096
MOST_CHUNK_BYTES = 16 * 1_048_576
# Contract C5, in decoded bytes.
MOST_ATTACHMENT_BYTES = 250 * 1_048_576
# The request's own deadline covers the first chunk; a server that needs longer than this for any
# further one has stalled.
CHUNK_TIMEOUT_S = 60.0

_SOURCE_TYPE = "message/rfc822"


@dataclass(frozen=True, slots=True)
class _Section:
    """What of which message is read: the text inside BODY[...]."""

    place: Place
    name: str


class Downloading:
    """Streams parts of the messages of one account."""

    def __init__(self, places: Places, clock: Clock, chunk_bytes: int = CHUNK_BYTES) -> None:
        self._places = places
        self._clock = clock
        self._chunk_bytes = min(max(chunk_bytes, LEAST_CHUNK_BYTES), MOST_CHUNK_BYTES)

    async def download_attachment(self, asked: DownloadAttachment, deadline: Deadline) -> Download:
        """The decoded bytes of one part, under its own type and name."""
        key, number = parse_attachment_id(asked.attachment)
        place = await self._places.locate_key(key)
        leaf = await self._leaf(place, number, deadline)
        _refuse_large(leaf)
        section = _Section(place, number)
        chunk = await self._chunk(section, 0, deadline)
        decoder = transfer_decoder(leaf.part.encoding)
        head = decoder.feed(chunk)
        if len(chunk) != self._chunk_bytes:
            whole = head + decoder.end()
            return Download(leaf.content_type, leaf.filename, len(whole), _once(whole))
        # The sizes that servers tell are not to be trusted to the byte, so none is told.
        chunks = self._decoded(section, decoder, head)
        return Download(leaf.content_type, leaf.filename, None, chunks)

    async def download_source(self, asked: DownloadSource, deadline: Deadline) -> Download:
        """The message as it is."""
        place = await self._places.locate(asked.message)
        section = _Section(place, "")
        chunk = await self._chunk(section, 0, deadline, is_followup=False)
        filename = f"{asked.message}.eml"
        if len(chunk) != self._chunk_bytes:
            return Download(_SOURCE_TYPE, filename, len(chunk), _once(chunk))
        chunks = self._decoded(section, transfer_decoder(None), chunk)
        return Download(_SOURCE_TYPE, filename, None, chunks)

    async def _leaf(self, place: Place, number: str, deadline: Deadline) -> Leaf:
        async with self._places.at(place, deadline) as session:
            message = await fetch_one(session, place.key.uid, "(UID BODYSTRUCTURE)", deadline)
        leaf = find_leaf(message.body, number)
        if leaf is None:
            raise MessageNotFound("The attachment was not found")
        return leaf

    async def _chunk(
        self, section: _Section, offset: int, deadline: Deadline, *, is_followup: bool = True
    ) -> bytes:
        """Up to a chunk of the section from `offset`; fewer means that it ends there.

        More come from a server that takes no notice of the range: that is the whole section.
        """
        uid = section.place.key.uid
        items = f"(UID BODY.PEEK[{section.name}]<{offset}.{self._chunk_bytes}>)"
        # Somebody waits for the first chunk; the others come as fast as calls leave room for.
        lane = Lane.BULK if offset else Lane.INTERACTIVE
        async with self._places.at(
            section.place, deadline, is_followup=is_followup, lane=lane
        ) as session:
            fetched = await session.run(Fetch(str(uid), items), deadline)
        for message in fetched:
            if section.name in message.sections:
                chunk = message.sections[section.name]
                if offset and len(chunk) > self._chunk_bytes:
                    raise ConnectionUnavailable("The mail server sent another range than asked for")
                return chunk
        raise MessageNotFound("The message was not found")

    async def _decoded(
        self, section: _Section, decoder: TransferDecoder, head: bytes
    ) -> AsyncIterator[bytes]:
        """`head`, then the rest of the section after its first chunk."""
        sent = 0
        offset = self._chunk_bytes
        piece = head
        while True:
            sent += len(piece)
            if section.name and sent > MOST_ATTACHMENT_BYTES:
                raise _too_large()
            if piece:
                yield piece
            if offset < 0:
                return
            deadline = Deadline.after(self._clock, CHUNK_TIMEOUT_S)
            chunk = await self._chunk(section, offset, deadline)
            is_last = len(chunk) < self._chunk_bytes
            piece = decoder.feed(chunk) + (decoder.end() if is_last else b"")
            offset = -1 if is_last else offset + self._chunk_bytes


def _refuse_large(leaf: Leaf) -> None:
    """Refuse by the declared size what would be cut off in the middle otherwise."""
    share = 1.0 if is_identity(leaf.part.encoding) else 0.7
    if leaf.part.size * share > MOST_ATTACHMENT_BYTES:
        raise _too_large()


def _too_large() -> PayloadTooLarge:
    return PayloadTooLarge("The attachment is larger than 250 MB")


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
