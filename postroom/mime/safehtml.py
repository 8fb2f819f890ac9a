"""HTML from mail made safe to show inside another page (contract Q1, invariant I27).

Everything not on the list is taken away: elements that run, load, embed or frame, event handlers,
URL schemes beyond the listed, and CSS that could lay the mail over the page around it. Styles from
`<style>` are written into the elements first. The result is a body fragment.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import nh3

from postroom.mime.markup import bounded
from postroom.mime.styles import inline_styles

_DROPPED_WITH_CONTENT = {
    "script", "style", "iframe", "frame", "frameset", "noframes", "object", "embed", "applet",
    "canvas", "audio", "video", "noscript", "dialog", "template", "title", "svg", "math",
    "textarea", "select", "xmp", "plaintext", "noembed",
}  # fmt: skip

_TAGS = (nh3.ALLOWED_TAGS | {
    "font", "big", "section", "main", "address", "tt", "u", "s", "strike", "center", "table",
    "caption", "colgroup", "col", "tbody", "thead", "tfoot", "tr", "td", "th", "img", "map",
    "area", "figure", "figcaption", "label", "details", "summary",
}) - _DROPPED_WITH_CONTENT  # fmt: skip

_ATTRIBUTES: dict[str, set[str]] = {
    "*": {"style", "class", "align", "valign", "dir", "lang", "title", "width", "height",
          "bgcolor", "border", "role", "hidden"},
    "a": {"href", "name"},
    "img": {"src", "alt", "hspace", "vspace"},
    "font": {"color", "face", "size"},
    "table": {"cellpadding", "cellspacing", "summary", "background", "rules", "frame"},
    "td": {"colspan", "rowspan", "nowrap", "headers", "scope", "background"},
    "th": {"colspan", "rowspan", "nowrap", "headers", "scope", "abbr", "background"},
    "tr": {"background"},
    "col": {"span"},
    "colgroup": {"span"},
    "ol": {"start", "type", "reversed"},
    "ul": {"type"},
    "li": {"value", "type"},
    "blockquote": {"cite", "type"},
    "q": {"cite"},
    "del": {"cite", "datetime"},
    "ins": {"cite", "datetime"},
    "time": {"datetime"},
    "details": {"open"},
    "map": {"name"},
    "area": {"href", "alt", "shape", "coords"},
}  # fmt: skip

# Position, float, clear, zoom, clip, all, animation, offset and the like break the layout of the
# page around (Q1); what is listed cannot leave its box.
_STYLES = {
    "background", "background-color", "background-image", "background-position",
    "background-repeat", "background-size", "border", "border-bottom", "border-bottom-color",
    "border-bottom-style", "border-bottom-width", "border-collapse", "border-color", "border-left",
    "border-left-color", "border-left-style", "border-left-width", "border-radius", "border-right",
    "border-right-color", "border-right-style", "border-right-width", "border-spacing",
    "border-style", "border-top", "border-top-color", "border-top-style", "border-top-width",
    "border-width", "box-sizing", "caption-side", "color", "direction", "display", "empty-cells",
    "font", "font-family", "font-size", "font-style", "font-variant", "font-weight", "height",
    "letter-spacing", "line-height", "list-style", "list-style-position", "list-style-type",
    "margin", "margin-bottom", "margin-left", "margin-right", "margin-top", "max-height",
    "max-width", "min-height", "min-width", "opacity", "overflow-wrap", "padding",
    "padding-bottom", "padding-left", "padding-right", "padding-top", "table-layout", "text-align",
    "text-decoration", "text-indent", "text-transform", "vertical-align", "visibility",
    "white-space", "width", "word-break", "word-spacing", "word-wrap",
}  # fmt: skip

_SCHEMES = {"http", "https", "mailto", "tel", "cid", "data"}
_DATA_IMAGE = re.compile(r"data:image/(?:png|jpe?g|gif|webp|bmp|avif|x-icon)[;,]", re.IGNORECASE)
_CONTENT_ID = re.compile(r"(?i)\bcid:([^\"'\s<>()\\]{1,512})")


def safe_html(markup: str) -> str:
    """A fragment of `markup` without anything that runs, loads by itself or leaves its box."""
    return _clean(inline_styles(_clean(bounded(markup), keep_styles=True)))


def _clean(markup: str, *, keep_styles: bool = False) -> str:
    dropped = _DROPPED_WITH_CONTENT - {"style"} if keep_styles else _DROPPED_WITH_CONTENT
    return nh3.clean(
        markup,
        tags=_TAGS | {"style"} if keep_styles else _TAGS,
        clean_content_tags=dropped,
        attributes=_ATTRIBUTES,
        attribute_filter=_keep_attribute,
        url_schemes=_SCHEMES,
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=_STYLES,
        link_rel="noopener noreferrer",
    )


def _keep_attribute(element: str, attribute: str, value: str) -> str | None:
    """`data:` only as a picture that cannot hold scripts: never in a link."""
    if value.lstrip().lower().startswith("data:"):
        return value if element == "img" and _DATA_IMAGE.match(value.lstrip()) else None
    return value


def content_ids(markup: str) -> list[str]:
    """The Content-IDs that `cid:` links in `markup` name, each once, in order."""
    return list(dict.fromkeys(found[1] for found in _CONTENT_ID.finditer(markup)))


def embed_images(markup: str, images: Mapping[str, str]) -> str:
    """`markup` with each `cid:` link named in `images` replaced by its data URI."""
    return _CONTENT_ID.sub(lambda found: images.get(found[1], found[0]), markup)
