"""Answering over IMAP: one object per account with a method per operation.

It only puts together: `reading`, `writing` and `download` do the work, over the command
connections of `sessions`. What has to do with watching is passed on to the watcher.
"""

from __future__ import annotations

from postroom.clock import Clock, Deadline
from postroom.model.account import Account
from postroom.model.mailbox import MailboxList
from postroom.model.message import (
    MessageDeleted,
    MessageDetail,
    MessageList,
    MessageMoved,
    MessageStored,
    MessageText,
    MessageUpdated,
    ReferencedMessage,
)
from postroom.model.operations import (
    AppendMessage,
    DeleteMessage,
    Done,
    Download,
    DownloadAttachment,
    DownloadSource,
    GetMessage,
    GetQuota,
    GetReference,
    GetText,
    ListMailboxes,
    ListMessages,
    MoveMessage,
    RequestReconnect,
    RequestSync,
    SearchMessages,
    UpdateMessage,
)
from postroom.model.quota import QuotaTold
from postroom.providers.imap.download import CHUNK_BYTES, Downloading
from postroom.providers.imap.places import NumberedMailboxes, Places
from postroom.providers.imap.quota import read_quota
from postroom.providers.imap.reading import Reading
from postroom.providers.imap.sessions import CommandConnections, Opening
from postroom.providers.imap.writing import Writing
from postroom.providers.interface import Watcher


class ImapAnswering:
    """Serves the operations of one IMAP account (`providers.interface.Answering`).

    `open_connection` gives a logged-in connection (`providers.imap.connect.connect`).
    """

    def __init__(
        self,
        account: Account,
        mailboxes: NumberedMailboxes,
        clock: Clock,
        *,
        open_connection: Opening,
        watcher: Watcher,
        chunk_bytes: int = CHUNK_BYTES,
    ) -> None:
        self._connections = CommandConnections(open_connection, clock)
        self._places = Places(account, mailboxes, self._connections, clock)
        self._reading = Reading(self._places, self._connections, clock)
        self._writing = Writing(self._places, self._connections)
        self._downloading = Downloading(self._places, clock, chunk_bytes)
        self._watcher = watcher

    async def list_mailboxes(self, asked: ListMailboxes, deadline: Deadline) -> MailboxList:
        listed = await self._places.list(deadline, counters=asked.counters)
        return await self._places.verified(listed, self._watcher.verified_ms)

    async def list_messages(self, asked: ListMessages, deadline: Deadline) -> MessageList:
        return await self._reading.list_messages(asked, deadline)

    async def search_messages(self, asked: SearchMessages, deadline: Deadline) -> MessageList:
        return await self._reading.search_messages(asked, deadline)

    async def get_message(self, asked: GetMessage, deadline: Deadline) -> MessageDetail:
        return await self._reading.get_message(asked, deadline)

    async def get_text(self, asked: GetText, deadline: Deadline) -> MessageText:
        return await self._reading.get_text(asked, deadline)

    async def get_reference(self, asked: GetReference, deadline: Deadline) -> ReferencedMessage:
        return await self._reading.get_reference(asked, deadline)

    async def download_attachment(self, asked: DownloadAttachment, deadline: Deadline) -> Download:
        return await self._downloading.download_attachment(asked, deadline)

    async def download_source(self, asked: DownloadSource, deadline: Deadline) -> Download:
        return await self._downloading.download_source(asked, deadline)

    async def update_message(self, asked: UpdateMessage, deadline: Deadline) -> MessageUpdated:
        return await self._writing.update_message(asked, deadline)

    async def move_message(self, asked: MoveMessage, deadline: Deadline) -> MessageMoved:
        return await self._writing.move_message(asked, deadline)

    async def delete_message(self, asked: DeleteMessage, deadline: Deadline) -> MessageDeleted:
        return await self._writing.delete_message(asked, deadline)

    async def append_message(self, asked: AppendMessage, deadline: Deadline) -> MessageStored:
        return await self._writing.append_message(asked, deadline)

    async def get_quota(self, asked: GetQuota, deadline: Deadline) -> QuotaTold:
        return await read_quota(self._connections, deadline)

    async def request_sync(self, asked: RequestSync, deadline: Deadline) -> Done:
        self._watcher.request_sync()
        return Done()

    async def request_reconnect(self, asked: RequestReconnect, deadline: Deadline) -> Done:
        self._watcher.request_reconnect()
        return Done()

    async def close(self) -> None:
        await self._connections.close()
