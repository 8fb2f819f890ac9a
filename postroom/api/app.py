"""The ASGI application: the route tables served, and nothing that is not in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from litestar import Litestar, Request
from litestar.enums import ScopeType
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import ASGIApp, Receive, Scope, Send

from postroom.api import problems, received
from postroom.api.admission import Admission
from postroom.api.answers import Answer, Reply, gone
from postroom.api.openapi import document
from postroom.api.route import Call, Route
from postroom.api.routes import ROUTES
from postroom.api.routes.public import public_handlers
from postroom.api.services import ApiServices
from postroom.auth.access import Presented
from postroom.clock import Deadline
from postroom.errors import DeadlineExceeded, PostroomError

# nginx's word for a request whose client left; nobody is there to read it.
CLIENT_GONE = 499


def build(services: ApiServices, routes: Sequence[Route] = ROUTES) -> ASGIApp:
    """The application of one api worker."""
    admission = Admission(services)
    handlers: list[Any] = [_handler(route, services, admission) for route in routes]
    handlers += public_handlers(services, document(routes, services.version))
    application = Litestar(
        route_handlers=handlers,
        openapi_config=None,
        # Sizes are limited per route, in `received`.
        request_max_body_size=None,
        logging_config=None,
        exception_handlers=_ERRORS,
    )
    return _routing_on_raw_paths(application)


# An Answer is all that the framework asks of a Response: `to_asgi_response`.
_ERRORS: dict[Any, Any] = {
    PostroomError: problems.on_own,
    HTTPException: problems.on_framework,
    Exception: problems.on_unexpected,
}


def _routing_on_raw_paths(application: ASGIApp) -> ASGIApp:
    """Route before decoding: `%2F` in an account id is part of the id, not of the path."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP and scope.get("raw_path"):
            raw = scope["raw_path"].partition(b"?")[0]
            scope["path"] = raw.decode("latin-1")
        await application(scope, receive, send)

    return serve


def _handler(route: Route, services: ApiServices, admission: Admission) -> HTTPRouteHandler:
    async def endpoint(request: Request[Any, Any, Any]) -> ASGIApp:
        return await _serve(route, services, admission, request)

    path = route.path
    for name in route.path_parameters:
        path = path.replace(f"{{{name}}}", f"{{{name}:str}}")
    return HTTPRouteHandler(
        path, http_method=[route.method], name=route.operation_id, status_code=200
    )(endpoint)


async def _serve(
    route: Route, services: ApiServices, admission: Admission, request: Request[Any, Any, Any]
) -> Reply:
    began_s = services.clock.steady_s()
    path = received.path_values(request)
    query = received.query_values(request)
    # Who may come in is looked up in the store: that is part of the time the caller gives.
    entry = Deadline.after(services.clock, received.patience_s(request, services.limits))
    async with _until(entry):
        address = await admission.address_of(request)
        named = _named_account(route, path, query)
        presented = Presented(named, address, request.headers.get("referer"))
        admitted = await admission.admit(route, request, presented, query)
    waited_s = services.clock.steady_s() - began_s
    parameters = received.parameters(route, path, query, request)
    body = await received.body(route, request, services.limits)
    # Zero and absent mean the configured time.
    seconds = (parameters.timeout_ms or 0) / 1000 or services.limits.timeout_s
    deadline = Deadline.after(services.clock, seconds - waited_s)
    call: Call[Any, Any] = Call(services, parameters, body, deadline, admitted.token, address)
    work = _within(route.handler, call)
    # A write that has begun is finished even if nobody waits for the answer.
    is_read = route.access.action == "read"
    reply = await (_while_wanted(work, request.receive) if is_read else work)
    told = admitted.headers()
    return replace(reply, headers={**reply.headers, **told}) if told else reply


def _named_account(route: Route, path: dict[str, str], query: dict[str, Any]) -> str | None:
    """The account that the call is about; a parameter that the route does not have names none."""
    if "account" not in route.parameters.__struct_encode_fields__:
        return None
    named = path["account"] if "account" in path else query.get("account")
    return named.strip() if isinstance(named, str) else None


async def _within(handler: Callable[[Call[Any, Any]], Awaitable[Reply]], call: Any) -> Reply:
    async with _until(call.deadline):
        return await handler(call)


@asynccontextmanager
async def _until(deadline: Deadline) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(deadline.remaining_s()):
            yield
    except TimeoutError:
        raise DeadlineExceeded("Timeout: no answer in time") from None


async def _while_wanted(work: Awaitable[Reply], receive: Receive) -> Reply:
    """The outcome of `work`, which is cancelled when the client goes away (invariant I25)."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(gone(receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Answer(b"", CLIENT_GONE)
    finally:
        working.cancel()
        leaving.cancel()
        await asyncio.gather(working, leaving, return_exceptions=True)


__all__ = ["ApiServices", "build"]
