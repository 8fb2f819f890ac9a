"""Our end of TLS against OpenSSL's other end, in memory: every split, long data, faults."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from pathlib import Path

import pytest
import uvloop

from postroom.net.encryption import Encryption
from postroom.net.wire import Wire, WireEnded
from tests.fakes.dovecot import make_certificate
from tests.unit.net.test_deflate import wired


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("encryption")
    make_certificate(directory)
    return directory


class Peer:
    """The server's end."""

    def __init__(self, directory: Path, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(directory / "cert.pem", directory / "key.pem")
        context.maximum_version = version
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_side=True)
        self.heard = b""
        self.is_ready = False

    def hear(self, data: bytes) -> bytes:
        """Take in bytes; what is to be sent back."""
        self.incoming.write(data)
        try:
            if not self.is_ready:
                self.tls.do_handshake()
                self.is_ready = True
            while piece := self.tls.read():
                self.heard += piece
        except ssl.SSLWantReadError:
            pass
        return self.outgoing.read()

    def say(self, data: bytes) -> bytes:
        self.tls.write(data)
        return self.outgoing.read()


def trusting(directory: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(directory / "cert.pem"))


def shaken(directory: Path, peer: Peer, step: int = 0) -> Encryption:
    """Both ends through with the handshake; `step` bytes at a time, all at once for 0."""
    ours = Encryption(trusting(directory), "localhost")
    ours.shake_hands()
    while not (ours.is_ready and peer.is_ready):
        theirs = peer.hear(ours.outgoing())
        for at in range(0, len(theirs), step or len(theirs)):
            ours.receive(theirs[at : at + (step or len(theirs))])
    ours.receive(peer.hear(ours.outgoing()))
    return ours


VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("step", [0, 1, 7, 1000])
def test_what_is_said_arrives_at_any_split(
    certificate: Path, version: ssl.TLSVersion, step: int
) -> None:
    peer = Peer(certificate, version)
    ours = shaken(certificate, peer, step)
    said = peer.say(b"* OK ready\r\n") + peer.say(b"more")
    heard = b"".join(ours.receive(said[at : at + 1]) for at in range(len(said)))
    assert heard == b"* OK ready\r\nmore"
    ours.send(b"P1 NOOP\r\n")
    peer.hear(ours.outgoing())
    assert peer.heard == b"P1 NOOP\r\n"
    assert not ours.is_over


def test_long_data_passes_whole_and_leaves_small_buffers(certificate: Path) -> None:
    peer = Peer(certificate)
    ours = shaken(certificate, peer)
    raw = bytes(at % 251 for at in range(3_000_000))
    said = peer.say(raw)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    assert ours.receive(said) == raw
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 100_000
    ours.send(raw)
    peer.hear(ours.outgoing())
    assert peer.heard == raw


def test_a_good_bye_of_either_side_is_heard(certificate: Path) -> None:
    peer = Peer(certificate)
    ours = shaken(certificate, peer)
    last = peer.say(b"last words")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    assert ours.receive(last + peer.outgoing.read()) == b"last words"
    assert ours.is_over
    ours.say_goodbye()
    peer.incoming.write(ours.outgoing())
    peer.tls.unwrap()


def test_an_untrusted_peer_is_refused_and_told(certificate: Path) -> None:
    peer = Peer(certificate)
    ours = Encryption(ssl.create_default_context(), "localhost")
    ours.shake_hands()
    theirs = peer.hear(ours.outgoing())
    with pytest.raises(ssl.SSLCertVerificationError):
        ours.receive(theirs)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        peer.hear(ours.outgoing())


@pytest.mark.parametrize("at", [0, 5, 40])
def test_a_changed_byte_is_a_fault(certificate: Path, at: int) -> None:
    peer = Peer(certificate)
    ours = shaken(certificate, peer)
    said = bytearray(peer.say(b"x" * 100))
    said[at] ^= 0x55
    with pytest.raises(ssl.SSLError):
        ours.receive(bytes(said) + bytes(70_000))


async def secured(directory: Path, peer: Peer) -> tuple[Wire, Peer]:
    """A wire whose transport is the peer."""
    wire, pipe = wired()
    starting = asyncio.create_task(wire.start_tls(trusting(directory), "localhost"))
    while not starting.done():
        await asyncio.sleep(0)
        sent, pipe.sent = pipe.sent, b""
        if theirs := peer.hear(sent) if sent else b"":
            wire.data_received(theirs)
    await starting
    if pipe.sent:
        wire.data_received(peer.hear(pipe.sent))
    return wire, peer


async def test_words_and_a_good_bye_in_one_piece_are_read_before_the_end(certificate: Path) -> None:
    wire, peer = await secured(certificate, Peer(certificate))
    assert wire.is_encrypted
    said = peer.say(b"* BYE\r\n")
    with pytest.raises(ssl.SSLWantReadError):
        peer.tls.unwrap()
    wire.data_received(said + peer.outgoing.read())
    assert await wire.read() == b"* BYE\r\n"
    with pytest.raises(WireEnded) as ended:
        await wire.read()
    assert ended.value.cause is None


async def test_a_fault_ends_the_wire_with_its_cause(certificate: Path) -> None:
    wire, _ = await secured(certificate, Peer(certificate))
    wire.data_received(b"\x17\x03\x03\x00\x20" + bytes(32))
    with pytest.raises(WireEnded) as ended:
        await wire.read()
    assert isinstance(ended.value.cause, ssl.SSLError)
    with pytest.raises(WireEnded):
        await wire.write(b"more")


def test_closing_a_connection_that_is_closed_already_is_no_fault_on_the_product_s_loop(
    certificate: Path,
) -> None:
    async def close_twice() -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")

        async def accept(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"hello")

        async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context) as server:
            port = server.sockets[0].getsockname()[1]
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(Wire, "127.0.0.1", port)
            await wire.start_tls(trusting(certificate), "localhost")
            assert await wire.read() == b"hello"
            wire.abort()
            await asyncio.sleep(0)
            await wire.close(1)
            await wire.close(1)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(close_twice())
