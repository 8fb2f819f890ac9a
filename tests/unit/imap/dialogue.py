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


def sent(command: Command[Any], capabilities: str = "IMAP4rev1") -> list[bytes]:
    """The segments that the client sends, a "+" between each."""
    client = greeted(capabilities)
    client.begin(command)
    segments = [client.outgoing()]
    while True:
        client.receive(b"+ go on\r\n")
        more = client.outgoing()
        if not more:
            return segments
        segments.append(more)
