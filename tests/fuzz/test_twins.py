"""The compiled twin gives what the pure one gives, and neither looks at a byte again and again."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest

from postroom.imap.lines import FlagLines
from postroom.imap.tokens import MOST_DEPTH
from postroom.imap.twins import CHOSEN, COMPILED, PURE, Twin
from tests.fuzz.twins import compare, inputs, outcome, run

EXAMPLES = 6000
SEED = 20261125

needs_compiled = pytest.mark.skipif(COMPILED is None, reason="no compiled twin was built here")
MEGABYTE = 1_000_000
HOSTILE = {
    "open lists": b"(" * MEGABYTE,
    "nesting at the limit": b"(" * (MOST_DEPTH - 1) + b")" * (MOST_DEPTH - 1),
    "nesting beyond the limit": b"(" * MOST_DEPTH + b")" * MOST_DEPTH,
    "empty lists": b"()" * (MEGABYTE // 2),
    "an unclosed quote": b'"' + b"a" * MEGABYTE,
    "trailing backslashes": b'"' + b"\\" * MEGABYTE,
    "escapes": b'"' + b'\\"' * (MEGABYTE // 2) + b'"',
    "a trailing backslash in a string": b'"a\\',
    "open sections": b"BODY[ " * (MEGABYTE // 6),
    "sections in sections": b"BODY[" * (MEGABYTE // 5),
    "an open partial": b"BODY[]<" + b"1" * MEGABYTE,
    "literals cut short": b"{1}" * (MEGABYTE // 3),
    "a truncated literal": b"{1000001}\r\n" + b"x" * MEGABYTE,
    "the hugest literal": b"{9999999999}\r\n",
    "a literal of nothing at the end": b"{0}\r\n",
    "huge numbers": b"9" * MEGABYTE,
    "NUL": b"\x00" * MEGABYTE,
    "8-bit": b"\xff" * MEGABYTE,
    "spaces": b" " * MEGABYTE,
}


@needs_compiled
def test_the_twins_agree_on_generated_and_mutated_inputs() -> None:
    assert run(EXAMPLES, SEED) > 100 * EXAMPLES


def compare_all(twin: Twin, count: int) -> None:
    for at, data in enumerate(inputs(count, SEED)):
        compare(twin, data, at)


@needs_compiled
def test_the_comparison_notices_a_twin_that_is_wrong() -> None:
    assert COMPILED is not None
    wrong: list[Twin] = [
        replace(COMPILED, read_message=lambda _raw: None),
        replace(COMPILED, tokenise=lambda raw, at: COMPILED.tokenise(raw.upper(), at)),
        replace(COMPILED, read_flag_lines=lambda _buffer, start, _lines: start),
    ]
    for twin in wrong:
        with pytest.raises(AssertionError):
            compare_all(twin, 500)


@needs_compiled
@pytest.mark.parametrize("what", HOSTILE)
def test_the_twins_agree_on_hostile_texts(what: str) -> None:
    assert COMPILED is not None
    text = HOSTILE[what]
    for data in (text, b"* 1 FETCH (UID 1 FLAGS (" + text):
        assert outcome(partial(PURE.tokenise, data, 0)) == outcome(
            partial(COMPILED.tokenise, data, 0)
        )
        assert PURE.read_message(data) == COMPILED.read_message(data)
        for twin in (PURE, COMPILED):
            assert twin.read_flag_lines(bytearray(data), 0, FlagLines(len, 9)) == 0


@needs_compiled
def test_a_line_of_16_megabytes_is_read() -> None:
    assert COMPILED is not None
    line = b'* 1 FETCH (ENVELOPE ("' + b'\\"' * (8 * MEGABYTE) + b'"))'
    message = COMPILED.read_message(line)
    assert message is not None
    assert message.envelope is not None
    assert message.envelope.date == '"' * (8 * MEGABYTE)


@needs_compiled
@pytest.mark.parametrize("start", [-1, -(2**40), 2**40])
def test_a_start_outside_the_bytes_reads_nothing_of_the_memory_around(start: int) -> None:
    assert COMPILED is not None
    assert COMPILED.tokenise(b"abc", start) == []
    assert COMPILED.read_flag_lines(bytearray(b"* 1"), start, FlagLines(len, 9)) == start


@needs_compiled
def test_a_mask_that_changes_the_buffer_cannot() -> None:
    assert COMPILED is not None
    buffer = bytearray(b"* 1 FETCH (UID 1 FLAGS ())\r\n" * 2)

    def shrink(_flags: tuple[str, ...]) -> int:
        del buffer[:]
        return 0

    with pytest.raises(BufferError):
        COMPILED.read_flag_lines(buffer, 0, FlagLines(shrink, 9))
    assert buffer


def test_the_compiled_twin_is_chosen_where_it_was_built() -> None:
    assert CHOSEN is (PURE if COMPILED is None else COMPILED)
