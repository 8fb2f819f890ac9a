"""From errors to HTTP: the only place that makes error bodies (contract errors.md, Shape).

Our own errors say what may be shown. Anything else is a 500 that tells the caller nothing and the
log everything. Query texts and headers never reach the log from here (contract Z9).
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from litestar import Request
from litestar.exceptions import HTTPException

from postroom.api.answers import Answer
from postroom.errors import PostroomError
from postroom.logs import get_logger

log = get_logger("api")

# What the framework raises before a route is reached, in our words.
_FRAMEWORK_TEXTS = {
    404: "Not Found",
    413: "The body is too large",
}


def problem_of(error: PostroomError) -> Answer:
    """The answer to one of our errors."""
    extra = dict(error.extra)
    headers = rate_limit_headers(extra) if error.http_status == 429 else {}
    if error.http_status == 401:
        headers = {"www-authenticate": "Bearer"}
    return problem(error.http_status, error.text, error.public_code, extra, headers)


def problem(
    status: int,
    text: str,
    code: str | None = None,
    extra: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Answer:
    """An error answer: statusCode, error, message, and code when there is one."""
    body: dict[str, Any] = {"statusCode": status, "error": phrase(status), "message": text}
    if code:
        body["code"] = code
    return Answer(msgspec.json.encode(body | dict(extra or {})), status, headers=headers or {})


def phrase(status: int) -> str:
    """The status phrase as existing clients know it (RFC 9110 names 413 anew)."""
    return _PHRASES.get(status) or HTTPStatus(status).phrase


_PHRASES = {
    413: "Request Entity Too Large",
    422: "Unprocessable Entity",
    # nginx's word, which no RFC has: the client left before it was answered.
    499: "Client Closed Request",
}


def rate_limit_headers(extra: dict[str, Any]) -> dict[str, str]:
    """Contract N6: the limit and the seconds until the next window, without Remaining."""
    limit = extra.pop("limit", None)
    ttl = extra.get("ttl")
    headers = {"x-ratelimit-limit": limit, "x-ratelimit-reset": ttl}
    return {name: str(value) for name, value in headers.items() if value is not None}


def on_own(request: Request[Any, Any, Any], error: PostroomError) -> Answer:
    """Handler of every PostroomError."""
    if error.http_status >= 500:
        log.warn(
            "request.failed",
            path=_route_of(request),
            status=error.http_status,
            code=error.public_code,
            text=error.text,
            details=error.log,
        )
    return problem_of(error)


def on_framework(request: Request[Any, Any, Any], error: HTTPException) -> Answer:
    """Handler of what the framework refuses: unknown path or method, oversized body."""
    # Contract: a wrong method is 404 like an unknown path.
    status = 404 if error.status_code == 405 else error.status_code
    if status >= 500:
        return on_unexpected(request, error)
    return problem(status, _FRAMEWORK_TEXTS.get(status, phrase(status)))


def on_unexpected(request: Request[Any, Any, Any], error: Exception) -> Answer:
    """Handler of a mistake of ours."""
    log.error("request.crashed", path=_route_of(request), error=repr(error), stack=_stack(error))
    return problem(500, "An internal server error occurred")


def _route_of(request: Request[Any, Any, Any]) -> str:
    # The template, not the path: paths carry account ids and token values.
    return str(request.scope.get("path_template") or "")


def _stack(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))
