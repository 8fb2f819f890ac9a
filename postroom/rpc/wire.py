"""What both ends of a call agree on: the headers, the limits, the address forms.

A call is `POST /<operation name>` with the account and the remaining time in headers and the
operation as MessagePack. The reply is 200 with JSON bytes, 200 with a `STREAM` header (the content
type) and a chunked body, or a fault (`faults.py`) marked by the `FAULT` header. A stream always
ends with the closing chunk of RFC 9112 7.1, never with the end of the connection: a body that
breaks off is noticed.
"""

from __future__ import annotations

from urllib.parse import quote, unquote

from postroom.errors import ConfigurationError

ACCOUNT = "Pr-Account"
REMAINING_MS = "Pr-Remaining-Ms"
FAULT = "Pr-Fault"
STREAM = "Pr-Stream"
FILENAME = "Pr-Filename"
SIZE = "Pr-Size"

# The largest request is an APPEND of a whole message; servers refuse mail far below this.
MAX_REQUEST_BYTES = 256 * 1024 * 1024
# The largest reply is a message text without maxBytes; above this it must be a stream.
MAX_REPLY_BYTES = 512 * 1024 * 1024
# Neither end of a stream waits longer than this for the next piece: a stalled peer is given up.
STALL_S = 120.0
# How long an idle connection is kept by the asking end; the answering end keeps it far longer, so
# that it never closes one that is about to be used.
CLIENT_KEEP_S = 30.0
SERVER_KEEP_S = 3600.0

_UNIX = "unix://"


def socket_path(address: str) -> str:
    """The path in `unix:///run/worker.sock`; other kinds of address are not served yet."""
    if address.startswith(_UNIX) and len(address) > len(_UNIX):
        return address.removeprefix(_UNIX)
    raise ConfigurationError(f"Worker address {address!r} is not of the form unix:///path")


def packed_text(text: str) -> str:
    """Any text as a header value."""
    return quote(text, safe="")


def unpacked_text(value: str) -> str:
    """The text that `packed_text` wrote."""
    return unquote(value)
