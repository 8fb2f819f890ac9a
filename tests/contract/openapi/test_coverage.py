"""The ratchet: what our document lacks of the contract is listed, and the list only shrinks."""

from __future__ import annotations

import difflib

from tests.contract.openapi.compare import MISSING, missing


def test_what_is_missing_is_exactly_what_is_listed() -> None:
    listed = MISSING.read_text(encoding="ascii").splitlines()
    now = missing()
    difference = list(difflib.unified_diff(listed, now, "missing.txt", "now", lineterm="", n=0))
    advice = "lost: repair it. Gained: python -m tests.contract.openapi.compare --write"
    assert difference == [], advice
