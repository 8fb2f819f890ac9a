"""Text that must never be shown: passwords, access tokens, keys (invariant I26)."""

from __future__ import annotations

import hmac

# Contract settings.json: what stands in for a secret in answers; sent back, it is refused.
MASK = "******"


class Secret:
    """A text without a plain representation; `reveal()` is the only way to read it."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself."""
        return self._text

    def __repr__(self) -> str:
        return f"Secret({MASK})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._text.encode(), other._text.encode())

    def __hash__(self) -> int:
        return hash(self._text)
