from __future__ import annotations

import pytest

from postroom.mime.autoreply import is_auto_reply


@pytest.mark.parametrize(
    ("headers", "subject", "in_reply_to", "expected"),
    [
        ({}, "Out of Office: gone", None, True),
        ({}, "Out of the office", None, True),
        ({}, "OOO: gone", None, True),
        ({}, "Automatic response", None, True),
        ({}, "Auto: hello", "<a@x>", True),
        ({}, "Auto: hello", None, False),
        ({"auto-submitted": ["auto-replied (vacation)"]}, "x", None, True),
        ({"auto-submitted": ["auto-generated"]}, "x", None, False),
        ({"precedence": ["Auto-Reply"]}, "x", None, True),
        ({"precedence": ["bulk"]}, "x", None, False),
        ({"x-autoreply": ["yes"]}, "x", None, True),
        ({}, "My automobile", None, False),
        ({}, None, None, False),
    ],
)
def test_the_rules_for_automatic_replies(
    headers: dict[str, list[str]], subject: str | None, in_reply_to: str | None, expected: bool
) -> None:
    assert is_auto_reply(headers, subject=subject, in_reply_to=in_reply_to) is expected
