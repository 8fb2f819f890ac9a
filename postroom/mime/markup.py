"""The budget of an HTML text before any parser sees it (invariant I28).

HTML5 parsers take time that grows with elements times nesting (measured: 100,000 nested `div` take
11 s in lexbor and 15 s in html5ever, 20,000 half a second), and how deep a text nests cannot be
known without parsing it. So the number of elements is limited: what comes after them is left out.
"""

from __future__ import annotations

import re
from itertools import islice

# The largest newsletters have some 5,000 elements and 200 KB.
MOST_ELEMENTS = 20_000
MOST_HTML_CHARACTERS = 4 * 1_048_576

_START_TAG = re.compile(r"<[A-Za-z]")


def bounded(markup: str) -> str:
    """The beginning of `markup` that is cheap to parse; nearly always all of it."""
    cut = markup[:MOST_HTML_CHARACTERS]
    beyond = next(islice(_START_TAG.finditer(cut), MOST_ELEMENTS, None), None)
    return cut if beyond is None else cut[: beyond.start()]
