"""APPEND (RFC 9051 6.3.12) with APPENDUID (RFC 4315), several messages at once (RFC 3502).

A message beyond what the server says it takes (APPENDLIMIT, RFC 7889) is refused before a byte of
it is sent. One with NUL in it needs a literal8 (BINARY, RFC 3516); one with 8-bit headers goes as
UTF8 data (RFC 6855 4) where that is switched on, and plain in IMAP4rev2, where it is allowed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postroom.imap import reading
from postroom.imap.commands.exchange import Command, Exchange
from postroom.imap.commands.move import Running
from postroom.imap.encode import Line, Offered
from postroom.imap.errors import ImapRefused, ProtocolViolation
from postroom.imap.responses import Tagged
from postroom.imap.sets import expand, parse_ordered
from postroom.imap.types import Appended

_LIMIT = "APPENDLIMIT="


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message to store; lines of `raw` end in CRLF."""

    raw: bytes
    flags: tuple[str, ...] = ()
    internal_date_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Append(Command[Appended]):
    """Put a message into a mailbox; lines of `raw` end in CRLF.

    `is_plain` sends 8-bit headers as they are: RFC 9755 dropped the UTF8 form.
    """

    path: str
    raw: bytes
    flags: tuple[str, ...] = ()
    internal_date_ms: int | None = None
    is_plain: bool = False

    def start(self, offered: Offered) -> Exchange[Appended]:
        message = NewMessage(self.raw, self.flags, self.internal_date_ms)
        _check_size(message, offered)
        line = Line(offered).raw("APPEND").mailbox(self.path)
        _write(line, message, is_plain=self.is_plain)
        return Exchange(line.end(), lambda tagged: _appended(tagged, 1)[0])


@dataclass(frozen=True, slots=True)
class AppendAll(Command[tuple[Appended, ...]]):
    """Put several messages into a mailbox, all or none; needs the MULTIAPPEND capability."""

    path: str
    messages: tuple[NewMessage, ...]

    def start(self, offered: Offered) -> Exchange[tuple[Appended, ...]]:
        line = Line(offered).raw("APPEND").mailbox(self.path)
        for message in self.messages:
            _check_size(message, offered)
            _write(line, message)
        return Exchange(line.end(), lambda tagged: _appended(tagged, len(self.messages)))


async def append_all(
    run: Running, offered: Offered, path: str, messages: Sequence[NewMessage]
) -> tuple[Appended, ...]:
    """Store several messages: at once, or one by one where the server has no MULTIAPPEND."""
    if len(messages) > 1 and offered.has("MULTIAPPEND"):
        stored: tuple[Appended, ...] = await run(AppendAll(path, tuple(messages)))
        return stored
    one_by_one = [
        await run(Append(path, message.raw, message.flags, message.internal_date_ms))
        for message in messages
    ]
    return tuple(one_by_one)


def append_limit(offered: Offered) -> int | None:
    """How big a message may be by the capability list; None when it does not say."""
    told = [name for name in offered.capabilities if name.startswith(_LIMIT)]
    return reading.number(told[0].removeprefix(_LIMIT)) if told else None


def _check_size(message: NewMessage, offered: Offered) -> None:
    limit = append_limit(offered)
    if limit is not None and len(message.raw) > limit:
        # The answer that the server would give (RFC 7889 4).
        raise ImapRefused(
            f"The message is larger than the {limit} bytes that the server takes",
            response_code="TOOBIG",
            is_bad=False,
        )


def _write(line: Line, message: NewMessage, *, is_plain: bool = False) -> None:
    if message.flags:
        line.flags(message.flags)
    if message.internal_date_ms is not None:
        line.date_time(message.internal_date_ms)
    offered = line.offered
    if not is_plain and _needs_utf8(message.raw, offered):
        line.raw("UTF8").open_list().literal8(message.raw).close_list()
    elif b"\0" in message.raw and offered.has("BINARY"):
        line.literal8(message.raw)
    else:
        line.literal(message.raw)


def _needs_utf8(raw: bytes, offered: Offered) -> bool:
    has_utf8 = offered.has("UTF8=ACCEPT") or offered.has("UTF8=ONLY")
    if not offered.is_utf8 or not has_utf8 or offered.has("IMAP4REV2"):
        return False
    return not raw.partition(b"\r\n\r\n")[0].isascii()


def _appended(tagged: Tagged, count: int) -> tuple[Appended, ...]:
    """RFC 4315 3: for several messages a set of UIDs in the order of the messages."""
    unknown = (Appended(),) * count
    if tagged.code is None or tagged.code.name != "APPENDUID":
        return unknown
    told, uids = ([*tagged.code.values, None, None])[:2]
    uid_validity = reading.message_number(told)
    try:
        numbers = expand(parse_ordered(uids)) if isinstance(uids, str) else ()
    except ProtocolViolation:
        # The messages are stored all the same; only their UIDs are unknown.
        return unknown
    if len(numbers) != count:
        return (Appended(uid_validity),) * count
    return tuple(Appended(uid_validity, uid or None) for uid in numbers)
