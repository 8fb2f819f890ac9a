"""How many pages a list has: the one rule of every paged answer."""

from __future__ import annotations

import math


def page_count(total: int, page_size: int) -> int:
    """Contract B1: an empty list has one page."""
    return max(1, math.ceil(total / page_size))
