"""What is shown instead of secrets inside of values, and what may come back of it (I26).

Logins in URLs and header values show as six asterisks. A mask that comes back with everything
around it unchanged means "as it was" and is skipped (contract settings.json, write); anywhere else
it is refused, so that six asterisks never become a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from postroom.errors import FieldProblem, InvalidInput
from postroom.model.secret import MASK


def masked(value: Any) -> Any:
    """The value without what must not be shown: URL logins and header values."""
    if isinstance(value, str) and "@" in value and "://" in value:
        return _masked_url(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict) and "key" in value and value.get("value"):
        return {**value, "value": MASK}
    return value


def without_masks(given: Mapping[str, Any], stored: Mapping[str, Any]) -> dict[str, Any]:
    """`given` without what comes back as it was shown. Raises InvalidInput for other masks."""
    written = {
        name: value
        for name, value in given.items()
        if not (_holds_mask(value) and value == masked(stored.get(name)))
    }
    problems = [
        FieldProblem(name, f'"{name}" must not hold a mask')
        for name, value in written.items()
        if _holds_mask(value)
    ]
    if problems:
        raise InvalidInput(fields=problems)
    return written


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return url
    hidden = f"{MASK}:{MASK}" if ":" in login else MASK
    return urlunsplit(parts._replace(netloc=f"{hidden}@{place}"))


def _holds_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value
    if isinstance(value, list):
        return any(_holds_mask(item) for item in value)
    return isinstance(value, dict) and _holds_mask(value.get("value"))
