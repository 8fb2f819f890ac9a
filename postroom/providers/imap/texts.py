"""The text of a message: fetched in one command, decoded, made safe, pictures put in.

Asked for are only the bytes that `max_bytes` of text can need, so a 100 MB text costs no more than
a small one. Work that may take longer than a beat of the event loop is done in a thread.
"""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote

import msgspec

from postroom.clock import Deadline
from postroom.imap.commands.fetch import Fetch
from postroom.imap.types import BodyPart, FetchedMessage
from postroom.mime.headers import parameter
from postroom.mime.safehtml import content_ids, embed_images, safe_html
from postroom.mime.text import (
    MOST_TEXT_BYTES,
    CutText,
    TextPart,
    cut_text,
    decode_text,
    encoded_budget,
    text_to_html,
)
from postroom.mime.transfer import decode_transfer
from postroom.model.message import MessageText
from postroom.providers.imap.sessions import Session
from postroom.providers.imap.structure import Layout, Leaf

# Mailing lists add a part or two; a text in more pieces is cut.
MOST_TEXT_PARTS = 50
# Contract C3; and what one answer may carry of them, in bytes and in pictures.
MOST_IMAGE_BYTES = 2 * 1_048_576
MOST_EMBEDDED_BYTES = 16 * 1_048_576
MOST_IMAGES = 50
# Cleaning 64 KB takes some 20 ms.
_THREAD_CHARACTERS = 65_536

# SVG is left out: it is a document, not a picture.
_PICTURE = re.compile(r"(?:png|jpe?g|pjpeg|gif|webp|bmp|avif|x-icon|vnd\.microsoft\.icon)\Z")


@dataclass(frozen=True, slots=True)
class TextWish:
    """Which text is wanted and how (contract C2, C3, C6)."""

    text_type: str | None
    max_bytes: int | None = None
    is_web_safe: bool = False
    is_processed: bool = False
    is_embedding: bool = False

    def wants(self, kind: str) -> bool:
        """Whether `plain` or `html` must be fetched."""
        return self.is_web_safe or self.text_type in ("*", kind)


def wish(
    text_type: str | None,
    max_bytes: int | None,
    *,
    web_safe: bool,
    processed: bool = False,
    embed: bool | None = None,
) -> TextWish:
    """Web-safe forces both texts and cleaning, and embeds unless that was declined (C3)."""
    return TextWish(
        text_type="*" if web_safe else text_type,
        max_bytes=max_bytes,
        is_web_safe=web_safe,
        is_processed=processed or web_safe,
        is_embedding=web_safe if embed is None else embed,
    )


async def read_text(
    session: Session, uid: int, parts: Layout, wanted: TextWish, deadline: Deadline
) -> MessageText:
    """The wanted texts, without id and sizes."""
    items = text_items(parts, wanted)
    raws: dict[str, bytes] = {}
    if items:
        raws = sections(await session.run(Fetch(str(uid), f"(UID {items})"), deadline))
    text = await assembled(parts, raws, wanted)
    if text.html is None or not wanted.is_embedding:
        return text
    markup = await _embedded(session, uid, parts.attachments, text.html, deadline)
    return msgspec.structs.replace(text, html=markup)


def text_items(parts: Layout, wanted: TextWish) -> str:
    """The FETCH items of the wanted texts; empty when there are none."""
    chosen = (*_chosen(parts, "plain", wanted), *_chosen(parts, "html", wanted))
    return " ".join(f"BODY.PEEK[{part.part}]<0.{_budget(part, wanted)}>" for part in chosen)


def text_weight(parts: Layout, wanted: TextWish) -> int:
    """The most bytes that fetching the wanted texts brings."""
    chosen = (*_chosen(parts, "plain", wanted), *_chosen(parts, "html", wanted))
    return sum(min(part.size, _budget(part, wanted)) for part in chosen)


async def assembled(parts: Layout, raws: Mapping[str, bytes], wanted: TextWish) -> MessageText:
    """The wanted texts from their fetched sections, without id, sizes and pictures."""
    plain = _joined(_chosen(parts, "plain", wanted), raws, wanted, "\n")
    html = _joined(_chosen(parts, "html", wanted), raws, wanted, "<br>\n")
    cuts = [cut for cut in (plain, html) if cut is not None]
    return MessageText(
        plain=plain.text if plain is not None else None,
        html=await _finished_html(plain, html, wanted),
        web_safe=True if wanted.is_web_safe else None,
        has_more=any(cut.has_more for cut in cuts),
    )


def _chosen(parts: Layout, kind: str, wanted: TextWish) -> tuple[BodyPart, ...]:
    named = parts.plain if kind == "plain" else parts.html
    return named[:MOST_TEXT_PARTS] if wanted.wants(kind) else ()


def sections(messages: Iterable[FetchedMessage]) -> dict[str, bytes]:
    """The fetched sections of what is one message."""
    return {name: raw for message in messages for name, raw in message.sections.items()}


def _budget(part: BodyPart, wanted: TextWish) -> int:
    most = MOST_TEXT_BYTES if wanted.max_bytes is None else min(wanted.max_bytes, MOST_TEXT_BYTES)
    return encoded_budget(part.encoding, most)


def _joined(
    parts: tuple[BodyPart, ...], raws: Mapping[str, bytes], wanted: TextWish, between: str
) -> CutText | None:
    """The parts one below the other, cut again as a whole."""
    if not parts:
        return None
    cuts = [_decoded(part, raws.get(part.part, b""), wanted) for part in parts]
    most = MOST_TEXT_BYTES if wanted.max_bytes is None else wanted.max_bytes
    whole = cut_text(between.join(cut.text for cut in cuts), most)
    return CutText(whole.text, whole.has_more or any(cut.has_more for cut in cuts))


def _decoded(part: BodyPart, raw: bytes, wanted: TextWish) -> CutText:
    text = TextPart(
        raw=raw,
        encoding=part.encoding,
        charset=parameter(part.parameters, "charset"),
        is_html=part.subtype == "html",
        is_whole=len(raw) < _budget(part, wanted) or len(raw) >= part.size > 0,
    )
    return decode_text(text, wanted.max_bytes)


async def _finished_html(
    plain: CutText | None, html: CutText | None, wanted: TextWish
) -> str | None:
    """HTML made from the text when web-safe has none (Q2), and cleaned when asked for (Q1)."""
    markup = html.text if html is not None else None
    if markup is None and wanted.is_web_safe and plain is not None:
        markup = text_to_html(plain.text)
    if markup is None or not wanted.is_processed:
        return markup
    if len(markup) < _THREAD_CHARACTERS:
        return safe_html(markup)
    return await asyncio.to_thread(safe_html, markup)


async def _embedded(
    session: Session, uid: int, leaves: tuple[Leaf, ...], markup: str, deadline: Deadline
) -> str:
    """`markup` with its `cid:` pictures as data URIs."""
    pictures = _pictures(content_ids(markup), leaves)
    if not pictures:
        return markup
    numbers = {leaf.part.part for leaf in pictures.values()}
    items = " ".join(f"BODY.PEEK[{number}]" for number in sorted(numbers))
    raws = sections(await session.run(Fetch(str(uid), f"(UID {items})"), deadline))
    images = {
        content_id: _data_uri(leaf, raws[leaf.part.part])
        for content_id, leaf in pictures.items()
        if leaf.part.part in raws
    }
    return embed_images(markup, images)


def _pictures(wanted: list[str], leaves: tuple[Leaf, ...]) -> dict[str, Leaf]:
    by_id = {
        (leaf.part.id or "").strip("<> "): leaf
        for leaf in leaves
        if leaf.part.type == "image" and _PICTURE.match(leaf.part.subtype)
    }
    chosen: dict[str, Leaf] = {}
    left = MOST_EMBEDDED_BYTES
    for content_id in wanted[:MOST_IMAGES]:
        leaf = by_id.get(content_id) or by_id.get(unquote(content_id))
        if leaf is None or leaf.part.size * 3 // 4 > MOST_IMAGE_BYTES or leaf.part.size > left:
            continue
        chosen[content_id] = leaf
        left -= leaf.part.size
    return chosen


def _data_uri(leaf: Leaf, raw: bytes) -> str:
    data = base64.b64encode(decode_transfer(raw, leaf.part.encoding)).decode("ascii")
    return f"data:{leaf.content_type};base64,{data}"
