"""One leased message: what is done with it now, and what is written about it.

    queued  -> attempt                      sending -> look it up, then attempt or give up
    sent    -> the steps after delivery     (gone)  -> the item is dropped

Durable marks make a kill -9 at any point safe. `sending` is written before DATA, so a message found
in `queued` was surely not transmitted; `sent` is written together with messageSent, so a message
found in it needs the afterwards only. Every write holds only while the lease does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from postroom.backoff import DELIVERY, Backoff
from postroom.clock import Clock, Deadline, iso
from postroom.errors import SealBroken, StoreUnavailable
from postroom.events.emit import prepare
from postroom.logs import get_logger
from postroom.mime.rewrite import without_bcc
from postroom.model.account import Account
from postroom.model.event import EventDraft, PreparedEvent
from postroom.model.outgoing import OutgoingMessage
from postroom.providers.interface import Accepted, NotAccepted, Sendable, Sending
from postroom.queue.schedule import Leased
from postroom.store.outbox import Outbox
from postroom.submit import announce
from postroom.submit.afterwards import Afterwards
from postroom.submit.lookup import Trace, look_up
from postroom.submit.neighbours import Asking, HealthBook
from postroom.submit.verdict import classify, tells_health

# One attempt as a whole; longer than the ten minutes that a server may take over DATA.
ATTEMPT_LIMIT_S = 900.0
# Contract F23: a message that stalls more often than this is given up.
STALLS_ALLOWED = 3
# Looks and afterwards wait for an unusable account this often: with the pauses below, an hour.
POSTPONEMENTS_ALLOWED = 12
POSTPONED = Backoff(first_ms=5_000, factor=2.0, most_ms=600_000, jitter=0.1)
# The server has taken the message: writing that down is tried hard before it is left to a lookup.
WRITE_TRIES = 20
WRITE_PAUSE_S = 0.5

log = get_logger("submit")


@dataclass(frozen=True, slots=True)
class _Job:
    leased: Leased
    account: Account
    record: OutgoingMessage
    raw: bytes

    def with_record(self, **changes: Any) -> _Job:
        record = msgspec.structs.replace(self.record, **changes)
        return _Job(self.leased, self.account, record, self.raw)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """Whom a delivery works with."""

    outbox: Outbox
    accounts: HealthBook
    gateway: Asking
    sending: Sending
    clock: Clock


class Delivery:
    """Handles leased messages, one call each."""

    def __init__(self, with_: Neighbours, lease_ms: int) -> None:
        self._outbox = with_.outbox
        self._accounts = with_.accounts
        self._gateway = with_.gateway
        self._sending = with_.sending
        self._clock = with_.clock
        self._lease_ms = lease_ms
        self._afterwards = Afterwards(with_.gateway, with_.clock)

    async def handle(self, leased: Leased) -> None:
        """Take the message one step further."""
        try:
            loaded = await self._outbox.load(leased)
        except msgspec.MsgspecError:
            await self._give_up_damaged(leased)
            return
        if loaded is None:
            # Contract F22: a job whose content is gone is dropped.
            await self._outbox.finish(leased, "")
            return
        record, raw = loaded
        try:
            account = await self._accounts.find(record.account)
        except SealBroken as error:
            nobody = Account(account=record.account)
            await self._locked_out(_Job(leased, nobody, record, raw), error)
            return
        if account is None:
            await self._outbox.finish(leased, record.account)
            return
        job = _Job(leased, account, record, raw)
        if leased.was_stalled:
            job = job.with_record(stalls=record.stalls + 1)
            if job.record.stalls > STALLS_ALLOWED:
                await self._give_up_stalled(job)
                return
            if not await self._outbox.mark(leased, job.record, self._lease_ms):
                return
        await self._step(job)

    async def _step(self, job: _Job) -> None:
        if job.record.phase == "sent":
            await self._after(job)
        elif job.record.phase == "sending":
            await self._resolve(job)
        else:
            await self._attempt(job)

    async def _attempt(self, job: _Job) -> None:
        job = job.with_record(attempts_made=job.record.attempts_made + 1)
        record = job.record

        async def mark() -> bool:
            sending = msgspec.structs.replace(record, phase="sending")
            return await self._outbox.mark(job.leased, sending, self._lease_ms)

        message = Sendable(
            record.message_id,
            record.envelope_from,
            record.envelope_to,
            without_bcc(job.raw),
            mark,
        )
        deadline = Deadline.after(self._clock, ATTEMPT_LIMIT_S)
        outcome = await self._sending.send(job.account, message, deadline)
        if isinstance(outcome, Accepted):
            await self._taken(job, outcome)
        else:
            await self._failed(job, outcome)

    async def _resolve(self, job: _Job) -> None:
        trace = await look_up(self._gateway, job.account, job.record, self._clock)
        if trace is Trace.FOUND:
            await self._taken(job, Accepted("Found in the Sent mailbox"))
        elif trace is Trace.UNKNOWN and job.record.postponements < POSTPONEMENTS_ALLOWED:
            await self._postpone(job)
        elif job.record.attempts_made >= job.record.attempts_allowed:
            text = str((job.record.last_error or {}).get("message", "The outcome is unknown"))
            await self._give_up(job, text, [announce.failed(job.record, text)])
        else:
            await self._attempt(job)

    async def _taken(self, job: _Job, accepted: Accepted) -> None:
        rejected = tuple(address for address, _ in accepted.refused)
        job = job.with_record(
            phase="sent",
            response=accepted.response,
            original_message_id=accepted.message_id,
            rejected=rejected,
            envelope_to=tuple(to for to in job.record.envelope_to if to not in rejected),
            postponements=0,
            stalls=0,
            last_error=None,
        )
        events = self._prepared(job, [announce.sent(job.record)])
        if not await self._written(job, events):
            self._log_lost(job)
            return
        log.info("message.sent", account=job.account.account, queue_id=job.record.queue_id)
        health = announce.good_health(accepted.response, self._clock.now_ms())
        await self._accounts.set_smtp_status(job.account.account, health)
        await self._after(job)

    async def _written(self, job: _Job, events: list[PreparedEvent]) -> bool:
        for left in reversed(range(WRITE_TRIES)):
            try:
                return await self._outbox.mark(job.leased, job.record, self._lease_ms, events)
            except StoreUnavailable:
                if not left:
                    raise
                await self._clock.sleep(WRITE_PAUSE_S)
        return False

    async def _failed(self, job: _Job, failure: NotAccepted) -> None:
        now = self._clock.now_ms()
        record = job.record
        verdict = classify(failure)
        is_last = verdict.is_final or record.attempts_made >= record.attempts_allowed
        error = {
            "message": failure.text,
            "code": failure.code,
            "response": failure.response,
            "responseCode": failure.response_code,
            "time": iso(now),
        }
        log.warning(
            "message.attempt-failed",
            account=record.account,
            queue_id=record.queue_id,
            attempt=record.attempts_made,
            kind=verdict.kind.value,
            code=failure.code,
            reason=failure.text,
        )
        # What may have been transmitted is looked up before it is tried again or given up.
        phase = "sending" if failure.is_unknown else "queued"
        job = job.with_record(phase=phase, last_error=error, postponements=0)
        drafts = [announce.attempt_failed(job.record, failure, now, is_last=is_last)]
        if is_last and not failure.is_unknown:
            drafts.append(announce.failed(job.record, failure.text))
            await self._give_up(job, failure.text, drafts)
        else:
            due = now + DELIVERY.delay_ms(record.attempts_made)
            events = self._prepared(job, drafts)
            if not await self._outbox.retry(job.leased, job.record, due, events):
                self._log_lost(job)
        if tells_health(failure):
            health = announce.health(failure, now)
            await self._accounts.set_smtp_status(record.account, health)

    async def _give_up(self, job: _Job, text: str, drafts: list[EventDraft]) -> None:
        failed = job.with_record(phase="failed")
        if await self._outbox.fail(job.leased, failed.record, self._prepared(job, drafts)):
            log.warning(
                "message.failed",
                account=job.record.account,
                queue_id=job.record.queue_id,
                reason=text,
            )
        else:
            self._log_lost(job)

    async def _give_up_damaged(self, leased: Leased) -> None:
        # A record that cannot be read will not become readable by being tried again (I13).
        record = await self._outbox.remains(leased)
        log.error("message.damaged", queue_id=leased.item, account=record and record.account)
        if record is None:
            await self._outbox.finish(leased, "")
            return
        text = "The stored message is damaged"
        job = _Job(leased, Account(account=record.account), record, b"")
        await self._give_up(job, text, [announce.failed(record, text)])

    async def _locked_out(self, job: _Job, error: SealBroken) -> None:
        """The account's credentials do not open: a failed attempt, or a wait, but a bounded one."""
        if job.record.phase == "queued":
            job = job.with_record(attempts_made=job.record.attempts_made + 1)
            await self._failed(job, NotAccepted(error.public_code or "", error.text))
        elif job.record.postponements < POSTPONEMENTS_ALLOWED:
            await self._postpone(job)
        elif job.record.phase == "sent":
            await self._outbox.finish(job.leased, job.record.account)
        else:
            await self._give_up(job, error.text, [announce.failed(job.record, error.text)])

    async def _give_up_stalled(self, job: _Job) -> None:
        if job.record.phase == "sent":
            await self._outbox.finish(job.leased, job.record.account)
            return
        text = "The message stalled too often"
        await self._give_up(job, text, [announce.failed(job.record, text)])

    async def _after(self, job: _Job) -> None:
        is_done = await self._afterwards.run(job.account, job.record, job.raw)
        if is_done or job.record.postponements >= POSTPONEMENTS_ALLOWED:
            await self._outbox.finish(job.leased, job.record.account)
        else:
            await self._postpone(job)

    async def _postpone(self, job: _Job) -> None:
        times = job.record.postponements + 1
        due = self._clock.now_ms() + POSTPONED.delay_ms(times)
        job = job.with_record(postponements=times)
        await self._outbox.retry(job.leased, job.record, due)

    def _prepared(self, job: _Job, drafts: list[EventDraft]) -> list[PreparedEvent]:
        return prepare(job.record.account, drafts, self._clock.now_ms())

    def _log_lost(self, job: _Job) -> None:
        log.warning("message.lease-lost", queue_id=job.record.queue_id, phase=job.record.phase)
