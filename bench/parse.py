"""How fast responses are read: the sans-IO core alone, no server, no socket.

20,000 generated FETCH responses as a listing of messages asks for them (UID, FLAGS, INTERNALDATE,
RFC822.SIZE, MODSEQ, ENVELOPE, BODYSTRUCTURE and a literal of header fields), about 1.5 kB each, and
50,000 plain flag lines as a first sync gets them. Pure and compiled twin by turns,
in seconds of CPU.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bench.figures import report
from postroom.imap.client import ImapClient
from postroom.imap.commands import Fetch, ListFlags
from postroom.imap.framing import Framer
from postroom.imap.twins import COMPILED, PURE, Twin

RESPONSES = 20_000
FLAG_LINES = 50_000
SEED = 20261125
# What a socket gives at once.
PIECE_BYTES = 65_536
FLAGS = (b"\\Seen", b"", b"\\Answered \\Seen", b"\\Seen $Label1", b"\\Flagged", b"NonJunk \\Seen")


async def bench_parse() -> None:
    """Responses a second: framing, then tokens, then whole messages, then the whole client."""
    responses = [_response(random.Random(SEED + at), at + 1) for at in range(RESPONSES)]
    stream = b"\r\n".join(responses) + b"\r\n"
    report("parse_input", responses=RESPONSES, bytes_each=len(stream) // RESPONSES)
    report("parse_framing", responses_per_s=_rate(lambda: _frame(stream), RESPONSES))
    for twin in (PURE, COMPILED):
        if twin is not None:
            _report(twin, responses, stream)


def _report(twin: Twin, responses: list[bytes], stream: bytes) -> None:
    tokenise, read_message = twin.tokenise, twin.read_message

    def tokens() -> None:
        for response in responses:
            tokenise(response, 2)

    def messages() -> None:
        for response in responses:
            read_message(response)

    report(f"parse_tokens_{twin.name}", responses_per_s=_rate(tokens, RESPONSES))
    report(f"parse_read_{twin.name}", responses_per_s=_rate(messages, RESPONSES))
    report(f"parse_client_{twin.name}",
           responses_per_s=_rate(lambda: _hear(twin, stream), RESPONSES))  # fmt: skip
    flags = _flag_lines()
    report(f"parse_flag_lines_{twin.name}",
           lines_per_s=_rate(lambda: _list(twin, flags), FLAG_LINES))  # fmt: skip


def _rate(work: Callable[[], None], count: int) -> float:
    # Nothing here waits: CPU time is the same figure, and other processes do not disturb it.
    began = time.process_time()
    work()
    return count / (time.process_time() - began)


def _frame(stream: bytes) -> None:
    framer = Framer()
    for at in range(0, len(stream), PIECE_BYTES):
        framer.feed(stream[at : at + PIECE_BYTES])
        while framer.next() is not None:
            pass


def _hear(twin: Twin, stream: bytes) -> None:
    client = ImapClient(twin=twin)
    client.receive(b"* OK ready\r\n")
    client.begin(Fetch("1:*", "(x)", on_message=lambda _message: None))
    for at in range(0, len(stream), PIECE_BYTES):
        client.receive(stream[at : at + PIECE_BYTES])


def _list(twin: Twin, stream: bytes) -> None:
    client = ImapClient(twin=twin)
    client.receive(b"* OK ready\r\n")
    client.begin(ListFlags("1:*", len))
    for at in range(0, len(stream), PIECE_BYTES):
        client.receive(stream[at : at + PIECE_BYTES])


def _flag_lines() -> bytes:
    rng = random.Random(SEED)
    return b"".join(
        b"* %d FETCH (UID %d FLAGS (%s))\r\n" % (at, 3 * at, rng.choice(FLAGS))
        for at in range(1, FLAG_LINES + 1)
    )


def _response(rng: random.Random, seq: int) -> bytes:
    headers = (
        b"References: <%032x@mail.example.com>\r\n <%032x@mail.example.com>\r\n"
        b"X-Priority: %d\r\n\r\n" % (rng.getrandbits(128), rng.getrandbits(128), rng.randint(1, 5))
    )
    return (
        b"* %d FETCH (UID %d FLAGS (%s)" % (seq, 3 * seq, rng.choice(FLAGS))
        + b' INTERNALDATE "%02d-Nov-2026 10:%02d:%02d +0100"'
        % (rng.randint(1, 28), rng.randint(0, 59), rng.randint(0, 59))
        + b" RFC822.SIZE %d MODSEQ (%d)" % (rng.randint(900, 90_000), rng.randint(1, 10**9))
        + b" ENVELOPE " + _envelope(rng, seq)
        + b" BODYSTRUCTURE " + _structure(rng)
        + b" BODY[HEADER.FIELDS (REFERENCES X-PRIORITY)] {%d}\r\n%s)" % (len(headers), headers)
    )  # fmt: skip


def _envelope(rng: random.Random, seq: int) -> bytes:
    people = [
        b'("Person Number %d" NIL "person.%d" "example-%d.com")' % (n, n, n % 7)
        for n in rng.sample(range(1000), 6)
    ]
    sender, *others = people
    return (
        b'("Wed, 25 Nov 2026 10:%02d:00 +0100"' % rng.randint(0, 59)
        + b' "=?utf-8?q?Re=3A_the_plans_for_the_=E2=82=AC_week?= and more words number %d"' % seq
        + b" (%s) (%s) (%s) (%s) (%s) NIL"
        % (sender, sender, sender, b"".join(others[:3]), b"".join(others[3:]))
        + b' "<%032x@mail.example.com>" "<%032x@mail.example.com>")'
        % (rng.getrandbits(128), rng.getrandbits(128))
    )


def _structure(rng: random.Random) -> bytes:
    boundary = b"----=_Part_%024x" % rng.getrandbits(96)
    text = (
        b'(("text" "plain" ("charset" "utf-8") NIL NIL "quoted-printable" %d %d NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "utf-8") NIL NIL "quoted-printable" %d %d NIL NIL NIL NIL)'
        b' "alternative" ("boundary" "%s") NIL NIL NIL)'
        % (rng.randint(100, 9999), rng.randint(9, 99), rng.randint(100, 9999), rng.randint(9, 99),
           boundary)
    )  # fmt: skip
    attachment = (
        b'("application" "pdf" ("name" "report %d.pdf") NIL NIL "base64" %d NIL'
        b' ("attachment" ("filename" "report %d.pdf" "size" "%d")) NIL NIL)'
        % (rng.randint(1, 99), rng.randint(10_000, 99_999), rng.randint(1, 99),
           rng.randint(10_000, 99_999))
    )  # fmt: skip
    return b'(%s%s "mixed" ("boundary" "%s-1") NIL NIL NIL)' % (text, attachment, boundary)
