"""What is served without a token: health, the welcome page, the document and its page.

The pages are small static files of our own: no template, no other origin, no build step. They
are read when the application is built, never at import.
"""

from __future__ import annotations

import asyncio
import mimetypes
import secrets
from pathlib import Path
from typing import Any

from litestar import Request
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp

from postroom.api.answers import Answer
from postroom.api.problems import problem
from postroom.api.services import ApiServices
from postroom.cluster.members import IMAP
from postroom.errors import StoreUnavailable
from postroom.logs import get_logger

log = get_logger("api")

STATIC = Path(__file__).parent.parent / "static"
STATIC_FILES = ("reference.css", "reference.js", "page.js", "schema.js", "tryout.js")
# A store that takes longer serves nobody; who probes waits hardly longer.
HEALTH_TIMEOUT_S = 3.0
# How long a health probe's key lives, should its deletion fail.
PROBE_MS = 10_000
# The pages load their own scripts and styles and talk to their own origin, nothing else.
PAGE_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
}
ROBOTS = "User-agent: *\nDisallow: /\n"


def public_handlers(services: ApiServices, document: bytes) -> list[Any]:
    """The handlers of the open paths."""
    files = {name: _file(name) for name in STATIC_FILES}
    fixed = {
        "/": _file("welcome.html"),
        "/robots.txt": Answer(ROBOTS.encode(), content_type="text/plain; charset=utf-8"),
        "/swagger.json": Answer(document),
        "/admin/reference": _file("reference.html"),
        "/admin/swagger": Answer(b"", 302, headers={"location": "/admin/reference"}),
        **{f"/static/{name}": answer for name, answer in files.items()},
    }
    handlers = [_fixed(path, answer) for path, answer in fixed.items()]
    return [*handlers, _health(services)]


def _file(name: str) -> Answer:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    headers = {**PAGE_HEADERS, "cache-control": "no-cache"}
    return Answer(
        (STATIC / name).read_bytes(), content_type=f"{kind}; charset=utf-8", headers=headers
    )


def _fixed(path: str, answer: Answer) -> HTTPRouteHandler:
    async def serve() -> ASGIApp:
        return answer

    return HTTPRouteHandler(path, http_method=["GET", "HEAD"])(serve)


def _health(services: ApiServices) -> HTTPRouteHandler:
    async def serve(request: Request[Any, Any, Any]) -> ASGIApp:
        reason = await unwell(services)
        if reason is None:
            return Answer(b'{"success":true}')
        log.warn("health.failed", reason=reason)
        return problem(500, reason)

    return HTTPRouteHandler("/health", http_method=["GET", "HEAD"])(serve)


async def unwell(services: ApiServices) -> str | None:
    """Why the service is not well (contract T1); None when it is."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT_S):
            if not await _store_answers(services):
                return "The store does not keep what it is given"
            alive = await services.members.fresh(IMAP)
    except (StoreUnavailable, TimeoutError):
        return "The store does not answer"
    if len(alive) < services.account_workers:
        return f"{len(alive)} of {services.account_workers} account workers are running"
    return None


async def _store_answers(services: ApiServices) -> bool:
    store = services.store
    # Probes of several workers must not read one another's value.
    value = secrets.token_hex(8)
    key = f"{store.keys.shared('health')}:{value}"
    replies = await store.batch([("SET", key, value, "PX", PROBE_MS), ("GET", key), ("DEL", key)])
    return bool(replies[1] == value.encode() and replies[2] == 1)
