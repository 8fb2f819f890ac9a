"""Building a message from its parts (RFC 5322, RFC 2045 to 2047, RFC 2183, RFC 2387).

The body tree is the standard library's; it is written 7-bit clean (quoted-printable or base64
where needed), so that any server on the way can take it. The fields on top are ours (`fields.py`).

    multipart/mixed                 when there are attachments
      multipart/related             when the HTML has inline parts
        multipart/alternative       when there are text and HTML
          text/plain
          text/html
        image/... (Content-ID)
      application/... (attachment)
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email import message_from_bytes, policy
from email.generator import BytesGenerator
from email.message import EmailMessage
from io import BytesIO

from postroom.errors import FieldProblem, InvalidInput
from postroom.mime.fields import Field, block, refuse_breaks


class _WirePolicy(policy.EmailPolicy):
    """The library's SMTP policy, but a long Content-ID stays what it is."""

    def fold_binary(self, name: str, value: str) -> bytes:
        if name.lower() == "content-id":
            return f"{name}: {value}\r\n".encode("ascii")
        return super().fold_binary(name, value)


_WIRE = _WirePolicy(linesep="\r\n", cte_type="7bit")
_FALLBACK = "application/octet-stream"
_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


@dataclass(frozen=True, slots=True)
class Part:
    """An attachment, or an inline part that the HTML refers to by `cid`."""

    content: bytes
    filename: str | None = None
    content_type: str | None = None
    # `inline`, `attachment` or None: inline when it has a `cid` and there is HTML.
    disposition: str | None = None
    cid: str | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """What a message consists of below its header."""

    text: str | None = None
    html: str | None = None
    parts: tuple[Part, ...] = ()


def build(fields: Sequence[Field], body: Body) -> bytes:
    """The whole message with CRLF line ends; MIME-Version and Content-* are added."""
    refuse_unfit(body.parts)
    return block(fields) + b"MIME-Version: 1.0\r\n" + _written(_tree(body))


def type_of(filename: str | None, given: str | None) -> str:
    """The given content type, else the guess from the file name (contract F6)."""
    wanted = (given or "").split(";")[0].strip().lower()
    if _TYPE.fullmatch(wanted):
        return wanted
    guessed = mimetypes.guess_type(filename or "")[0]
    return guessed or _FALLBACK


def refuse_unfit(parts: Sequence[Part]) -> None:
    """Raise InvalidInput for a name that would break out of its header."""
    for at, part in enumerate(parts):
        refuse_breaks(f"attachments.{at}.filename", part.filename or "")
        refuse_breaks(f"attachments.{at}.cid", part.cid or "")
        if part.cid is not None and not part.cid.strip("<>").isascii():
            raise InvalidInput(fields=[FieldProblem(f"attachments.{at}.cid", "must be ASCII")])


def _tree(body: Body) -> EmailMessage:
    root = _text_tree(body)
    inline = [part for part in body.parts if _is_related(part, body)]
    attached = [part for part in body.parts if not _is_related(part, body)]
    if inline:
        root = _wrap("related", [root, *(_leaf(part, "inline") for part in inline)])
    if attached:
        leaves = [_leaf(part, part.disposition or "attachment") for part in attached]
        root = _wrap("mixed", [root, *leaves])
    return root


def _text_tree(body: Body) -> EmailMessage:
    if body.html is None:
        return _text(body.text or "", "plain")
    if body.text is None:
        return _text(body.html, "html")
    return _wrap("alternative", [_text(body.text, "plain"), _text(body.html, "html")])


def _text(content: str, subtype: str) -> EmailMessage:
    part = EmailMessage(policy=_WIRE)
    # A lone surrogate cannot be written as UTF-8: it came from nowhere valid.
    clean = content.encode("utf-8", "replace").decode("utf-8")
    part.set_content(clean, subtype=subtype)
    del part["MIME-Version"]
    return part


def _is_related(part: Part, body: Body) -> bool:
    return part.cid is not None and body.html is not None and part.disposition != "attachment"


def _leaf(part: Part, disposition: str) -> EmailMessage:
    kind = type_of(part.filename, part.content_type)
    leaf = EmailMessage(policy=_WIRE)
    if kind == "message/rfc822":
        # RFC 2046 5.2.1: a message is carried as it is, never in base64.
        leaf["Content-Type"] = kind
        if part.content.isascii():
            leaf.set_payload(part.content.decode("ascii"))
        else:
            # Its 8-bit bodies are encoded on writing, so that the whole stays 7-bit.
            leaf.set_payload([message_from_bytes(part.content, policy=policy.compat32)])
    else:
        major, _, minor = kind.partition("/")
        # RFC 2046 5.1: an opaque blob cannot pose as a multipart.
        major, minor = ("application", "octet-stream") if major == "multipart" else (major, minor)
        leaf.set_content(part.content, maintype=major, subtype=minor)
        del leaf["MIME-Version"]
    names = {"filename": part.filename} if part.filename else {}
    leaf.add_header("Content-Disposition", disposition, **names)
    if part.cid is not None:
        leaf["Content-ID"] = f"<{part.cid.strip('<>')}>"
    return leaf


def _wrap(subtype: str, parts: Sequence[EmailMessage]) -> EmailMessage:
    whole = EmailMessage(policy=_WIRE)
    whole["Content-Type"] = f"multipart/{subtype}"
    for part in parts:
        whole.attach(part)
    return whole


def _written(tree: EmailMessage) -> bytes:
    out = BytesIO()
    BytesGenerator(out, mangle_from_=False, policy=_WIRE).flatten(tree)
    return out.getvalue()
