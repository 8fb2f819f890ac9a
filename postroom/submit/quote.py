"""The quoted original below the new text (contract F35); pure."""

from __future__ import annotations

import html
import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from postroom.clock import parse_iso
from postroom.mime.safehtml import safe_html
from postroom.model.message import Address, ReferencedMessage

_BODY = re.compile(r"<body\b[^>]{0,2000}>", re.IGNORECASE)
_BODY_END = re.compile(r"</body\s{0,20}>", re.IGNORECASE)


def quoted_text(action: str, original: ReferencedMessage, zone: str | None) -> str:
    """The plain-text quote."""
    text = original.plain or ""
    if action == "forward":
        return f"{_heading(original, zone)}\n\n{text}"
    lines = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    return f"{_wrote(original, zone)}\n{lines}"


def quoted_html(action: str, original: ReferencedMessage, zone: str | None) -> str:
    """The HTML quote; an original without HTML is quoted as preformatted text."""
    content = (
        safe_html(inner_html(original.html)) if original.html else _as_html(original.plain or "")
    )
    if action == "forward":
        heading = _as_html(_heading(original, zone))
        return f'<div class="postroom-forward">{heading}<br>{content}</div>'
    wrote = html.escape(_wrote(original, zone))
    style = "margin:0 0 0 .8ex;border-left:1px solid #ccc;padding-left:1ex"
    return f'<div>{wrote}<br><blockquote type="cite" style="{style}">{content}</blockquote></div>'


def inner_html(text: str) -> str:
    """What stands inside the body of an HTML document, or all of a fragment."""
    start = _BODY.search(text)
    if start is None:
        return text
    end = None
    for found in _BODY_END.finditer(text, start.end()):
        end = found
    return text[start.end() : end.start() if end else len(text)]


def appended_html(document: str, addition: str) -> str:
    """`addition` at the end of the body of `document`."""
    end = None
    for found in _BODY_END.finditer(document):
        end = found
    if end is None:
        return f"{document}<br>{addition}"
    return f"{document[: end.start()]}<br>{addition}{document[end.start() :]}"


def prepended_html(document: str, addition: str) -> str:
    """`addition` at the start of the body of `document`."""
    start = _BODY.search(document)
    at = start.end() if start else 0
    return document[:at] + addition + document[at:]


def preview_block(text: str) -> str:
    """The hidden block that mail programs show beside the subject (contract F6)."""
    style = "display:none;font-size:1px;line-height:1px;max-height:0;max-width:0;opacity:0"
    return f'<div style="{style};overflow:hidden;">{html.escape(text)}</div>'


def _as_html(text: str) -> str:
    return html.escape(text).replace("\n", "<br>\n")


def _wrote(original: ReferencedMessage, zone: str | None) -> str:
    when = _date(original.date, zone)
    who = _named(original.from_) if original.from_ else "Unknown sender"
    return f"On {when}, {who} wrote:" if when else f"{who} wrote:"


def _heading(original: ReferencedMessage, zone: str | None) -> str:
    rows = [
        ("From", _named(original.from_) if original.from_ else ""),
        ("Date", _date(original.date, zone)),
        ("Subject", original.subject or ""),
        ("To", ", ".join(_named(one) for one in original.to)),
        ("Cc", ", ".join(_named(one) for one in original.cc)),
    ]
    lines = [f"{name}: {value}" for name, value in rows if value]
    return "\n".join(["---------- Forwarded message ----------", *lines])


def _named(address: Address) -> str:
    return f"{address.name} <{address.address}>" if address.name else address.address


def _date(text: str | None, zone: str | None) -> str:
    if text is None:
        return ""
    try:
        moment = datetime.fromtimestamp(parse_iso(text) / 1000, _zone(zone))
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%a, %d %b %Y at %H:%M")


def _zone(name: str | None) -> ZoneInfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
