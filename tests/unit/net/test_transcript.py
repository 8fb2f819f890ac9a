"""What a protocol log shows of a dialogue, and what it never shows."""

from __future__ import annotations

import base64
import random
import re

import pytest

from postroom.model.secret import MASK, Secret
from postroom.net.transcript import MOST_KEPT, MOST_SHOWN, Lines, MaskedTranscript

SECRET = 'c4nary "p\\ss'


class Heard:
    """A transcript and the lines that it told."""

    def __init__(self, *secrets: str) -> None:
        self.told: list[tuple[str, str]] = []
        self.transcript = MaskedTranscript(self._note, [Secret(one) for one in secrets])

    def _note(self, direction: str, text: str) -> None:
        self.told.append((direction, text))

    def server(self, *pieces: bytes) -> list[str]:
        for piece in pieces:
            self.transcript.received(piece)
        return [text for direction, text in self.told if direction == "server"]


FETCHED = (
    b"* 1 FETCH (UID 7 BODY[] {25}\r\nSubject: x\r\n\r\n{5}\r\nmore\r\n FLAGS ())\r\n* 2 EXISTS\r\n"
)
SHOWN = ["* 1 FETCH (UID 7 BODY[] {25} FLAGS ())", "* 2 EXISTS"]


def test_lines_are_the_same_at_every_split_and_literals_are_left_out() -> None:
    for at in range(len(FETCHED) + 1):
        assert Heard().server(FETCHED[:at], FETCHED[at:]) == SHOWN
    assert Heard().server(*(FETCHED[at : at + 1] for at in range(len(FETCHED)))) == SHOWN


def test_random_splits_of_a_long_dialogue_change_nothing() -> None:
    seeded = random.Random(7)
    raw = b"".join(
        seeded.choice(
            [FETCHED, b"* OK x\r\n", b"* 1 FETCH (X {3}\r\nab\n)\r\n", b"a" * 3000 + b"\r\n"]
        )
        for _ in range(200)
    )
    whole = Heard().server(raw)
    for _ in range(50):
        cuts = sorted(seeded.sample(range(len(raw)), 30))
        pieces = [raw[start:end] for start, end in zip([0, *cuts], [*cuts, len(raw)], strict=True)]
        assert Heard().server(*pieces) == whole


def test_what_carries_credentials_is_told_by_its_name_only() -> None:
    heard = Heard(SECRET)
    for said in (
        b'P1 LOGIN "me" "x"\r\n',
        b"P1 LOGIN {2}\r\n",
        b"me {5}\r\n",
        b"other\r\n",
        b"P2 AUTHENTICATE PLAIN AGJvYgBzZWNyZXQ=\r\n",
        b"AGJvYgBzZWNyZXQ=\r\n",
    ):
        heard.transcript.sent(said, is_secret=True)
    heard.transcript.sent(b"P3 NOOP\r\n", is_secret=False)
    assert heard.told == [
        ("client", f"P1 LOGIN {MASK}"),
        ("client", f"P1 LOGIN {MASK}"),
        ("client", MASK),
        ("client", MASK),
        ("client", f"P2 AUTHENTICATE PLAIN {MASK}"),
        ("client", MASK),
        ("client", "P3 NOOP"),
    ]


def unfolded(text: str) -> bytes:
    """Whatever the text holds in base64, at every place that it can begin at."""
    words = re.findall(r"[A-Za-z0-9+/]{4,}", text)
    cut = [word[at : at + (len(word) - at) // 4 * 4] for word in words for at in range(4)]
    return b" ".join(base64.b64decode(one) for one in cut)


def encoded(before: str, after: str) -> str:
    return base64.b64encode(f"{before}{SECRET}{after}".encode()).decode()


@pytest.mark.parametrize(
    "echo",
    [
        SECRET,
        SECRET.replace("\\", "\\\\").replace('"', '\\"'),
        *(encoded("x" * before, "y" * after) for before in range(4) for after in range(4)),
        *(encoded("x" * before, "").rstrip("=") for before in range(3)),
        f"xxxxx{encoded('', '')}xxx",
    ],
)
def test_a_server_that_repeats_a_secret_is_not_believed_to_have_said_it(echo: str) -> None:
    raw = f"P1 NO Do not know {echo} here\r\n".encode()
    for at in range(0, len(raw), 5):
        (text,) = Heard(SECRET).server(raw[:at], raw[at:])
        assert SECRET not in text
        assert "c4nary" not in text
        assert MASK in text
        assert b"nary" not in unfolded(text)


@pytest.mark.parametrize("step", range(0, 30, 3))
def test_a_secret_that_a_cut_goes_through_is_not_shown_in_part(step: int) -> None:
    # All of what is kept is secrets, so that masking makes it short and its cut end visible.
    raw = b"x" * step + (SECRET.encode() + b" ") * (2 * MOST_KEPT // len(SECRET)) + b"\r\n"
    (text,) = Heard(SECRET).server(raw)
    assert "c4n" not in text
    assert len(text) <= MOST_SHOWN + 30
    assert text.endswith(f"({len(raw) - 1} bytes)")


def test_notes_are_masked_too() -> None:
    heard = Heard(SECRET)
    heard.transcript.noted(f"refused: {SECRET}")
    assert heard.told == [("note", f"refused: {MASK}")]


def test_a_line_without_end_costs_bounded_memory() -> None:
    lines = Lines()
    for _ in range(1000):
        assert list(lines.feed(b"x" * 10_000)) == []
    assert len(lines._kept) <= MOST_KEPT
    ((kept, length),) = lines.feed(b"\n")
    assert (len(kept), length) == (MOST_KEPT, 10_000_000)


def test_bytes_that_are_no_text_are_shown_as_such() -> None:
    assert Heard().server(b"* OK \xff\xfe\r\n") == ["* OK \\xff\\xfe"]
