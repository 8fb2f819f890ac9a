"""Plays a command against scripted server bytes: the door of the sans-IO client."""

from __future__ import annotations

from typing import Any

from postroom.imap.client import ImapClient
from postroom.imap.commands.exchange import Command
from postroom.imap.types import Unsolicited

GREETING = b"* OK ready\r\n"


def greeted(capabilities: str = "IMAP4rev1") -> ImapClient:
    """A client that has heard the greeting with these capabilities."""
    client = ImapClient()
    client.receive(f"* OK [CAPABILITY {capabilities}] ready\r\n".encode())
    return client


def play(
    command: Command[Any], answer: bytes, capabilities: str = "IMAP4rev1", at: int | None = None
) -> tuple[Any, list[Unsolicited]]:
    """The result and the news of a command whose server answers so; split at byte `at`."""
    client = greeted(capabilities)
    client.begin(command)
    client.outgoing()
    pieces = [answer] if at is None else [answer[:at], answer[at:]]
    news: list[Unsolicited] = []
    for piece in pieces:
        news += client.receive(piece)
    assert not client.is_busy, "the answer has no tagged end"
    return client.result(), news


def sent(command: Command[Any], capabilities: str = "IMAP4rev1", pluses: int = 1) -> list[bytes]:
    """What the client sends when the server asks for more that many times."""
    client = greeted(capabilities)
    client.begin(command)
    segments = [client.outgoing()]
    for _ in range(pluses):
        client.receive(b"+ go on\r\n")
        segments.append(client.outgoing())
    return [segment for segment in segments if segment]


def line(command: Command[Any], capabilities: str = "IMAP4rev1") -> bytes:
    """The one line that a command is, without its tag."""
    (only,) = sent(command, capabilities)
    return only.removeprefix(b"P1 ").removesuffix(b"\r\n")
