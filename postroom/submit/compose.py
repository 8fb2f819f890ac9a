"""From structured content to a message and its envelope; pure but for a random Message-ID.

What a raw message shares with it (`rawmail.py`) is here too: who it goes to, what it is called.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import dataclass
from typing import Any

from postroom.errors import FieldProblem, InvalidInput
from postroom.mime.build import Part, build
from postroom.mime.fields import Field, address_field, date_field, id_field, text_field
from postroom.model.account import Account
from postroom.model.message import Address, ReferencedMessage
from postroom.submit.body import body_of
from postroom.submit.limits import check_addresses, check_recipients, check_size
from postroom.submit.message import SubmitMessage
from postroom.submit.recipients import (
    Recipients,
    for_reference,
    reply_id,
    subject_for,
    thread_ids,
)

_MESSAGE_ID = re.compile(r"[!-;=?-~]{1,994}")
_OWN_FIELDS = frozenset({"from", "reply-to", "to", "cc", "bcc", "subject", "message-id", "date"})
# Fields of the body tree: a caller's own would contradict it.
_BODY_FIELDS = re.compile(r"content-.*|mime-version", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a message is composed in: the account, the original, what was fetched, the time."""

    account: Account
    date_ms: int
    original: ReferencedMessage | None = None
    parts: tuple[Part, ...] = ()
    time_zone: str | None = None


@dataclass(frozen=True, slots=True)
class Composition:
    """A message ready to be queued; `raw` still has its Bcc."""

    raw: bytes
    message_id: str
    envelope_from: str
    envelope_to: tuple[str, ...]
    subject: str | None


def compose(message: SubmitMessage, given: Setting) -> Composition:
    """The message built from structured content."""
    sender = message.from_ or default_sender(given.account)
    who = recipients_of(message, given, sender)
    envelope_from, envelope_to = envelope_of(message, sender, who)
    custom = custom_fields(message.headers)
    message_id = message_id_of(message.message_id or _custom_id(message.headers), envelope_from)
    subject = subject_of(message, given)
    fields = [address_field("From", [sender])]
    lists = (
        ("Reply-To", message.reply_to or ()),
        ("To", who.to),
        ("Cc", who.cc),
        ("Bcc", who.bcc),
    )
    fields += [address_field(name, some) for name, some in lists if some]
    check_addresses((envelope_from, *envelope_to))
    if subject is not None:
        fields.append(text_field("Subject", subject))
    fields.append(id_field("Message-ID", [message_id]))
    own_date = [field for field in custom if field[0].lower() == "date"]
    fields += own_date[:1] or [date_field(given.date_ms)]
    thread = thread_fields(message, given.original)
    fields += thread
    taken = _OWN_FIELDS | {name.lower() for name, _ in thread}
    fields += [field for field in custom if field[0].lower() not in taken]
    raw = build(fields, body_of(message, given.original, given.parts, given.time_zone))
    check_size(raw)
    return Composition(raw, message_id, envelope_from, envelope_to, subject)


def default_sender(account: Account) -> Address:
    """The account's own name and address (contract F2)."""
    address = account.email
    if not address and account.smtp is not None and account.smtp.auth is not None:
        address = account.smtp.auth.user
    if not address or "@" not in address:
        raise InvalidInput(fields=[FieldProblem("from", "is required: the account has no address")])
    return Address(name=account.name or None, address=address)


def recipients_of(message: SubmitMessage, given: Setting, sender: Address) -> Recipients:
    """The address fields, a reference considered (F34)."""
    asked = Recipients(message.to or (), message.cc or (), message.bcc or ())
    if given.original is None or message.reference is None:
        return asked
    return for_reference(message.reference.action, given.original, sender.address, asked)


def envelope_of(
    message: SubmitMessage, sender: Address, who: Recipients
) -> tuple[str, tuple[str, ...]]:
    """Reverse-path and recipients (contract F3)."""
    envelope = message.envelope
    given_from = envelope.from_ if envelope is not None else None
    given_to = envelope.to if envelope is not None else ()
    listed = [one.address for one in (*who.to, *who.cc, *who.bcc)]
    recipients = tuple(dict.fromkeys(given_to or listed))
    check_recipients(recipients)
    return given_from or sender.address, recipients


def message_id_of(given: str | None, envelope_from: str) -> str:
    """The given Message-ID with brackets, or a new one (contract F2)."""
    if given:
        bare = given.strip().strip("<>")
        if not _MESSAGE_ID.fullmatch(bare):
            raise InvalidInput(fields=[FieldProblem("messageId", "is not a Message-ID")])
        return f"<{bare}>"
    domain = envelope_from.rpartition("@")[2]
    try:
        host = domain.encode("idna").decode("ascii")
    except UnicodeError:
        host = ""
    return f"<{uuid.uuid4()}@{host or 'localhost'}>"


def _custom_id(headers: dict[str, Any] | None) -> str | None:
    for name, value in (headers or {}).items():
        if name.strip().lower() == "message-id" and isinstance(value, str):
            return value
    return None


def custom_fields(headers: dict[str, Any] | None) -> list[Field]:
    """The caller's own header fields; one that belongs to the body is refused."""
    fields: list[Field] = []
    for name, value in (headers or {}).items():
        if _BODY_FIELDS.fullmatch(name.strip()):
            problem = FieldProblem(f"headers.{name}", "is set by the content of the message")
            raise InvalidInput(fields=[problem])
        values = value if isinstance(value, list) else [value]
        fields += [text_field(name.strip(), str(one)) for one in values if one is not None]
    return fields


def subject_of(message: SubmitMessage, given: Setting) -> str | None:
    """The given subject, else the one a reference makes (F33)."""
    if message.subject is not None or given.original is None or message.reference is None:
        return message.subject
    return subject_for(message.reference.action, given.original.subject)


def thread_fields(message: SubmitMessage, original: ReferencedMessage | None) -> list[Field]:
    """In-Reply-To and References (F32)."""
    if original is None or message.reference is None:
        return []
    fields = []
    if answered := reply_id(message.reference.action, original):
        fields.append(id_field("In-Reply-To", [answered]))
    if ids := thread_ids(original):
        fields.append(id_field("References", ids))
    return fields
