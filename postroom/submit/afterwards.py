"""What follows a delivered message: the Sent copy and the flags of the message it answers (F11).

Each step may be repeated: the copy is made once per Message-ID, flags are set, not toggled. What
the mail server refuses is logged and left; what fails because the account cannot be asked just now
is worth another try, and `run` says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from postroom.clock import Clock, Deadline
from postroom.errors import PostroomError
from postroom.logs import get_logger
from postroom.model.account import Account, account_kind, has_imap
from postroom.model.message import FlagChange, ReferencedMessage
from postroom.model.operations import AppendMessage, GetReference, UpdateMessage
from postroom.model.outgoing import OutgoingMessage
from postroom.submit.neighbours import Asking

# An APPEND of 25 MB over a slow line; the message itself is out, so nobody waits for this.
STEP_LIMIT_S = 60.0
ANSWERED = "\\Answered"
FORWARDED = "$Forwarded"

log = get_logger("submit")
Step = Callable[[Account, OutgoingMessage, bytes], Awaitable[None]]


class Afterwards:
    """The steps after delivery."""

    def __init__(self, gateway: Asking, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock

    async def run(self, account: Account, record: OutgoingMessage, raw: bytes) -> bool:
        """Do every step; False when one should be tried again later."""
        steps: tuple[tuple[str, Step], ...] = (("copy", self._copy), ("flags", self._flag))
        outcomes = [await self._tried(name, step, account, record, raw) for name, step in steps]
        return all(outcomes)

    async def _tried(
        self, name: str, step: Step, account: Account, record: OutgoingMessage, raw: bytes
    ) -> bool:
        try:
            await step(account, record, raw)
        except PostroomError as error:
            log.warning(
                "submit.afterwards-failed",
                account=account.account,
                queue_id=record.queue_id,
                step=name,
                code=error.public_code,
                reason=error.text,
            )
            return not error.temporary
        return True

    async def _copy(self, account: Account, record: OutgoingMessage, raw: bytes) -> None:
        if not wants_copy(account, record):
            return
        operation = AppendMessage(
            path=sent_path(account, record),
            raw=raw,
            flags=("\\Seen",),
            message_id=record.message_id,
            once=True,
        )
        await self._ask(account, operation)

    async def _flag(self, account: Account, record: OutgoingMessage, _: bytes) -> None:
        reference = record.reference
        if reference is None or not has_imap(account):
            return
        known: ReferencedMessage = await self._ask(account, GetReference(message=reference.message))
        if {ANSWERED, FORWARDED} & set(known.flags):
            # Contract F37: only when neither is set.
            return
        change = FlagChange(add=flags_after(reference.action))
        await self._ask(account, UpdateMessage(message=reference.message, flags=change))

    async def _ask(
        self, account: Account, operation: AppendMessage | GetReference | UpdateMessage
    ) -> Any:
        deadline = Deadline.after(self._clock, STEP_LIMIT_S)
        return await self._gateway.ask_typed(account.account, operation, deadline)


def flags_after(action: str) -> tuple[str, ...]:
    """The flags that a referenced message gets (contract F37)."""
    return (ANSWERED, FORWARDED) if action == "forward" else (ANSWERED,)


def wants_copy(account: Account, record: OutgoingMessage) -> bool:
    """Whether a Sent copy is uploaded (contract F12); the request's word is the last."""
    if not has_imap(account):
        return False
    if record.copy is not None:
        return record.copy
    if account.copy is not None:
        return account.copy
    # Gmail and Outlook store what their own servers send.
    return account_kind(account) not in {"oauth2", "gmail", "outlook"}


def sent_path(account: Account, record: OutgoingMessage) -> str:
    """Where the Sent copy belongs: the request's path, the account's, else the special use."""
    own = account.imap.sent_mail_path if account.imap else None
    return record.sent_mail_path or own or "\\Sent"
