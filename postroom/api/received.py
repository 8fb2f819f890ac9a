"""From the bytes of a request to its parameters and body, within limits of size and time."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote

import msgspec
from litestar import Request

from postroom.api.reading import Problems, checker
from postroom.api.route import Route
from postroom.api.rules import MAX_TIMEOUT_MS, Body, Parameters
from postroom.api.services import Limits
from postroom.errors import InvalidInput, PayloadTooLarge, PostroomError

T = TypeVar("T")
# The widest route (settings) has 80 parameters.
MAX_QUERY_FIELDS = 200
# Beside a route's own parameters: the token (contract N1) and the language (W1).
COMMON_QUERY = frozenset({"access_token", "locale"})
# Headers that schemas declare; all others are none of a schema's business.
_HEADERS = ("x-ee-timeout", "idempotency-key")
_NOT_ASKED = COMMON_QUERY | set(_HEADERS)


def path_values(request: Request[Any, Any, Any]) -> dict[str, str]:
    """The path parameters, decoded one by one: an encoded slash belongs to the value."""
    try:
        return {
            name: unquote(str(value), errors="strict")
            for name, value in request.scope["path_params"].items()
        }
    except UnicodeDecodeError:
        raise InvalidInput("The path is not valid UTF-8") from None


def query_values(request: Request[Any, Any, Any]) -> dict[str, Any]:
    """The query parameters; a name given twice has a list."""
    try:
        pairs = parse_qsl(
            request.scope["query_string"].decode("latin-1"),
            keep_blank_values=True,
            max_num_fields=MAX_QUERY_FIELDS,
            errors="strict",
        )
    except ValueError:
        raise InvalidInput("The query string is not valid") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        earlier = values.get(name)
        if earlier is None:
            values[name] = value
        else:
            values[name] = [*(earlier if isinstance(earlier, list) else [earlier]), value]
    return values


def parameters(
    route: Route, path: dict[str, str], query: dict[str, Any], request: Request[Any, Any, Any]
) -> Parameters:
    """The route's parameters struct. Raises InvalidInput naming every wrong one.

    A query parameter that the route does not know is passed over: the contract refuses unknown
    fields of bodies only (Z5), and clients add their own, against caches for instance.
    """
    wanted = set(route.parameters.__struct_encode_fields__)
    asked = {name: query[name] for name in wanted & query.keys() - path.keys() - _NOT_ASKED}
    found = Problems()
    given = {name: request.headers[name] for name in _HEADERS if name in request.headers}
    headers = {name: value for name, value in given.items() if name in wanted}
    result = checker(route.parameters)({**asked, **headers, **path}, "", found)
    if found:
        raise InvalidInput(fields=list(found))
    return result  # type: ignore[no-any-return]  # the checker of a type gives that type


def patience_s(request: Request[Any, Any, Any], limits: Limits) -> float:
    """How long the caller waits, before anything is known to be right; then `parameters` tells."""
    given = request.headers.get("x-ee-timeout", "")
    is_time = given.isascii() and given.isdigit() and len(given) <= len(str(MAX_TIMEOUT_MS))
    milliseconds = min(int(given), MAX_TIMEOUT_MS) if is_time else 0
    return milliseconds / 1000 or limits.timeout_s


async def body(route: Route, request: Request[Any, Any, Any], limits: Limits) -> Body | None:
    """The route's body struct; None when the route takes no body."""
    if route.body is None:
        return None
    _check_type(request)
    most = limits.max_body_bytes if route.has_large_body else limits.max_plain_body_bytes
    try:
        async with asyncio.timeout(limits.body_timeout_s):
            raw = await _bytes(request, most)
    except TimeoutError:
        raise PostroomError("The body took too long to arrive", status=408) from None
    except PayloadTooLarge as error:
        if route.has_large_body:
            raise
        raise PostroomError(error.text, status=413) from None
    return _decoded(route.body, raw)


def _decoded(kind: type[Body], raw: bytes) -> Body:
    try:
        value = msgspec.json.decode(raw) if raw.strip() else {}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise InvalidInput("The body is not valid JSON") from None
    found = Problems()
    result = checker(kind)(value, "", found)
    if found:
        raise InvalidInput(fields=list(found))
    return result  # type: ignore[no-any-return]  # the checker of a type gives that type


def _check_type(request: Request[Any, Any, Any]) -> None:
    given = request.headers.get("content-type", "application/json")
    kind = given.partition(";")[0].strip().lower()
    is_json = kind == "application/json" or (
        kind.startswith("application/") and kind.endswith("+json")
    )
    is_packed = request.headers.get("content-encoding", "identity").lower() != "identity"
    if not is_json:
        text = "The body must be JSON and have the header Content-Type: application/json"
        raise PostroomError(text, status=415)
    if is_packed:
        raise PostroomError("The body must not have a Content-Encoding", status=415)


async def _bytes(request: Request[Any, Any, Any], most: int) -> bytes:
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and int(declared[:20]) > most:
        raise PayloadTooLarge(f"The body is larger than {most} bytes")
    chunks: list[bytes] = []
    size = 0
    has_more = True
    while has_more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise PostroomError("The client went away", status=499)
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > most:
            raise PayloadTooLarge(f"The body is larger than {most} bytes")
        has_more = bool(message.get("more_body"))
    return b"".join(chunks)
