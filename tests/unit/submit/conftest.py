"""An account in a real store, a real SMTP sink, and a mailbox that remembers what it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import pytest_asyncio

from postroom.clock import Deadline
from postroom.crypto import Sealer
from postroom.errors import MessageNotFound, PostroomError
from postroom.events.log import EventLog
from postroom.model.account import Account, Credentials, ImapServer, SmtpServer
from postroom.model.event import Event
from postroom.model.message import MessageList, MessageStored, MessageUpdated, ReferencedMessage
from postroom.model.operations import (
    AppendMessage,
    Download,
    DownloadAttachment,
    GetReference,
    Operation,
    SearchMessages,
    UpdateMessage,
)
from postroom.model.secret import Secret
from postroom.providers.smtp.sending import SmtpSending
from postroom.queue.schedule import SUBMIT, Schedule
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.keys import PARTITIONS, partition_of
from postroom.store.outbox import Outbox
from postroom.store.settings import Settings
from postroom.submit.accept import Submissions
from postroom.submit.deliver import Delivery, Neighbours
from tests.fakes.clock import FakeClock
from tests.fakes.smtp_sink import SmtpSink

ME = "acc \u00fc:*{}"


@dataclass
class FakeMailbox:
    """Answers what the submit room asks of an account's owner."""

    originals: dict[str, ReferencedMessage] = field(default_factory=dict)
    attachments: dict[str, tuple[str, str, bytes]] = field(default_factory=dict)
    sent: list[AppendMessage] = field(default_factory=list)
    updates: list[UpdateMessage] = field(default_factory=list)
    searches: list[SearchMessages] = field(default_factory=list)
    in_sent: set[str] = field(default_factory=set)
    failures: list[PostroomError] = field(default_factory=list)

    async def ask_typed(self, account: str, operation: Operation, deadline: Deadline) -> Any:
        deadline.remaining_s()
        if self.failures:
            raise self.failures.pop(0)
        match operation:
            case GetReference():
                return self._original(operation.message)
            case AppendMessage():
                return self._append(operation)
            case UpdateMessage():
                self.updates.append(operation)
                return MessageUpdated()
            case SearchMessages():
                self.searches.append(operation)
                found = operation.search["header"]["Message-ID"] in self.in_sent
                return MessageList(
                    total=int(found),
                    page=0,
                    pages=1,
                    next_page_cursor=None,
                    prev_page_cursor=None,
                    messages=(),
                )
        raise AssertionError(f"unexpected {operation}")

    async def stream(self, account: str, operation: Operation, deadline: Deadline) -> Download:
        assert isinstance(operation, DownloadAttachment)
        if operation.attachment not in self.attachments:
            raise MessageNotFound("Attachment not found")
        kind, name, content = self.attachments[operation.attachment]

        async def chunks() -> AsyncIterator[bytes]:
            for at in range(0, len(content), 7):
                yield content[at : at + 7]

        return Download(kind, name, len(content), chunks())

    def _original(self, message: str) -> ReferencedMessage:
        if message not in self.originals:
            raise MessageNotFound("Message not found")
        return self.originals[message]

    def _append(self, operation: AppendMessage) -> MessageStored:
        is_repeat = operation.once and operation.message_id in self.in_sent
        if not is_repeat:
            self.sent.append(operation)
            self.in_sent.add(operation.message_id or "")
        return MessageStored(path="Sent", is_repeat=is_repeat)


@dataclass
class Bench:
    """Everything around the submit room."""

    store: Store
    clock: FakeClock
    outbox: Outbox
    accounts: Accounts
    mailbox: FakeMailbox
    sink: SmtpSink
    sending: SmtpSending
    submissions: Submissions
    delivery: Delivery
    schedule: Schedule

    def deadline(self, seconds: float = 10.0) -> Deadline:
        return Deadline.after(self.clock, seconds)

    async def deliver_due(self) -> int:
        """Handle every due message once; how many there were."""
        count = 0
        for partition in range(PARTITIONS):
            for leased in (await self.schedule.claim(partition, 10)).items:
                await self.delivery.handle(leased)
                count += 1
        return count

    async def events(self) -> list[Event]:
        """The account's log."""
        logged = await EventLog(self.store).read(partition_of(ME), "0", 100)
        return [entry.event for entry in logged]

    async def event_names(self) -> list[str]:
        return [event.event.value for event in await self.events()]


def account_for(port: int, **changes: Any) -> Account:
    fields: dict[str, Any] = {
        "account": ME,
        "name": "Me Myself",
        "email": "me@example.com",
        "imap": ImapServer(host="127.0.0.1", port=1),
        "smtp": SmtpServer(
            host="127.0.0.1",
            port=port,
            auth=Credentials(user="me", password=Secret("canary-password")),
        ),
    }
    return Account(**(fields | changes))


@pytest_asyncio.fixture
async def sink() -> AsyncIterator[SmtpSink]:
    started = await SmtpSink().start()
    yield started
    await started.stop()


@pytest.fixture
def mailbox() -> FakeMailbox:
    return FakeMailbox()


@pytest_asyncio.fixture
async def bench(
    store: Store, clock: FakeClock, sink: SmtpSink, mailbox: FakeMailbox
) -> AsyncIterator[Bench]:
    sealer = Sealer(None)
    accounts = Accounts(store, sealer, clock)
    await accounts.create(account_for(sink.port), [])
    outbox = Outbox(store, clock)
    settings = Settings(store, sealer, clock)
    sending = SmtpSending(clock, settings.get_many)
    neighbours = Neighbours(outbox, accounts, mailbox, sending, clock)
    yield Bench(
        store=store,
        clock=clock,
        outbox=outbox,
        accounts=accounts,
        mailbox=mailbox,
        sink=sink,
        sending=sending,
        submissions=Submissions(outbox, accounts, settings, mailbox, clock),
        delivery=Delivery(neighbours, 180_000),
        schedule=Schedule(store, clock, SUBMIT, 180_000),
    )
    await sending.close()
