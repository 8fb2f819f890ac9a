"""Any bytes give values or a ProtocolViolation: nothing else is raised, and nothing hangs (I12).

`EXAMPLES` mutations of the corpus with a fixed seed run with the tests; set more by calling
`mutate` from a longer run.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.imap.client import ImapClient
from postroom.imap.commands import (
    AppendAll,
    Copy,
    Create,
    Enable,
    EventGroup,
    Fetch,
    FetchPart,
    Find,
    FindThreads,
    GetQuotaRoot,
    Id,
    ListMailboxes,
    Namespace,
    NewMessage,
    Notify,
    Search,
    Select,
    Sort,
    Status,
    Store,
)
from postroom.imap.commands.exchange import Command
from postroom.imap.errors import AnswerUnreadable, ImapRefused, ProtocolViolation
from postroom.imap.framing import Limits
from postroom.imap.server import ServerSide
from postroom.imap.tokens import tokenise

CORPUS = Path(__file__).parents[1] / "corpus" / "imap"
EXAMPLES = 4000
SEED = 20261120
LIMITS = Limits(line_bytes=100_000, literal_bytes=100_000, response_bytes=200_000)
COMMANDS: tuple[Command[object], ...] = (
    Fetch("1:9", "(UID)"),
    Search(("ALL",)),
    ListMailboxes(),
    Select("INBOX", qresync=(1, 2)),
    Find(wanted=("ALL", "COUNT", "MIN")),
    FindThreads(),
    Sort(("DATE",)),
    Namespace(),
    GetQuotaRoot(),
    Notify((EventGroup("personal", ("MessageNew", "MessageExpunge")),), status=True),
    ListMailboxes(return_status=("MESSAGES",)),
    Status("INBOX"),
    Enable(("QRESYNC",)),
    Create("a"),
    AppendAll("a", (NewMessage(b"x"), NewMessage(b"y"))),
    Copy("1", "b"),
    Store("1", ("a",), "add"),
    FetchPart(1, "1"),
    Id(),
)
WORDS = (
    *(b"(", b")", b'"', b"\\", b"{3}\r\n", b"{0}\r\n", b"\r\n", b" ", b"NIL", b"\x00", b"\xff"),
    *(b"* ", b"P1 OK ", b"+ ", b"[", b"]", b"BODY[", b"1:4294967295", b"FETCH", b"((((", b"~{1}"),
)


def hear(data: bytes, command: Command[object]) -> None:
    """The whole client against these bytes."""
    client = ImapClient(LIMITS)
    client.receive(
        b"* OK [CAPABILITY IMAP4rev1 ESEARCH NAMESPACE QUOTA QRESYNC LITERAL+] ready\r\n"
    )
    client.begin(command)
    try:
        client.receive(data)
        if not client.is_busy:
            client.result()
    except (ProtocolViolation, ImapRefused, AnswerUnreadable):
        pass


def read_tokens(data: bytes) -> None:
    """The tokeniser alone against these bytes."""
    with contextlib.suppress(ProtocolViolation):
        tokenise(data)


def serve(data: bytes) -> None:
    """The server's end against these bytes."""
    side = ServerSide(LIMITS)
    side.feed(data)
    try:
        while side.next_command() is not None:
            side.literals_to_ask()
    except ProtocolViolation:
        pass


def lines() -> list[bytes]:
    found: list[bytes] = []
    for path in sorted(CORPUS.glob("*.txt")):
        found += path.read_bytes().partition(b"\n---\n")[2].replace(b"\n", b"\r\n").splitlines(True)
    return found


def mutate(count: int, seed: int) -> Iterator[bytes]:
    """Pieces of the corpus, cut, joined, repeated and sprinkled with what matters to the parser."""
    rng, seeds = random.Random(seed), lines()
    for _ in range(count):
        data = bytearray(b"".join(rng.choices(seeds, k=rng.randint(1, 6))))
        for _ in range(rng.randint(1, 8)):
            at = rng.randrange(len(data) + 1)
            kind = rng.randrange(4)
            if kind == 0:
                data[at : at + rng.randint(0, 20)] = b""
            elif kind == 1:
                data[at:at] = rng.choice(WORDS) * rng.choice((1, 1, 2, 50))
            elif kind == 2:
                data[at : at + 1] = bytes([rng.randrange(256)])
            else:
                data[at:at] = data[at : at + rng.randint(1, 40)]
        yield bytes(data)


def test_mutated_transcripts_give_values_or_violations() -> None:
    for at, data in enumerate(mutate(EXAMPLES, SEED)):
        hear(data, COMMANDS[at % len(COMMANDS)])
        serve(data)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300), st.sampled_from(COMMANDS))
def test_any_bytes_give_values_or_violations(data: bytes, command: Command[object]) -> None:
    hear(b"* " + data + b"\r\n", command)
    hear(b"* 1 FETCH (" + data + b")\r\n", command)
    serve(data + b"\r\n")


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(WORDS), max_size=60))
def test_any_words_give_values_or_violations(words: list[bytes]) -> None:
    for data in (b"".join(words), b" ".join(words)):
        read_tokens(data)
        hear(b"* 1 FETCH (" + data + b")\r\nP1 OK\r\n", COMMANDS[0])


def test_hostile_texts_of_a_megabyte_are_read_in_one_pass() -> None:
    """A quadratic reader would need hours for these; the suite's time limit is the assertion."""
    million = 1_000_000
    for text in (
        b" " * million,
        b'"' + b"\\" * million,
        b'"' + b'\\"' * (million // 2),
        b"BODY[" + b"[" * million,
        b"BODY[" * (million // 5),
        b"BODY[ " * (million // 6),
        b"(" * million,
        b"()" * (million // 2),
        b"{1" * (million // 2),
        b"{1}" * (million // 3),
        b"a]" * (million // 2),
        b"\\" * million,
        b'""' * (million // 2),
    ):
        read_tokens(text)
        hear(b"* OK [" + text[:90_000] + b"\r\n", COMMANDS[0])
        hear(b"* 1 FETCH (FLAGS (" + text[:90_000] + b"\r\n", COMMANDS[0])
