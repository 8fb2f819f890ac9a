"""Style sheets of a message, written into the elements they apply to (contract Q1).

A mail shown inside another page must not bring a `<style>` that restyles that page. Only plain
rules are taken over: at-rules, pseudo-classes and selectors of many parts are left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from selectolax.lexbor import LexborHTMLParser

# Newsletters have about 20 KB of rules; above these budgets the rest has no effect (I28).
MOST_SHEET_CHARACTERS = 131_072
MOST_RULES = 500
MOST_APPLICATIONS = 50_000
MOST_DECLARATION_CHARACTERS = 2_000
# Comparisons of an element with a selector; about a second in the worst case. A selector without
# combinator looks at each element once, one with a single combinator also at its ancestors. More
# combinators backtrack (six of them on 400 nested elements take a minute) and are left out.
MOST_COMPARISONS = 200_000_000

# CSS Selectors 4: compounds of names, classes and ids.
_COMPOUND = r"[\w.#*-]{1,100}"
_SELECTOR = re.compile(rf"\s*{_COMPOUND}(?:(?:\s*>\s*|\s+){_COMPOUND})?\s*\Z")


def inline_styles(markup: str) -> str:
    """`markup` with its style elements applied and removed."""
    if "<style" not in markup.lower():
        return markup
    tree = LexborHTMLParser(markup)
    sheet = "\n".join(node.text(deep=True) for node in tree.css("style"))
    _apply(tree, _rules(sheet))
    tree.strip_tags(["style"], recursive=True)
    return tree.html or ""


def _rules(sheet: str) -> list[tuple[str, str]]:
    """Selector and declarations of each plain rule, in order; at-rules are skipped whole."""
    found: list[tuple[str, str]] = []
    text = _without_comments(sheet[:MOST_SHEET_CHARACTERS])
    depth = 0
    is_skipping = False
    selector = ""
    for piece in re.split(r"([{}])", text):
        if piece == "{":
            depth += 1
        elif piece == "}":
            depth = max(0, depth - 1)
            is_skipping = is_skipping and depth > 0
        elif depth == 0:
            selector = piece.rpartition(";")[2].strip()
            is_skipping = selector.startswith("@")
        elif depth == 1 and not is_skipping and len(found) < MOST_RULES:
            found.append((selector, piece.strip()[:MOST_DECLARATION_CHARACTERS]))
    return [
        (name, body)
        for names, body in found
        for name in names.split(",")
        if body and _SELECTOR.match(name)
    ][:MOST_RULES]


def _affordable(rules: list[tuple[str, str]], elements: int) -> Iterator[tuple[str, str]]:
    """The rules from the top that fit into the budget of comparisons."""
    left = MOST_COMPARISONS
    for selector, declarations in rules:
        has_combinator = len(selector.replace(">", " ").split()) > 1
        left -= elements * elements if has_combinator else elements
        if left < 0:
            return
        yield selector.strip(), declarations


def _without_comments(sheet: str) -> str:
    head, *pieces = sheet.split("/*")
    return head + "".join(piece.partition("*/")[2] for piece in pieces)


def _apply(tree: LexborHTMLParser, rules: list[tuple[str, str]]) -> None:
    left = MOST_APPLICATIONS
    gathered: dict[int, list[str]] = {}
    for selector, declarations in _affordable(rules, len(tree.css("*"))):
        try:
            nodes = tree.css(selector)
        except (ValueError, RuntimeError):  # a selector that lexbor does not take
            continue
        for node in nodes[:left]:
            gathered.setdefault(node.mem_id, []).append(declarations)
        left -= min(left, len(nodes))
    if not gathered:
        return
    for node in tree.css("*"):
        styles = gathered.get(node.mem_id)
        if styles is not None:
            # The element's own style comes last and so wins.
            own = node.attributes.get("style") or ""
            node.attrs["style"] = "; ".join([*(style.rstrip("; ") for style in styles), own])
