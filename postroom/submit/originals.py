"""Fetching what a submission refers to: the original message and stored attachments (F30, F31)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from postroom.clock import Clock, Deadline
from postroom.errors import (
    InvalidInput,
    MessageNotFound,
    NotFound,
    PayloadTooLarge,
    PostroomError,
    ReferenceNotFound,
)
from postroom.mime.build import Part
from postroom.mime.safehtml import content_ids
from postroom.model.account import Account, has_imap
from postroom.model.message import Attachment, ReferencedMessage
from postroom.model.operations import DownloadAttachment, GetReference
from postroom.submit.limits import MESSAGE_LIMIT_BYTES
from postroom.submit.message import SubmitReference
from postroom.submit.neighbours import Asking

# Contract F31: transient errors are tried three times from one second.
TRIES = 3
FIRST_PAUSE_S = 1.0

T = TypeVar("T")


class Originals:
    """Asks the account's owner, with patience."""

    def __init__(self, gateway: Asking, clock: Clock) -> None:
        self._gateway = gateway
        self._clock = clock

    async def find(
        self, account: Account, reference: SubmitReference, deadline: Deadline
    ) -> ReferencedMessage | None:
        """The original; None when it is missing and that may be ignored."""
        if not has_imap(account):
            # Contract F39.
            raise InvalidInput(
                "References need an account whose mailbox can be read",
                code="ReferenceNotSupported",
            )
        if reference.message is None:
            return None
        operation = GetReference(message=reference.message, with_text=reference.inline)
        try:
            found = await self._patiently(
                lambda: self._gateway.ask_typed(account.account, operation, deadline)
            )
        except (NotFound, InvalidInput) as error:
            if reference.ignore_missing:
                return None
            raise ReferenceNotFound("Referenced message was not found") from error
        original: ReferencedMessage = found
        if _mismatches(reference, original):
            if reference.ignore_missing:
                return None
            raise MessageNotFound("Referenced message has another Message-ID")
        return original

    async def parts(
        self,
        account: Account,
        reference: SubmitReference,
        original: ReferencedMessage,
        deadline: Deadline,
    ) -> tuple[Part, ...]:
        """The attachments that go with the new message (F35, F36)."""
        found = []
        for one in wanted_attachments(reference, original):
            found.append(await self.attachment(account, one.id, deadline, known=one))
        return tuple(found)

    async def attachment(
        self,
        account: Account,
        attachment_id: str,
        deadline: Deadline,
        *,
        known: Attachment | None = None,
    ) -> Part:
        """A stored attachment by its id (F6)."""
        operation = DownloadAttachment(attachment=attachment_id)
        try:
            return await self._patiently(
                lambda: self._download(account.account, operation, known, deadline)
            )
        except (NotFound, InvalidInput) as error:
            raise ReferenceNotFound("Referenced attachment was not found") from error

    async def _download(
        self,
        account: str,
        operation: DownloadAttachment,
        known: Attachment | None,
        deadline: Deadline,
    ) -> Part:
        download = await self._gateway.stream(account, operation, deadline)
        content = bytearray()
        async for chunk in download.chunks:
            content += chunk
            if len(content) > MESSAGE_LIMIT_BYTES:
                raise PayloadTooLarge("The referenced attachment is too large")
        is_inline = known is not None and bool(known.embedded or known.inline)
        return Part(
            content=bytes(content),
            filename=download.filename,
            content_type=download.content_type,
            cid=known.content_id.strip("<>") if is_inline and known and known.content_id else None,
        )

    async def _patiently(self, ask: Callable[[], Awaitable[T]]) -> T:
        for left in reversed(range(TRIES)):
            try:
                return await ask()
            except PostroomError as error:
                if not error.temporary or not left:
                    raise
                await self._clock.sleep(FIRST_PAUSE_S * 2 ** (TRIES - 1 - left))
        raise AssertionError("the last try returns or raises")


def wanted_attachments(
    reference: SubmitReference, original: ReferencedMessage
) -> Sequence[Attachment]:
    """All attachments of a forward that asks for them; else the images that a quote shows."""
    if reference.forward_attachments:
        return original.attachments
    if not reference.inline or not original.html:
        return ()
    shown = set(content_ids(original.html))
    return [one for one in original.attachments if (one.content_id or "").strip("<>") in shown]


def _mismatches(reference: SubmitReference, original: ReferencedMessage) -> bool:
    if reference.message_id is None:
        return False
    return reference.message_id.strip("<> ") != (original.message_id or "").strip("<> ")
