"""The first words of a message, as a list of messages shows them."""

from __future__ import annotations

import re

from postroom.mime.text import html_words

# What fits under a subject line; also the length of the IMAP PREVIEW item (RFC 8970 section 3.1).
PREVIEW_CHARACTERS = 256
# The words of a preview are near the top; quoted history and trailing markup are not looked at.
_LOOK_CHARACTERS = 65_536
_QUOTED = re.compile(r"^>.*$", re.MULTILINE)


def preview_of(plain: str | None, markup: str | None) -> str | None:
    """One line from the plain text, or from the HTML; None when there are no words."""
    words = _plain_words(plain) if plain else ""
    if not words and markup:
        words = html_words(markup[:_LOOK_CHARACTERS])
    return words[:PREVIEW_CHARACTERS].rstrip() or None


def _plain_words(plain: str) -> str:
    return " ".join(_QUOTED.sub("", plain[:_LOOK_CHARACTERS]).split())
