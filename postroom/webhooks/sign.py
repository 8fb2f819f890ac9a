"""The headers of a webhook, with its signature (webhooks.json, `delivery`).

Custom headers may replace our ordinary ones, never those that describe the delivery (`X-EE-Wh-*`)
nor those that frame the request. A custom header that HTTP cannot carry is left out: one wrong
character in a setting must not stop every event.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit, urlunsplit

from postroom import __version__
from postroom.crypto import hmac_signature

# RFC 9110 5.6.2 and 5.5.
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE = re.compile(r"[^\x00-\x08\x0a-\x1f\x7f]*")
# RFC 9110 7.6.1 and 9112 6: these belong to the connection, not to the sender's taste.
_FRAMING = frozenset(
    {"connection", "content-length", "expect", "host", "keep-alive", "te", "trailer"}
    | {"transfer-encoding", "upgrade"}
)
_OURS = "x-ee-wh-"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One attempt to deliver one event."""

    event_id: str
    job_id: str
    attempts_made: int
    waited_s: int


def split_login(url: str) -> tuple[str, str | None]:
    """The URL without its credentials, and the Basic authorization that they stand for."""
    parts = urlsplit(url)
    login, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    user, _, password = login.partition(":")
    raw = f"{unquote(user)}:{unquote(password)}".encode()
    bare = urlunsplit(parts._replace(netloc=host))
    return bare, f"Basic {base64.b64encode(raw).decode('ascii')}"


def origin(url: str) -> str:
    """Scheme, host and port: what may be shown of a URL in logs and error flags."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def delivery_headers(delivery: Delivery) -> dict[str, str]:
    """The headers that tell the receiver about this attempt."""
    return {
        "X-EE-Wh-Event-Id": delivery.event_id,
        "X-EE-Wh-Id": delivery.job_id,
        "X-EE-Wh-Attempts-Made": str(delivery.attempts_made),
        "X-EE-Wh-Queued-Time": f"{delivery.waited_s}s",
    }


def signature_header(secret: str | None, body: bytes) -> dict[str, str]:
    """The signature over exactly these bytes; none while there is no secret."""
    return {"X-EE-Wh-Signature": hmac_signature(secret, body)} if secret else {}


def ordinary_headers(
    authorization: str | None, service_url: str | None, custom: Iterable[tuple[str, str]]
) -> dict[str, str]:
    """Content type, who we are, the login, and the custom headers on top."""
    agent = f"Postroom/{__version__}" + (f" (+{service_url})" if service_url else "")
    headers = {"Content-Type": "application/json", "User-Agent": agent}
    if authorization is not None:
        headers["Authorization"] = authorization
    for name, value in custom:
        if _may_be_set(name, value):
            _put(headers, name, value)
    return headers


def _may_be_set(name: str, value: str) -> bool:
    plain = name.lower()
    if plain in _FRAMING or plain.startswith(_OURS):
        return False
    return bool(_TOKEN.fullmatch(name)) and bool(_VALUE.fullmatch(value))


def _put(headers: dict[str, str], name: str, value: str) -> None:
    for present in [key for key in headers if key.lower() == name.lower()]:
        del headers[present]
    headers[name] = value
