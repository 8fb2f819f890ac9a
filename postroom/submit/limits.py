"""What a submission may ask for, and how much (floor F3); pure checks that name the field."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any

from postroom.errors import FieldProblem, InvalidInput, PayloadTooLarge
from postroom.submit.message import SubmitMessage

# The built message in bytes: what large providers take (contract L4 has the same for SMTP).
MESSAGE_LIMIT_BYTES = 50 * 1024 * 1024
# Recipients of one message: servers must take 100 (RFC 5321 4.5.3.1.8); far more is a mistake.
RECIPIENTS_LIMIT = 10_000
# RFC 5321 4.1.2: what a path cannot hold.
_UNSAFE = re.compile(r"[\x00-\x20\x7f<>]")
# Contract F19.
_NOT_BESIDE_RAW = ("html", "text", "attachments")


def check(message: SubmitMessage) -> None:
    """Raise InvalidInput naming every field that is not supported or not allowed together."""
    problems = [
        FieldProblem(name, f'"{name}" is not supported yet')
        for name, value in _unsupported(message).items()
        if value
    ]
    if message.raw is not None:
        problems += [
            FieldProblem(name, "is not allowed beside raw")
            for name, value in zip(_NOT_BESIDE_RAW, _texts(message), strict=True)
            if value
        ]
    reference = message.reference
    if reference is not None and not (reference.message or reference.thread_id):
        problems.append(FieldProblem("reference.message", "is required"))
    if reference is not None and reference.forward_attachments and reference.action != "forward":
        problems.append(
            FieldProblem("reference.forwardAttachments", "is allowed with action forward only")
        )
    if problems:
        raise InvalidInput(fields=problems)


def _unsupported(message: SubmitMessage) -> dict[str, Any]:
    return {
        "template": message.template,
        "mailMerge": message.mail_merge is not None,
        "render": message.render,
        "listId": message.list_id,
        "trackOpens": message.track_opens,
        "trackClicks": message.track_clicks,
        "proxy": message.proxy,
        "localAddress": message.local_address,
        "dsn": message.dsn,
    }


def _texts(message: SubmitMessage) -> tuple[Any, ...]:
    return message.html, message.text, message.attachments


def decode_base64(text: str, field: str) -> bytes:
    """The bytes of a base64 field; white space is allowed, anything else foreign is not."""
    try:
        compact = "".join(text.split()).replace("-", "+").replace("_", "/")
        padded = compact + "=" * (-len(compact) % 4)
        return base64.b64decode(padded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidInput(fields=[FieldProblem(field, "is not base64")]) from error


def check_size(raw: bytes) -> None:
    """Raise PayloadTooLarge for a message that no server would take."""
    if len(raw) > MESSAGE_LIMIT_BYTES:
        raise PayloadTooLarge("The message is too large")


def check_recipients(recipients: tuple[str, ...]) -> None:
    """Raise InvalidInput for a message to nobody, or to far too many."""
    if not recipients:
        raise InvalidInput(fields=[FieldProblem("to", "a message needs at least one recipient")])
    if len(recipients) > RECIPIENTS_LIMIT:
        raise InvalidInput(fields=[FieldProblem("to", f"at most {RECIPIENTS_LIMIT} recipients")])


def check_addresses(addresses: tuple[str, ...]) -> None:
    """Raise InvalidInput for an envelope address that could not be put into an SMTP command."""
    for address in addresses:
        if "@" not in address or _UNSAFE.search(address):
            problem = FieldProblem("envelope", f"{address!r} is not an email address")
            raise InvalidInput(fields=[problem])
