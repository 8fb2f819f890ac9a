"""Which parts of a message are its text and which are attachments: pure, from BODYSTRUCTURE.

Rules, in order: a part marked `attachment` is one; plain and HTML text without a file name is the
message's text; so is the only part of a message and each alternative, whatever their `name` says;
calendars and everything that is not text is an attachment; other text inside an alternative (AMP,
enriched) is the message's other text. An enclosed message is one attachment, not looked into.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from postroom.imap.types import BodyPart
from postroom.mime.headers import parameter
from postroom.model.ids import MessageKey, TextParts, attachment_id
from postroom.model.message import Attachment

# A message with more parts than this is an attack on its reader (invariant I28); the rest of the
# parts is still in the source.
MOST_PARTS = 10_000

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f]+")


@dataclass(frozen=True, slots=True)
class Leaf:
    """A part that is not multipart, and the subtype of the multipart it stands in ("" for none)."""

    part: BodyPart
    within: str = ""

    @property
    def filename(self) -> str | None:
        """The decoded file name."""
        name = parameter(self.part.disposition_parameters, "filename")
        name = name or parameter(self.part.parameters, "name")
        return _UNPRINTABLE.sub(" ", name).strip() or None if name else None

    @property
    def content_type(self) -> str:
        return f"{self.part.type}/{self.part.subtype}"


@dataclass(frozen=True, slots=True)
class Layout:
    """A message's parts by what they are for."""

    plain: tuple[BodyPart, ...] = ()
    html: tuple[BodyPart, ...] = ()
    other: tuple[BodyPart, ...] = ()
    attachments: tuple[Leaf, ...] = ()

    def text_parts(self) -> TextParts:
        """The part numbers that a text id names."""
        return TextParts(_numbers(self.plain), _numbers(self.html), _numbers(self.other))


def _numbers(parts: tuple[BodyPart, ...]) -> tuple[str, ...]:
    return tuple(part.part for part in parts)


def leaves(body: BodyPart) -> Iterator[Leaf]:
    """The parts that hold content, in message order."""
    waiting = [Leaf(body)]
    for _ in range(MOST_PARTS):
        if not waiting:
            return
        leaf = waiting.pop()
        if leaf.part.type == "multipart":
            within = leaf.part.subtype
            waiting.extend(Leaf(child, within) for child in reversed(leaf.part.children))
        else:
            yield leaf


def layout(body: BodyPart | None) -> Layout:
    """Sort the parts of a message."""
    texts: dict[str, list[BodyPart]] = {"plain": [], "html": [], "other": []}
    attachments: list[Leaf] = []
    for leaf in leaves(body) if body is not None else ():
        kind = _text_kind(leaf)
        if kind is None:
            attachments.append(leaf)
        else:
            texts[kind].append(leaf.part)
    return Layout(
        tuple(texts["plain"]), tuple(texts["html"]), tuple(texts["other"]), tuple(attachments)
    )


def _text_kind(leaf: Leaf) -> str | None:
    part = leaf.part
    if part.type != "text" or (part.disposition or "").lower() == "attachment":
        return None
    is_body = leaf.within in ("", "alternative")
    if part.disposition_parameters and leaf.filename and not is_body:
        return None
    if part.subtype in ("plain", "html"):
        return part.subtype if is_body or not leaf.filename else None
    return "other" if leaf.within == "alternative" and part.subtype != "calendar" else None


def find_leaf(body: BodyPart | None, number: str) -> Leaf | None:
    """The part with this number, if the message has it."""
    if body is None:
        return None
    return next((leaf for leaf in leaves(body) if leaf.part.part == number), None)


def attachment(leaf: Leaf, key: MessageKey) -> Attachment:
    """An attachment as the contract shows it."""
    part = leaf.part
    return Attachment(
        id=attachment_id(key, part.part),
        content_type=leaf.content_type,
        encoded_size=part.size,
        embedded=leaf.within == "related" and part.id is not None,
        inline=(part.disposition or "").lower() == "inline",
        content_id=part.id,
        filename=leaf.filename,
        method=parameter(part.parameters, "method") if part.subtype == "calendar" else None,
    )
