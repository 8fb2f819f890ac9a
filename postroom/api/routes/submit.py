"""Submitting a message: checked here, composed and queued by the submit room."""

from __future__ import annotations

import msgspec

from postroom.api.answers import Reply, answer
from postroom.api.route import Call, Route
from postroom.api.schemas.submit import SubmitBody, SubmitParameters
from postroom.auth.access import Access
from postroom.errors import FieldProblem, Forbidden, InvalidInput
from postroom.submit.message import SubmitAnswer, SubmitMessage


async def submit(call: Call[SubmitParameters, SubmitBody]) -> Reply:
    """POST /v1/account/{account}/submit."""
    _check(call)
    message = msgspec.convert(msgspec.to_builtins(call.body), SubmitMessage)
    done = await call.services.submissions.accept(
        call.parameters.account,
        message,
        call.deadline,
        idempotency_key=call.parameters.idempotency_key or None,
    )
    return answer(done)


def _check(call: Call[SubmitParameters, SubmitBody]) -> None:
    """The rules between fields (contract F16, F30, F19)."""
    body = call.body
    if body.proxy and call.token is not None and call.token.permissions is not None:
        raise Forbidden("Unauthorized permission", extra={"requiredPermission": {"field": "proxy"}})
    problems = []
    for position, item in enumerate(body.attachments or []):
        if not item.reference and item.content is msgspec.UNSET:
            key = f"attachments.{position}.content"
            problems.append(FieldProblem(key, f'"{key}" is required'))
    if body.raw:
        problems += [
            FieldProblem(name, f'"{name}" is not allowed beside raw')
            for name in ("html", "text", "attachments")
            if getattr(body, name)
        ]
    if body.list_id and not body.mail_merge:
        problems.append(FieldProblem("listId", '"listId" needs mailMerge'))
    reference = body.reference
    if reference and not (reference.message or reference.thread_id):
        text = '"reference.message" is required'
        problems.append(FieldProblem("reference.message", text))
    if problems:
        raise InvalidInput(fields=problems)


ROUTES = (
    Route(
        method="POST",
        path="/v1/account/{account}/submit",
        operation_id="postV1AccountAccountSubmit",
        tag="Submit",
        summary="Send a message",
        description=(
            "Composes the message and puts it into the outbox; the answer comes before it is "
            "delivered. With a reference it becomes a reply or a forward. The header "
            "Idempotency-Key makes a repeated request answer the same instead of sending twice."
        ),
        access=Access("send", "submit"),
        parameters=SubmitParameters,
        body=SubmitBody,
        example={
            "to": [{"name": "John Doe", "address": "john@example.com"}],
            "subject": "Hello",
            "text": "Hello from Postroom",
        },
        answer=SubmitAnswer,
        handler=submit,
        statuses=(404, 503),
        has_large_body=True,
    ),
)
