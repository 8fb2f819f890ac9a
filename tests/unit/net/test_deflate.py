"""Compressed connections: the stream at every split, bombs, garbage, and Dovecot."""

from __future__ import annotations

import asyncio
import tracemalloc
import zlib

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.imap.commands import Append, Fetch, Noop, Select
from postroom.net.deflate import MOST_INFLATED_BYTES, Deflated
from postroom.net.wire import Wire, WireEnded
from tests.fakes.dovecot import message, running_dovecot
from tests.unit.net.test_imap import logged_in

CLOCK = SystemClock()
TEXT = b"* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n" * 20 + b"P1 OK done\r\n"


def soon() -> Deadline:
    return Deadline.after(CLOCK, 20)


def deflated(*parts: bytes) -> bytes:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"".join(
        compressor.compress(part) + compressor.flush(zlib.Z_SYNC_FLUSH) for part in parts
    )


def test_a_stream_is_the_same_at_every_split() -> None:
    raw = deflated(TEXT, b"", b"more")
    for at in range(len(raw) + 1):
        streams = Deflated()
        assert streams.inflate(raw[:at]) + streams.inflate(raw[at:]) == TEXT + b"more"
        assert not streams.has_more
    streams = Deflated()
    assert b"".join(streams.inflate(raw[at : at + 1]) for at in range(len(raw))) == TEXT + b"more"


def test_what_is_sent_arrives_whole_with_each_command() -> None:
    ours, theirs = Deflated(), zlib.decompressobj(-15)
    for sent in (b"P1 NOOP\r\n", b"x" * 100_000, b"", b"P2 NOOP\r\n"):
        assert theirs.decompress(ours.deflate(sent)) == sent


def test_a_bomb_is_inflated_in_bounded_steps() -> None:
    bomb = deflated(bytes(200 * MOST_INFLATED_BYTES))
    assert len(bomb) < MOST_INFLATED_BYTES
    streams = Deflated()
    tracemalloc.start()
    steps = [len(streams.inflate(bomb))]
    while streams.has_more:
        steps.append(len(streams.inflate(b"")))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert max(steps) <= MOST_INFLATED_BYTES
    assert sum(steps) == 200 * MOST_INFLATED_BYTES
    assert peak < 8 * MOST_INFLATED_BYTES


@pytest.mark.parametrize("length", range(MOST_INFLATED_BYTES - 2, MOST_INFLATED_BYTES + 3))
def test_a_step_that_is_just_full_loses_nothing(length: int) -> None:
    plain = bytes(at % 251 for at in range(length))
    streams = Deflated()
    got = streams.inflate(deflated(plain))
    while streams.has_more:
        got += streams.inflate(b"")
    assert got == plain


class _Pipe(asyncio.Transport):
    """A transport that only notes what is asked of it."""

    def __init__(self) -> None:
        super().__init__()
        self.sent = b""
        self.is_aborted = False
        self.is_reading_paused = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.sent += bytes(data)

    def abort(self) -> None:
        self.is_aborted = True

    def close(self) -> None:
        self.is_aborted = True

    def is_closing(self) -> bool:
        return self.is_aborted

    def pause_reading(self) -> None:
        self.is_reading_paused = True

    def resume_reading(self) -> None:
        self.is_reading_paused = False


def wired() -> tuple[Wire, _Pipe]:
    wire, pipe = Wire(), _Pipe()
    wire.connection_made(pipe)
    return wire, pipe


async def read_all(wire: Wire) -> bytes:
    got = b""
    try:
        while True:
            got += await asyncio.wait_for(wire.read(), 1)
    except (WireEnded, TimeoutError):
        return got


async def test_a_wire_goes_on_with_what_was_read_before_the_switch() -> None:
    raw = deflated(TEXT)
    for at in (0, 1, len(raw) // 2, len(raw)):
        wire, pipe = wired()
        if raw[at:]:
            wire.data_received(raw[at:])
        wire.start_deflate(raw[:at])
        wire.eof_received()
        assert await read_all(wire) == TEXT
        assert not pipe.sent


async def test_a_wire_hands_out_a_bomb_step_by_step_while_its_socket_waits() -> None:
    wire, _ = wired()
    wire.start_deflate(b"")
    wire.data_received(deflated(bytes(5 * MOST_INFLATED_BYTES)))
    wire.eof_received()
    sizes = []
    while True:
        try:
            sizes.append(len(await asyncio.wait_for(wire.read(), 1)))
        except WireEnded:
            break
    assert max(sizes) == MOST_INFLATED_BYTES
    assert sum(sizes) == 5 * MOST_INFLATED_BYTES


@pytest.mark.parametrize("garbage", [b"\xff" * 50, deflated(b"x") + b"\xff\xff\xff\xff\xff\xff"])
async def test_garbage_instead_of_a_stream_ends_the_connection(garbage: bytes) -> None:
    wire, pipe = wired()
    wire.start_deflate(b"")
    wire.data_received(garbage)
    assert await read_all(wire) in (b"", b"x")
    assert pipe.is_aborted
    assert wire.is_ended


async def test_a_stream_that_says_it_is_over_is_over() -> None:
    compressor = zlib.compressobj(9, zlib.DEFLATED, -15)
    wire, pipe = wired()
    wire.start_deflate(b"")
    wire.data_received(compressor.compress(b"bye") + compressor.flush())
    assert await wire.read() == b"bye"
    wire.data_received(b"more")
    with pytest.raises(WireEnded):
        await wire.read()
    assert pipe.is_aborted


@pytest.mark.dovecot
async def test_dovecot_is_read_and_written_compressed() -> None:
    with running_dovecot("protocol imap {\n  mail_plugins = imap_zlib\n}") as dovecot:
        connection = await logged_in(dovecot)
        assert connection.has("COMPRESS=DEFLATE")
        await connection.compress(soon())
        raw = message("compressed", text="line of text\n" * 100_000)
        for _ in range(3):
            await connection.run(Append("INBOX", raw), soon())
        await connection.run(Select("INBOX"), soon())
        fetched = await connection.run(Fetch("1:*", "(UID BODY.PEEK[])"), soon())
        assert [one.sections[""] for one in fetched] == [raw] * 3
        await connection.run(Noop(), soon())
        await connection.logout(soon())
