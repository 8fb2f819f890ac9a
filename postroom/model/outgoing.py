"""A message on its way out: the outbox record that the submit worker delivers."""

from __future__ import annotations

from typing import Any

from postroom.model.value import Value


class Envelope(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The SMTP envelope: reverse-path and recipients."""

    from_: str
    to: tuple[str, ...]


class OutgoingReference(Value, frozen=True, kw_only=True):
    """The message that a submission refers to, for the steps after delivery (F37)."""

    message: str
    action: str = "reply"


class OutgoingMessage(Value, frozen=True, kw_only=True):
    """A queued message (contract F1, G1); the MIME bytes are kept beside it, not in it.

    `attempts` counts started deliveries; `phase` is the idempotence mark of the job:
    `queued` -> `sending` (written before DATA) -> `sent` (the server took it, events logged,
    Sent copy and flags still to do) -> record gone. A given-up message ends as `failed`.
    """

    queue_id: str
    account: str
    message_id: str
    envelope_from: str
    envelope_to: tuple[str, ...]
    subject: str | None = None
    # Milliseconds since 1970.
    created_ms: int = 0
    send_at_ms: int = 0
    source: str = "api"
    attempts_allowed: int = 10
    attempts_made: int = 0
    phase: str = "queued"
    reference: OutgoingReference | None = None
    copy: bool | None = None
    sent_mail_path: str | None = None
    gateway: str | None = None
    proxy: str | None = None
    local_address: str | None = None
    dsn: dict[str, Any] | None = None
    # The last failure: response, code, responseCode, time (contract G1 `progress.error`).
    last_error: dict[str, Any] | None = None
    # Response text of the server that took the message.
    response: str | None = None
    idempotency_key: str | None = None
    # Message-ID that the server gave instead of ours (contract F13).
    original_message_id: str | None = None
    # Recipients that the server refused while it took the message for others.
    rejected: tuple[str, ...] = ()
    # How often a worker died or hung with it (contract F23).
    stalls: int = 0
    # How often the outcome of the last attempt, or the steps after delivery, were put off because
    # the account could not be asked just then.
    postponements: int = 0
