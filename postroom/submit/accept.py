"""Accepting a submission: check, fetch what it refers to, compose, queue, answer (contract F1).

Everything that can be refused is refused here, before anything is stored. Storing is one script:
the message, its job and the answer of its idempotency key are there together or not at all (I16).
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import msgspec

from postroom.clock import Clock, Deadline, iso, parse_iso
from postroom.errors import (
    FieldProblem,
    InvalidInput,
    PostroomError,
    SendingUnavailable,
    StoreUnavailable,
)
from postroom.events.emit import prepare
from postroom.mime.build import Part
from postroom.model.account import Account
from postroom.model.event import PreparedEvent
from postroom.model.message import ReferencedMessage
from postroom.model.outgoing import OutgoingMessage, OutgoingReference
from postroom.store.idempotency import Claim
from postroom.store.outbox import ID_DRAWS, Outbox
from postroom.submit import announce
from postroom.submit.compose import Composition, Setting, compose
from postroom.submit.limits import check, decode_base64
from postroom.submit.message import AnswerReference, Idempotency, SubmitAnswer, SubmitMessage
from postroom.submit.neighbours import Asking, Directory, RuntimeSettings
from postroom.submit.originals import Originals
from postroom.submit.rawmail import Control, amend, take_control

# Contract F8, when neither the request nor the setting says.
DEFAULT_ATTEMPTS = 10
# The error of the messageFailed of a message that was deleted from the outbox.
WITHDRAWN = "The message was deleted from the outbox"
# Phases whose terminal event was logged already.
_ENDED = frozenset({"sent", "failed"})


@dataclass(frozen=True, slots=True)
class _Prepared:
    account: Account
    message: SubmitMessage
    composed: Composition
    control: Control
    original: ReferencedMessage | None
    send_at_ms: int
    created_ms: int
    source: str


class Submissions:
    """Accepts messages of all accounts."""

    def __init__(
        self,
        outbox: Outbox,
        accounts: Directory,
        settings: RuntimeSettings,
        gateway: Asking,
        clock: Clock,
    ) -> None:
        self._outbox = outbox
        self._keys = outbox.keys
        self._accounts = accounts
        self._settings = settings
        self._originals = Originals(gateway, clock)
        self._clock = clock

    async def accept(
        self,
        account: str,
        message: SubmitMessage,
        deadline: Deadline,
        *,
        idempotency_key: str | None = None,
        source: str = "api",
    ) -> SubmitAnswer:
        """Queue the message and answer at once; raises what is wrong with it."""
        check(message)
        sender = await self._accounts.get(account)
        if sender.smtp is None and sender.oauth2 is None:
            raise SendingUnavailable("The account has no way to send")
        if not idempotency_key or message.dry_run:
            return await self._submit(sender, message, deadline, source, None)
        claim = await self._keys.claim(account, idempotency_key, deadline)
        if isinstance(claim, bytes):
            return _repeated(claim, idempotency_key)
        try:
            return await self._submit(sender, message, deadline, source, claim)
        except BaseException:
            # Contract F18: a failed first attempt frees the key. One that was stored keeps it.
            with suppress(StoreUnavailable):
                await self._keys.free(claim)
            raise

    async def withdraw(self, queue_id: str) -> bool:
        """Take a message out of the outbox on a person's demand; False when active or unknown.

        One that was neither sent nor given up before ends with messageFailed: no message leaves
        the queue without a terminal event (I16).
        """
        return await self._outbox.delete(queue_id, self._withdrawn)

    def _withdrawn(self, record: OutgoingMessage) -> Sequence[PreparedEvent]:
        if record.phase in _ENDED:
            return ()
        draft = announce.failed(record, WITHDRAWN)
        return prepare(record.account, [draft], self._clock.now_ms())

    async def _submit(
        self,
        account: Account,
        message: SubmitMessage,
        deadline: Deadline,
        source: str,
        claim: Claim | None,
    ) -> SubmitAnswer:
        prepared = await self._prepare(account, message, deadline, source)
        if message.dry_run:
            return _dry_answer(prepared)
        attempts = await self._attempts(prepared)
        for _ in range(ID_DRAWS):
            queue_id = self._outbox.new_id(prepared.send_at_ms)
            answer = _answer(prepared, queue_id, claim)
            record = _record(prepared, queue_id, attempts, claim)
            stored = msgspec.json.encode(answer)
            if await self._outbox.put(record, prepared.composed.raw, claim=claim, answer=stored):
                return answer
        raise PostroomError("No free queue id was found")

    async def _prepare(
        self, account: Account, message: SubmitMessage, deadline: Deadline, source: str
    ) -> _Prepared:
        now = self._clock.now_ms()
        split, control = (None, Control())
        if message.raw is not None:
            split, control = take_control(decode_base64(message.raw, "raw"))
        send_at = max(now, _send_at(message, control) or now)
        original, parts = await self._original(account, message, deadline)
        zone = message.tz or account.tz
        if zone is None and original is not None:
            zone = await self._settings.get("timezone")
        given = Setting(account, send_at, original, parts, zone)
        composed = compose(message, given) if split is None else amend(message, split, given)
        return _Prepared(account, message, composed, control, original, send_at, now, source)

    async def _original(
        self, account: Account, message: SubmitMessage, deadline: Deadline
    ) -> tuple[ReferencedMessage | None, tuple[Part, ...]]:
        parts: list[Part] = []
        for one in message.attachments:
            if isinstance(one.reference, str):
                part = await self._originals.attachment(account, one.reference, deadline)
                parts.append(
                    Part(
                        part.content,
                        one.filename or part.filename,
                        one.content_type or part.content_type,
                        one.content_disposition,
                        one.cid,
                    )
                )
        if message.reference is None:
            return None, tuple(parts)
        original = await self._originals.find(account, message.reference, deadline)
        if original is not None and message.raw is None:
            parts += await self._originals.parts(account, message.reference, original, deadline)
        return original, tuple(parts)

    async def _attempts(self, prepared: _Prepared) -> int:
        wanted = prepared.message.delivery_attempts
        if wanted is None:
            wanted = prepared.control.delivery_attempts
        if wanted is None:
            wanted = await self._settings.get("deliveryAttempts")
        return max(1, DEFAULT_ATTEMPTS if wanted is None else int(wanted))


def _send_at(message: SubmitMessage, control: Control) -> int | None:
    if message.send_at is None:
        return control.send_at_ms
    try:
        return parse_iso(message.send_at)
    except ValueError as error:
        raise InvalidInput(fields=[FieldProblem("sendAt", "is not a date")]) from error


def _record(
    prepared: _Prepared, queue_id: str, attempts: int, claim: Claim | None
) -> OutgoingMessage:
    message, composed = prepared.message, prepared.composed
    reference = None
    if prepared.original is not None and message.reference is not None:
        reference = OutgoingReference(message=prepared.original.id, action=message.reference.action)
    return OutgoingMessage(
        queue_id=queue_id,
        account=prepared.account.account,
        message_id=composed.message_id,
        envelope_from=composed.envelope_from,
        envelope_to=composed.envelope_to,
        subject=composed.subject,
        created_ms=prepared.created_ms,
        send_at_ms=prepared.send_at_ms,
        source=prepared.source,
        attempts_allowed=attempts,
        reference=reference,
        copy=message.copy,
        sent_mail_path=message.sent_mail_path,
        gateway=message.gateway or prepared.control.gateway,
        idempotency_key=claim.key if claim else None,
    )


def _answer(prepared: _Prepared, queue_id: str, claim: Claim | None) -> SubmitAnswer:
    return SubmitAnswer(
        response="Queued for delivery",
        message_id=prepared.composed.message_id,
        queue_id=queue_id,
        send_at=iso(prepared.send_at_ms),
        reference=_reference_answer(prepared),
        idempotency=Idempotency(key=claim.key, status="MISS") if claim else None,
    )


def _dry_answer(prepared: _Prepared) -> SubmitAnswer:
    return SubmitAnswer(
        response="Dry run",
        message_id=prepared.composed.message_id,
        preview=base64.b64encode(prepared.composed.raw).decode("ascii"),
        reference=_reference_answer(prepared),
    )


def _reference_answer(prepared: _Prepared) -> AnswerReference | None:
    reference = prepared.message.reference
    if reference is None:
        return None
    original = prepared.original
    is_missing = original is None and reference.message is not None
    thread = reference.thread_id or (original.thread_id if original else None)
    return AnswerReference(
        success=not is_missing,
        message=reference.message or msgspec.UNSET,
        thread_id=thread or msgspec.UNSET,
        error="Referenced message was not found" if is_missing else msgspec.UNSET,
    )


def _repeated(stored: bytes, key: str) -> SubmitAnswer:
    answer = msgspec.json.decode(stored, type=SubmitAnswer)
    return msgspec.structs.replace(answer, idempotency=Idempotency(key=key, status="HIT"))
