"""Whether a message was sent by a machine on behalf of an absent person (contract H6)."""

from __future__ import annotations

import re
from collections.abc import Mapping

# The header fields that the rules look at, to be asked of the server.
AUTO_REPLY_HEADERS = (
    "AUTO-SUBMITTED",
    "PRECEDENCE",
    "X-AUTO-RESPONSE-SUPPRESS",
    "X-AUTORESPONDER",
    "X-AUTORESPOND",
    "X-AUTOREPLY",
)

_SUBJECT = re.compile(
    r"\s*(auto(matic)?[ -]?repl(y|ies)|auto(matic)?[ -]?response|out of (the )?office|oof:|ooo:)",
    re.IGNORECASE,
)
_AUTO = re.compile(r"\s*auto:", re.IGNORECASE)
_KEYWORD = re.compile(r"\s*([a-z_-]+)")
_PRESENCE = ("x-auto-response-suppress", "x-autoresponder", "x-autorespond", "x-autoreply")


def is_auto_reply(
    headers: Mapping[str, list[str]], *, subject: str | None, in_reply_to: str | None
) -> bool:
    """Apply the rules of H6; `headers` has lower-case names."""
    title = (subject or "")[:256]
    if _SUBJECT.match(title) or (_AUTO.match(title) and in_reply_to):
        return True
    return (
        _says(headers, "precedence", "auto-reply", "auto_reply")
        or _says(headers, "auto-submitted", "auto-replied")
        or any(headers.get(name) for name in _PRESENCE)
    )


def _says(headers: Mapping[str, list[str]], name: str, *wanted: str) -> bool:
    # RFC 3834 5: parameters and comments may follow the keyword.
    words = (_KEYWORD.match(value.lower()) for value in headers.get(name, ()))
    return any(word is not None and word[1] in wanted for word in words)
