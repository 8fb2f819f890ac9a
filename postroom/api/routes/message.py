"""Mailboxes and messages: each route is one operation asked of the account's owner.

The owner's JSON is the answer: it passes through without being decoded.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postroom.api.answers import Reply, attachment, passed
from postroom.api.route import Call, Media, Route
from postroom.api.schemas.message import (
    AttachmentParameters,
    DeleteParameters,
    FlagsBody,
    LabelsBody,
    ListParameters,
    MailboxesParameters,
    MessageMove,
    MessageParameters,
    MessageUpdate,
    ReadParameters,
    SearchBody,
    SearchParameters,
    TextParameters,
)
from postroom.auth.access import Access
from postroom.errors import FieldProblem, InvalidInput
from postroom.model.mailbox import MailboxList
from postroom.model.message import (
    FlagChange,
    MessageDeleted,
    MessageDetail,
    MessageList,
    MessageMoved,
    MessageText,
    MessageUpdated,
)
from postroom.model.operations import (
    DeleteMessage,
    DownloadAttachment,
    DownloadSource,
    GetMessage,
    GetText,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    Operation,
    SearchMessages,
    UpdateMessage,
)

TAG = "Message"


async def list_mailboxes(call: Call[MailboxesParameters, None]) -> Reply:
    """GET /v1/account/{account}/mailboxes."""
    return await _asked(call, ListMailboxes(counters=call.parameters.counters))


async def list_messages(call: Call[ListParameters, None]) -> Reply:
    """GET /v1/account/{account}/messages."""
    asked = call.parameters
    operation = ListMessages(
        path=asked.path, page=asked.page, page_size=asked.page_size, cursor=asked.cursor or None
    )
    return await _asked(call, operation)


async def search_messages(call: Call[SearchParameters, SearchBody]) -> Reply:
    """POST /v1/account/{account}/search."""
    asked = call.parameters
    if not asked.path:
        raise InvalidInput(fields=[FieldProblem("path", '"path" is required')])
    operation = SearchMessages(
        path=asked.path,
        search=msgspec.to_builtins(call.body.search),
        page=asked.page,
        page_size=asked.page_size,
        cursor=asked.cursor or None,
    )
    return await _asked(call, operation)


async def get_message(call: Call[ReadParameters, None]) -> Reply:
    """GET /v1/account/{account}/message/{message}; web-safe implies the rest (contract C3)."""
    asked = call.parameters
    is_web_safe = asked.web_safe_html
    embedding = _or_none(asked.embed_attached_images)
    operation = GetMessage(
        message=asked.message,
        max_bytes=_or_none(asked.max_bytes),
        text_type="*" if is_web_safe else _or_none(asked.text_type),
        web_safe_html=is_web_safe,
        embed_attached_images=True if is_web_safe and embedding is None else embedding,
        pre_process_html=is_web_safe or asked.pre_process_html,
        mark_as_seen=asked.mark_as_seen,
    )
    return await _asked(call, operation)


async def update_message(call: Call[MessageParameters, MessageUpdate]) -> Reply:
    """PUT /v1/account/{account}/message/{message}."""
    operation = UpdateMessage(
        message=call.parameters.message,
        flags=_change("flags", call.body.flags or None),
        labels=_change("labels", call.body.labels or None),
    )
    return await _asked(call, operation)


async def move_message(call: Call[MessageParameters, MessageMove]) -> Reply:
    """PUT /v1/account/{account}/message/{message}/move."""
    return await _asked(call, MoveMessage(message=call.parameters.message, path=call.body.path))


async def delete_message(call: Call[DeleteParameters, None]) -> Reply:
    """DELETE /v1/account/{account}/message/{message}."""
    asked = call.parameters
    return await _asked(call, DeleteMessage(message=asked.message, force=asked.force))


async def get_source(call: Call[MessageParameters, None]) -> Reply:
    """GET /v1/account/{account}/message/{message}/source."""
    return await _streamed(call, DownloadSource(message=call.parameters.message))


async def get_attachment(call: Call[AttachmentParameters, None]) -> Reply:
    """GET /v1/account/{account}/attachment/{attachment}."""
    return await _streamed(call, DownloadAttachment(attachment=call.parameters.attachment))


async def get_text(call: Call[TextParameters, None]) -> Reply:
    """GET /v1/account/{account}/text/{text}."""
    asked = call.parameters
    operation = GetText(
        text=asked.text,
        text_type=asked.text_type,
        max_bytes=_or_none(asked.max_bytes),
        web_safe_html=asked.web_safe_html,
    )
    return await _asked(call, operation)


async def _asked(call: Call[Any, Any], operation: Operation) -> Reply:
    gateway = call.services.gateway
    return passed(await gateway.ask(call.parameters.account, operation, call.deadline))


async def _streamed(call: Call[Any, Any], operation: Operation) -> Reply:
    gateway = call.services.gateway
    return attachment(await gateway.stream(call.parameters.account, operation, call.deadline))


def _change(name: str, body: FlagsBody | LabelsBody | None) -> FlagChange | None:
    if body is None:
        return None
    change = msgspec.convert(msgspec.to_builtins(body), FlagChange)
    if change.set is not None and (change.add is not None or change.delete is not None):
        text = f'"{name}.set" is not allowed beside add and delete'
        raise InvalidInput(fields=[FieldProblem(f"{name}.set", text)])
    return change


def _or_none(value: Any) -> Any:
    return None if value is msgspec.UNSET else value


_READ = Access("read", "message")
_WRITE = Access("write", "message")
_UNUSABLE = (404, 503)

ROUTES = (
    Route(
        method="GET",
        path="/v1/account/{account}/mailboxes",
        operation_id="getV1AccountAccountMailboxes",
        tag="Mailbox",
        summary="List mailboxes",
        description="All mailboxes of the account, special ones first, then by path.",
        access=Access("read", "mailbox"),
        parameters=MailboxesParameters,
        answer=MailboxList,
        handler=list_mailboxes,
        statuses=_UNUSABLE,
    ),
    Route(
        method="GET",
        path="/v1/account/{account}/messages",
        operation_id="getV1AccountAccountMessages",
        tag=TAG,
        summary="List messages",
        description=(
            "A page of the messages of one mailbox, newest first. A page past the end is an "
            "empty list."
        ),
        access=_READ,
        parameters=ListParameters,
        answer=MessageList,
        handler=list_messages,
        statuses=_UNUSABLE,
    ),
    Route(
        method="POST",
        path="/v1/account/{account}/search",
        operation_id="postV1AccountAccountSearch",
        tag=TAG,
        summary="Search messages",
        description="A page of the messages of one mailbox that meet all criteria.",
        access=_READ,
        parameters=SearchParameters,
        body=SearchBody,
        example={"search": {"unseen": True, "subject": "invoice"}},
        answer=MessageList,
        handler=search_messages,
        statuses=(404, 422, 503),
    ),
    Route(
        method="GET",
        path="/v1/account/{account}/message/{message}",
        operation_id="getV1AccountAccountMessageMessage",
        tag=TAG,
        summary="Show a message",
        description="One message with its headers, and its text when textType asks for it.",
        access=_READ,
        parameters=ReadParameters,
        answer=MessageDetail,
        handler=get_message,
        statuses=_UNUSABLE,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}/message/{message}",
        operation_id="putV1AccountAccountMessageMessage",
        tag=TAG,
        summary="Change flags or labels",
        description="Adds, deletes or sets flags and labels; the answer has the resulting lists.",
        access=_WRITE,
        parameters=MessageParameters,
        body=MessageUpdate,
        example={"flags": {"add": ["\\Seen"]}},
        answer=MessageUpdated,
        handler=update_message,
        statuses=_UNUSABLE,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}/message/{message}/move",
        operation_id="putV1AccountAccountMessageMessageMove",
        tag=TAG,
        summary="Move a message",
        description="Moves the message to another mailbox, where it has another id.",
        access=_WRITE,
        parameters=MessageParameters,
        body=MessageMove,
        example={"path": "\\Archive"},
        answer=MessageMoved,
        handler=move_message,
        statuses=_UNUSABLE,
    ),
    Route(
        method="DELETE",
        path="/v1/account/{account}/message/{message}",
        operation_id="deleteV1AccountAccountMessageMessage",
        tag=TAG,
        summary="Delete a message",
        description=(
            "Moves the message to the trash; one that is there already, or any with force, is "
            "removed for good."
        ),
        access=Access("destructive", "message"),
        parameters=DeleteParameters,
        answer=MessageDeleted,
        handler=delete_message,
        statuses=_UNUSABLE,
    ),
    Route(
        method="GET",
        path="/v1/account/{account}/message/{message}/source",
        operation_id="getV1AccountAccountMessageMessageSource",
        tag=TAG,
        summary="Download the source",
        description="The message as it is stored at the mail server, streamed.",
        access=_READ,
        parameters=MessageParameters,
        answer=Media("message/rfc822"),
        handler=get_source,
        statuses=_UNUSABLE,
    ),
    Route(
        method="GET",
        path="/v1/account/{account}/attachment/{attachment}",
        operation_id="getV1AccountAccountAttachmentAttachment",
        tag=TAG,
        summary="Download an attachment",
        description="The decoded attachment with its own content type and name, streamed.",
        access=_READ,
        parameters=AttachmentParameters,
        answer=Media("application/octet-stream"),
        handler=get_attachment,
        statuses=_UNUSABLE,
    ),
    Route(
        method="GET",
        path="/v1/account/{account}/text/{text}",
        operation_id="getV1AccountAccountTextText",
        tag=TAG,
        summary="Show the text of a message",
        description="The plain and HTML text that a text id of a listing stands for.",
        access=_READ,
        parameters=TextParameters,
        answer=MessageText,
        handler=get_text,
        statuses=_UNUSABLE,
    ),
)
