from __future__ import annotations

import pytest

from postroom.errors import InvalidInput
from postroom.imap.sets import UidSet, from_numbers
from postroom.providers.imap.pages import Page, decode_cursor, encode_cursor, wanted_page


@pytest.mark.parametrize(
    ("page", "size", "total", "span"),
    [
        (0, 20, 0, None),
        (0, 20, 5, (1, 5)),
        (0, 2, 5, (4, 5)),
        (2, 2, 5, (1, 1)),
        (3, 2, 5, None),
        (1_048_576, 1000, 5, None),
    ],
)
def test_a_page_is_a_range_of_sequence_numbers(
    page: int, size: int, total: int, span: tuple[int, int] | None
) -> None:
    assert Page(page, size).span(total) == span


def test_found_uids_are_cut_from_the_highest() -> None:
    assert Page(1, 2).cut(from_numbers((1, 5, 9, 12))) == [5, 1]
    assert Page(9, 2).cut(from_numbers((1, 5))) == []
    assert Page(0, 3).cut(from_numbers((1, 2, 3, 7, 8))) == [8, 7, 3]
    assert Page(100_000, 5).cut(UidSet(((1, 500_003),))) == [3, 2, 1]


def test_totals_and_cursors_of_an_empty_mailbox() -> None:
    answer = Page(0, 20).answer(0, [])
    assert (answer.total, answer.pages) == (0, 1)
    assert (answer.next_page_cursor, answer.prev_page_cursor) == (None, None)


def test_past_the_end_the_previous_cursor_leads_to_the_last_page() -> None:
    assert Page(50, 2).answer(5, []).prev_page_cursor == encode_cursor(2)


def test_a_cursor_beats_the_page() -> None:
    assert encode_cursor(3) == "imap_eyJwYWdlIjozfQ"
    assert wanted_page(9, 20, encode_cursor(3)).number == 3
    assert wanted_page(9, 5000, None) == Page(9, 1000)


@pytest.mark.parametrize(
    ("cursor", "code"),
    [
        ("gmail_abc", "InvalidCursorType"),
        ("outlook_abc", "InvalidCursorType"),
        ("imap_!!!", "InvalidCursorValue"),
        ("imap_", "InvalidCursorValue"),
        ("nonsense", "InvalidCursorValue"),
        ("imap_eyJwYWdlIjotMX0", "InvalidCursorValue"),
        ("imap_eyJwYWdlIjoiYSJ9", "InvalidCursorValue"),
    ],
)
def test_other_cursors_are_refused(cursor: str, code: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        decode_cursor(cursor)
    assert refused.value.public_code == code
