"""The outbox: messages between acceptance and delivery (contract G1, G2)."""

from __future__ import annotations

from typing import Any

from postroom.api.answers import Reply, answer
from postroom.api.route import Call, Route
from postroom.api.rules import UNSET
from postroom.api.schemas.submit import (
    OutboxDeleted,
    OutboxEntry,
    OutboxEnvelope,
    OutboxError,
    OutboxList,
    OutboxListParameters,
    OutboxParameters,
    OutboxProgress,
)
from postroom.auth.access import Access
from postroom.clock import iso
from postroom.errors import NotFound
from postroom.model.paging import page_count
from postroom.store.queued import Queued, QueueState

TAG = "Outbox"


async def list_outbox(call: Call[OutboxListParameters, None]) -> Reply:
    """GET /v1/outbox."""
    asked = call.parameters
    page = await call.services.outbox.list(asked.page, asked.page_size)
    return answer(
        OutboxList(
            total=page.total,
            page=asked.page,
            pages=page_count(page.total, asked.page_size),
            messages=[entry(queued) for queued in page.items],
        )
    )


async def get_outbox(call: Call[OutboxParameters, None]) -> Reply:
    """GET /v1/outbox/{queueId}."""
    queued = await call.services.outbox.get(call.parameters.queue_id)
    if queued is None:
        raise NotFound("Requested queue entry was not found")
    return answer(entry(queued))


async def delete_outbox(call: Call[OutboxParameters, None]) -> Reply:
    """DELETE /v1/outbox/{queueId}."""
    deleted = await call.services.submissions.withdraw(call.parameters.queue_id)
    return answer(OutboxDeleted(deleted=deleted))


def entry(queued: Queued) -> OutboxEntry:
    """A queued message as the interface shows it."""
    record = queued.record
    return OutboxEntry(
        queue_id=record.queue_id,
        account=record.account,
        source=_source(record.source),
        message_id=record.message_id,
        envelope=OutboxEnvelope(from_=record.envelope_from, to=list(record.envelope_to)),
        subject=_given(record.subject),
        gateway=_given(record.gateway),
        proxy=_given(record.proxy),
        local_address=_given(record.local_address),
        idempotency_key=_given(record.idempotency_key),
        created=iso(record.created_ms),
        scheduled=iso(record.send_at_ms),
        next_attempt=False if queued.due_ms is None else iso(queued.due_ms),
        attempts_made=record.attempts_made,
        attempts=record.attempts_allowed,
        progress=progress(queued),
    )


def progress(queued: Queued) -> OutboxProgress:
    """How far it is: the server's yes first, then work in hand, then the last failure."""
    record = queued.record
    if record.phase == "sent":
        return OutboxProgress(status="submitted", response=_given(record.response))
    if queued.state is QueueState.ACTIVE:
        return OutboxProgress(status="processing")
    if record.last_error is None:
        return OutboxProgress(status="queued")
    failure = record.last_error
    return OutboxProgress(
        status="error",
        error=OutboxError(
            message=str(failure.get("response") or failure.get("message") or "Delivery failed"),
            code=_given(failure.get("code")),
            status_code=_given(failure.get("responseCode")),
        ),
    )


def _source(source: str) -> Any:
    return source if source in ("smtp", "api", "test", "ui") else "api"


def _given(value: Any) -> Any:
    return UNSET if value is None else value


ROUTES = (
    Route(
        method="GET",
        path="/v1/outbox",
        operation_id="getV1Outbox",
        tag=TAG,
        summary="List the outbox",
        description="A page of the messages of all accounts that wait, are tried or have failed.",
        access=Access("read", "outbox", bound=False),
        parameters=OutboxListParameters,
        answer=OutboxList,
        handler=list_outbox,
        statuses=(),
    ),
    Route(
        method="GET",
        path="/v1/outbox/{queueId}",
        operation_id="getV1OutboxQueueid",
        tag=TAG,
        summary="Show a queued message",
        description="One message of the outbox and how far it is.",
        access=Access("read", "outbox", bound=False),
        parameters=OutboxParameters,
        answer=OutboxEntry,
        handler=get_outbox,
    ),
    Route(
        method="DELETE",
        path="/v1/outbox/{queueId}",
        operation_id="deleteV1OutboxQueueid",
        tag=TAG,
        summary="Take a message off the outbox",
        description=(
            "Removes a message that is not being delivered at this moment. One that was neither "
            "sent nor given up yet is announced by messageFailed."
        ),
        access=Access("destructive", "outbox", bound=False),
        parameters=OutboxParameters,
        answer=OutboxDeleted,
        handler=delete_outbox,
        statuses=(),
    ),
)
