"""A raw submission: its header amended, its body left alone (contract F4, F5)."""

from __future__ import annotations

from dataclasses import dataclass

from postroom.clock import parse_iso
from postroom.mime.fields import address_field, date_field, id_field, text_field
from postroom.mime.headers import addresses, decode_words
from postroom.mime.rewrite import Split, split
from postroom.model.message import Address
from postroom.submit.compose import (
    Composition,
    Setting,
    custom_fields,
    default_sender,
    envelope_of,
    message_id_of,
    recipients_of,
    subject_of,
    thread_fields,
)
from postroom.submit.limits import check_addresses, check_size
from postroom.submit.message import SubmitMessage


@dataclass(frozen=True, slots=True)
class Control:
    """The control headers of a raw message (contract F5)."""

    send_at_ms: int | None = None
    delivery_attempts: int | None = None
    gateway: str | None = None


_CONTROL_FIELDS = (
    "x-ee-send-at",
    "x-ee-delivery-attempts",
    "x-ee-gateway",
    "x-ee-tracking-enabled",
)


def take_control(raw: bytes) -> tuple[Split, Control]:
    """A raw message without its control headers, and what they said."""
    parts = split(raw)
    attempts = parts.first("x-ee-delivery-attempts")
    control = Control(
        send_at_ms=_send_at(parts.first("x-ee-send-at")),
        delivery_attempts=int(attempts) if attempts and attempts.isdecimal() else None,
        gateway=parts.first("x-ee-gateway") or None,
    )
    return parts.without(_CONTROL_FIELDS), control


def _send_at(text: str | None) -> int | None:
    # Contract F5: an ISO date or milliseconds; what is neither is ignored.
    if text is None:
        return None
    if text.isdecimal() and len(text) <= 15:
        return int(text)
    try:
        return parse_iso(text)
    except ValueError:
        return None


def amend(message: SubmitMessage, raw: Split, given: Setting) -> Composition:
    """The raw message with its header brought in line with the request (contract F4)."""
    sender = message.from_ or _first_address(raw, "from") or default_sender(given.account)
    if message.from_ is not None or raw.first("from") is None:
        raw = raw.with_field(address_field("From", [sender]))
    who = recipients_of(_with_raw_recipients(message, raw), given, sender)
    reply_to = message.reply_to
    changes = (
        ("To", message.to, who.to),
        ("Cc", message.cc, who.cc),
        ("Bcc", message.bcc, who.bcc),
    )
    for name, wanted, result in (*changes, ("Reply-To", reply_to, reply_to or ())):
        raw = _with_addresses(raw, name, wanted, result, is_reply=given.original is not None)
    envelope_from, envelope_to = envelope_of(message, sender, who)
    check_addresses((envelope_from, *envelope_to))
    for field in custom_fields(message.headers):
        raw = raw.with_field(field)
    message_id = message_id_of(message.message_id or raw.first("message-id"), envelope_from)
    raw = raw.with_field(id_field("Message-ID", [message_id]))
    subject = message.subject
    if subject is None and raw.first("subject") is None:
        subject = subject_of(message, given)
    if subject is not None:
        raw = raw.with_field(text_field("Subject", subject))
    for field in thread_fields(message, given.original):
        raw = raw.with_field(field)
    if raw.first("date") is None:
        raw = raw.with_field(date_field(given.date_ms))
    if raw.first("mime-version") is None:
        raw = raw.with_field(text_field("MIME-Version", "1.0"))
    joined = raw.joined()
    check_size(joined)
    shown = decode_words(raw.first("subject")) or None
    return Composition(joined, message_id, envelope_from, envelope_to, shown)


def _with_raw_recipients(message: SubmitMessage, raw: Split) -> SubmitMessage:
    def listed(given: tuple[Address, ...] | None, name: str) -> tuple[Address, ...]:
        return given if given is not None else _addresses(raw, name)

    return SubmitMessage(
        reference=message.reference,
        to=listed(message.to, "to"),
        cc=listed(message.cc, "cc"),
        bcc=listed(message.bcc, "bcc"),
    )


def _with_addresses(
    raw: Split,
    name: str,
    wanted: tuple[Address, ...] | None,
    result: tuple[Address, ...],
    *,
    is_reply: bool,
) -> Split:
    if wanted is None and not (is_reply and result):
        return raw
    return raw.with_field(address_field(name, result)) if result else raw.without([name.lower()])


def _addresses(raw: Split, name: str) -> tuple[Address, ...]:
    return tuple(one for one in addresses(raw.all(name)) if "@" in one.address)


def _first_address(raw: Split, name: str) -> Address | None:
    return next(iter(_addresses(raw, name)), None)
