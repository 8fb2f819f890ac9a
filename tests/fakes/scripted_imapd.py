"""A small true IMAP server on a port that plays a script, and misbehaves where it is told to.

It knows one account, mailboxes with messages, and the dialogue that a watcher leads. Each command
is a step, by its name; `GREETING` and `DONE` (the end of IDLE) are steps, too. At every step a
fault can take the place of the answer, or bend it. It is written by hand and shares no code with
the product, so that an error of reading is not answered by the same error of writing.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import ssl
import struct
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime

# SO_LINGER on with zero seconds: closing sends RST instead of FIN (socket(7)).
_RESET = struct.pack("ii", 1, 0)
# Every message has come in then.
RECEIVED = datetime(2026, 11, 20, 9, 22)
CAPABILITIES = "IMAP4rev1 ID ENABLE IDLE CONDSTORE"


@dataclass(slots=True)
class Stored:
    """A message."""

    subject: str
    flags: tuple[str, ...] = ()
    modseq: int = 1


@dataclass(slots=True)
class Box:
    """A mailbox; messages by ascending UID."""

    uid_validity: int = 7
    uid_next: int = 1
    modseq: int = 1
    messages: dict[int, Stored] = field(default_factory=dict)

    def add(self, subject: str, flags: tuple[str, ...] = ()) -> int:
        self.modseq += 1
        uid = self.uid_next
        self.messages[uid] = Stored(subject, flags, self.modseq)
        self.uid_next += 1
        return uid

    def counters(self) -> dict[str, int]:
        return {
            "MESSAGES": len(self.messages),
            "UNSEEN": sum("\\Seen" not in one.flags for one in self.messages.values()),
            "UIDNEXT": self.uid_next,
            "UIDVALIDITY": self.uid_validity,
            "HIGHESTMODSEQ": self.modseq,
        }


@dataclass(eq=False, slots=True)
class Peer:
    """One connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    open_box: str | None = None
    is_idling: bool = False
    # A message came that this connection was not told of yet.
    has_news: bool = False

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        sock = self.writer.get_extra_info("socket")
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.writer.transport.abort()


# Takes the place of an answer: gets the connection and the bytes that a good server would send.
Fault = Callable[[Peer, bytes], Awaitable[None]]
# Changes the answer's bytes.
Bend = Callable[[bytes], bytes]


async def reset(peer: Peer, _answer: bytes) -> None:
    peer.reset()


async def cut(peer: Peer, answer: bytes) -> None:
    """End in the middle of the answer."""
    await peer.send(answer[: len(answer) // 2])
    peer.writer.close()


async def half_close(peer: Peer, _answer: bytes) -> None:
    """Send nothing more, and go on reading."""
    if peer.writer.can_write_eof():
        peer.writer.write_eof()
    await peer.reader.read()


async def stall(peer: Peer, answer: bytes) -> None:
    """Half an answer, and then silence for as long as the client bears it."""
    await peer.send(answer[: len(answer) // 2])
    await peer.reader.read()


async def garbage(peer: Peer, _answer: bytes) -> None:
    await peer.send(b"\x00\xff((((\r\n* \x80 {9999999999999}\r\n)))\r\n" * 50)


async def goodbye(peer: Peer, _answer: bytes) -> None:
    await peer.send(b"* BYE Shutting down\r\n")
    peer.writer.close()


async def slow(peer: Peer, answer: bytes) -> None:
    """The whole answer, in small pieces."""
    for at in range(0, len(answer), 7):
        await peer.send(answer[at : at + 7])
        await asyncio.sleep(0)


def bent(bend: Bend) -> Fault:
    """A fault that sends another answer."""

    async def send(peer: Peer, answer: bytes) -> None:
        await peer.send(bend(answer))

    return send


@dataclass(eq=False)
class ScriptedImapd:
    """The server; `faults` may be changed while it runs."""

    capabilities: str = CAPABILITIES
    tls: ssl.SSLContext | None = None
    boxes: dict[str, Box] = field(default_factory=lambda: {"INBOX": Box(), "Work": Box()})
    # Step -> what happens there, for as long as it stands here.
    faults: dict[str, Fault] = field(default_factory=dict)
    # How often each step was reached, and how many connections there were.
    steps: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    peers: set[Peer] = field(default_factory=set)
    port: int = 0

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._accepted, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        for peer in list(self.peers):
            peer.writer.transport.abort()
        while self.peers:
            await asyncio.sleep(0.01)

    async def deliver(self, subject: str, path: str = "INBOX") -> None:
        """Add a message and tell those who have the mailbox open: at once, or when they idle."""
        self.boxes[path].add(subject)
        for peer in self.peers:
            if peer.open_box == path:
                peer.has_news = True
                if peer.is_idling:
                    await self._tell(peer)

    async def _tell(self, peer: Peer) -> None:
        if peer.has_news and peer.open_box in self.boxes:
            peer.has_news = False
            await peer.send(b"* %d EXISTS\r\n" % len(self.boxes[peer.open_box].messages))

    async def say(self, line: bytes) -> None:
        """Tell everybody something unasked."""
        for peer in list(self.peers):
            await peer.send(line + b"\r\n")

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.add(peer)
        self.connections += 1
        try:
            await self._answer(peer, "GREETING", b"* OK ready\r\n")
            while line := await reader.readline():
                await self._command(peer, line)
        except (OSError, asyncio.IncompleteReadError, ValueError):
            pass
        finally:
            self.peers.discard(peer)
            writer.close()

    async def _command(self, peer: Peer, line: bytes) -> None:
        tag, _, rest = line.decode("latin-1").strip().partition(" ")
        name, _, arguments = rest.partition(" ")
        if name.upper() == "UID":
            name, _, arguments = arguments.partition(" ")
            name = f"UID {name}"
        name = name.upper()
        if name == "IDLE":
            await self._idle(peer, tag)
            return
        lines, status = self._answer_to(peer, tag, name, arguments)
        answer = b"".join(one + b"\r\n" for one in lines)
        await self._answer(peer, name, answer + f"{tag} {status}\r\n".encode())
        if name == "STARTTLS" and status.startswith("OK") and "STARTTLS" not in self.faults:
            assert self.tls is not None
            await peer.writer.start_tls(self.tls)

    async def _idle(self, peer: Peer, tag: str) -> None:
        peer.is_idling = True
        await self._answer(peer, "IDLE", b"+ idling\r\n")
        await self._tell(peer)
        await peer.reader.readline()
        peer.is_idling = False
        await self._answer(peer, "DONE", f"{tag} OK done\r\n".encode())

    async def _answer(self, peer: Peer, step: str, answer: bytes) -> None:
        self.steps[step] += 1
        fault = self.faults.get(step)
        if fault is None:
            await peer.send(answer)
        else:
            await fault(peer, answer)

    def _answer_to(
        self, peer: Peer, tag: str, name: str, arguments: str
    ) -> tuple[list[bytes], str]:
        match name:
            case "CAPABILITY":
                return [f"* CAPABILITY {self._offered(peer)}".encode()], "OK done"
            case "LIST":
                rows = [f'* LIST () "/" "{path}"'.encode() for path in self.boxes]
                return rows, "OK done"
            case "STATUS":
                return self._status(arguments)
            case "EXAMINE" | "SELECT":
                return self._open(peer, arguments)
            case "FETCH" | "UID FETCH" if peer.open_box in self.boxes:
                box = self.boxes[peer.open_box]
                return list(_fetched(box, arguments, by_uid=name != "FETCH")), "OK done"
            case "SEARCH" | "UID SEARCH" if peer.open_box in self.boxes:
                return [_found(self.boxes[peer.open_box], tag, arguments)], "OK done"
            case _:
                return [], "OK done"

    def _offered(self, peer: Peer) -> str:
        is_tls = peer.writer.get_extra_info("ssl_object") is not None
        return self.capabilities + (" STARTTLS" if self.tls is not None and not is_tls else "")

    def _status(self, arguments: str) -> tuple[list[bytes], str]:
        path, _, items = arguments.rpartition(" (")
        box = self.boxes.get(path.strip('"'))
        if box is None:
            return [], "NO [NONEXISTENT] No such mailbox"
        counters = box.counters()
        asked = [item for item in items.rstrip(")").split() if item in counters]
        told = " ".join(f"{item} {counters[item]}" for item in asked)
        return [f"* STATUS {path} ({told})".encode()], "OK done"

    def _open(self, peer: Peer, arguments: str) -> tuple[list[bytes], str]:
        match = re.match(r'"((?:[^"\\]|\\.)*)"|(\S+)', arguments)
        path = (match.group(1) or match.group(2)) if match else ""
        box = self.boxes.get(path)
        if box is None:
            peer.open_box = None
            return [], "NO [NONEXISTENT] No such mailbox"
        peer.open_box = path
        peer.has_news = False
        lines = [
            b"* FLAGS (\\Answered \\Flagged \\Deleted \\Seen \\Draft)",
            b"* %d EXISTS" % len(box.messages),
            b"* OK [UIDVALIDITY %d] so" % box.uid_validity,
            b"* OK [UIDNEXT %d] so" % box.uid_next,
            b"* OK [HIGHESTMODSEQ %d] so" % box.modseq,
        ]
        return lines, "OK [READ-ONLY] done"


def _found(box: Box, tag: str, arguments: str) -> bytes:
    """The answer to a SEARCH, which looks at SINCE only; as ranges where that is asked for."""
    since = re.search(r"SINCE (\S+)", arguments)
    is_old = since is not None and datetime.strptime(since.group(1), "%d-%b-%Y") > RECEIVED
    uids = [] if is_old else list(box.messages)
    if not arguments.startswith("RETURN"):
        return f"* SEARCH {' '.join(map(str, uids))}".strip().encode()
    told = f" ALL {uids[0]}:{uids[-1]}" if uids else ""
    return f'* ESEARCH (TAG "{tag}") UID COUNT {len(uids)}{told}'.encode()


def _fetched(box: Box, arguments: str, *, by_uid: bool) -> Iterator[bytes]:
    """The answers to a FETCH, with every item that was asked for."""
    numbers, _, items = arguments.partition(" ")
    since = re.search(r"CHANGEDSINCE (\d+)", items)
    uids = list(box.messages)
    last = (uids[-1] if by_uid else len(uids)) if uids else 0
    for low, high in _ranges(numbers, last):
        first, end = (low - 1, high)
        if by_uid:
            first, end = bisect_left(uids, low), bisect_right(uids, high)
        for place, uid in enumerate(uids[first:end], first + 1):
            message = box.messages[uid]
            if since is None or message.modseq > int(since.group(1)):
                yield f"* {place} FETCH ({_items(uid, message, items)})".encode()


def _items(uid: int, message: Stored, items: str) -> str:
    flags = " ".join(message.flags)
    told = [f"UID {uid}", f"FLAGS ({flags})", f"MODSEQ ({message.modseq})"]
    if "INTERNALDATE" in items:
        told.append(f'INTERNALDATE "{RECEIVED:%d-%b-%Y %H:%M:%S} +0000"')
    if "RFC822.SIZE" in items:
        told.append("RFC822.SIZE 100")
    if "ENVELOPE" in items:
        ann = '((NIL NIL "ann" "example.com"))'
        told.append(
            f'ENVELOPE ("Fri, 20 Nov 2026 09:22:00 +0000" "{message.subject}" {ann} {ann} {ann} '
            f'{ann} NIL NIL NIL "<{uid}@example.com>")'
        )
    if "BODYSTRUCTURE" in items:
        told.append('BODYSTRUCTURE ("TEXT" "PLAIN" NIL NIL NIL "7BIT" 5 1 NIL NIL NIL NIL)')
    if section := re.search(r"BODY\.PEEK(\[HEADER[^\]]*\])", items):
        told.append(f'BODY{section.group(1)} ""')
    return " ".join(told)


def _ranges(text: str, last: int) -> Iterator[tuple[int, int]]:
    """The ranges of a sequence set; `*` is the last number."""
    for part in text.split(","):
        ends = [last if end == "*" else int(end) for end in part.split(":")]
        yield min(ends), max(ends)


@asynccontextmanager
async def scripted_imapd(server: ScriptedImapd | None = None) -> AsyncIterator[ScriptedImapd]:
    """A running server."""
    started = server or ScriptedImapd()
    await started.start()
    try:
        yield started
    finally:
        await started.stop()
