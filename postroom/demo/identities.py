"""The stable ids of messages: an email id for each, a thread id for those that belong together.

Ids are 64-bit numbers, as X-GM-MSGID has them and OBJECTID (RFC 8474) allows them. A thread is
what is joined by Message-ID, In-Reply-To and References, like servers with OBJECTID do it.
"""

from __future__ import annotations

import re

# Far from every UID, so that a test that mixes them up fails.
_FIRST_ID = 1_278_455_344_230_334_865
# The header fields that join messages; a mail's header ends at its first empty line.
_FIELD = re.compile(
    rb"^(Message-ID|In-Reply-To|References):[ \t]*([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)",
    re.IGNORECASE | re.MULTILINE,
)
_MESSAGE_ID = re.compile(rb"<[^<>\s]{1,500}>")
# No header that matters here is longer.
_MOST_HEADER_BYTES = 65_536


class Identities:
    """Hands out the ids of one account's messages."""

    def __init__(self) -> None:
        self._next = _FIRST_ID
        self._threads: dict[bytes, str] = {}

    def of(self, raw: bytes) -> tuple[str, str]:
        """(email id, thread id) of a message that has just come in."""
        email_id = str(self._next)
        self._next += 1
        names = _names(raw)
        thread_id = next((self._threads[name] for name in names if name in self._threads), email_id)
        for name in names:
            self._threads.setdefault(name, thread_id)
        return email_id, thread_id


def _names(raw: bytes) -> list[bytes]:
    header = re.split(rb"\r?\n\r?\n", raw[:_MOST_HEADER_BYTES], maxsplit=1)[0]
    return [name for field in _FIELD.finditer(header) for name in _MESSAGE_ID.findall(field[2])]
