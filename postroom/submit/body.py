"""The body of a message from structured content: text, HTML, quote, parts (F2, F6, F35); pure."""

from __future__ import annotations

import base64
import binascii
import mimetypes
import re
import uuid
from collections.abc import Sequence

from postroom.errors import FieldProblem, InvalidInput
from postroom.mime.build import Body, Part
from postroom.mime.text import html_to_text
from postroom.model.message import ReferencedMessage
from postroom.submit.limits import decode_base64
from postroom.submit.message import SubmitMessage
from postroom.submit.quote import (
    appended_html,
    prepended_html,
    preview_block,
    quoted_html,
    quoted_text,
)

# An attribute value only: quotes keep the match inside one attribute, so the scan is linear.
_DATA_IMAGE = re.compile(
    r"""(\bsrc\s{0,5}=\s{0,5})(["'])data:(image/[\w.+-]{1,40});base64,([A-Za-z0-9+/=\s]+)\2""",
    re.IGNORECASE,
)


def inline_images(markup: str) -> tuple[str, list[Part]]:
    """`markup` with its data-URI images turned into CID parts, and those parts (contract F6)."""
    parts: list[Part] = []

    def swap(found: re.Match[str]) -> str:
        try:
            content = base64.b64decode("".join(found.group(4).split()), validate=True)
        except (binascii.Error, ValueError):
            return found.group()
        kind = found.group(3).lower()
        cid = f"{uuid.uuid4()}@inline"
        name = f"image{len(parts) + 1}{mimetypes.guess_extension(kind) or ''}"
        parts.append(Part(content, filename=name, content_type=kind, cid=cid))
        return f"{found.group(1)}{found.group(2)}cid:{cid}{found.group(2)}"

    return _DATA_IMAGE.sub(swap, markup), parts


def body_of(
    message: SubmitMessage,
    original: ReferencedMessage | None,
    fetched: Sequence[Part],
    zone: str | None,
) -> Body:
    """The body; `fetched` are the parts that come from stored mail."""
    text, markup = message.text, message.html
    reference = message.reference
    if reference is not None and reference.inline and original is not None:
        text, markup = _quoted(reference.action, text, markup, original, zone)
    parts = [*_given_parts(message), *fetched]
    if markup is not None:
        markup, images = inline_images(markup)
        parts += images
        if message.preview_text:
            markup = prepended_html(markup, preview_block(message.preview_text))
        if text is None:
            # Contract F2.
            text = html_to_text(markup)
    return Body(text, markup, tuple(parts))


def _quoted(
    action: str,
    text: str | None,
    markup: str | None,
    original: ReferencedMessage,
    zone: str | None,
) -> tuple[str | None, str | None]:
    has_html = markup is not None or (text is None and original.html is not None)
    new_text = None
    if text is not None or not has_html:
        new_text = f"{text or ''}\n\n{quoted_text(action, original, zone)}"
    if not has_html:
        return new_text, None
    return new_text, appended_html(markup or "", quoted_html(action, original, zone))


def _given_parts(message: SubmitMessage) -> Sequence[Part]:
    parts = []
    for at, one in enumerate(message.attachments):
        if one.reference:
            continue
        if one.content is None:
            raise InvalidInput(fields=[FieldProblem(f"attachments.{at}.content", "is required")])
        parts.append(
            Part(
                content=decode_base64(one.content, f"attachments.{at}.content"),
                filename=one.filename,
                content_type=one.content_type,
                disposition=one.content_disposition,
                cid=one.cid,
            )
        )
    return parts
