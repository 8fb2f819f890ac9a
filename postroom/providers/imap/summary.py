"""From what FETCH told to the list entry and the full view of a message: pure, never raises.

Sync uses it for events and answering for replies, so both show a message alike. What the server
did not tell is left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import msgspec

from postroom.clock import iso
from postroom.imap.types import BodyPart, Envelope, EnvelopeAddress, FetchedMessage
from postroom.mime.autoreply import AUTO_REPLY_HEADERS, is_auto_reply
from postroom.mime.charset import decode
from postroom.mime.headers import (
    MOST_ADDRESSES,
    MOST_HEADER_BYTES,
    date_ms,
    decode_words,
    header_map,
)
from postroom.model.ids import MessageKey, message_id, text_id
from postroom.model.message import (
    Address,
    MessageDetail,
    MessageSummary,
    MessageText,
    TextSizes,
)
from postroom.providers.imap.structure import Layout, attachment, layout

_MESSAGE_ITEMS = "UID FLAGS INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"
_SUMMARY_HEADERS = f"BODY.PEEK[HEADER.FIELDS ({' '.join(AUTO_REPLY_HEADERS)})]"
_REFERENCE_HEADERS = "BODY.PEEK[HEADER.FIELDS (MESSAGE-ID IN-REPLY-TO REFERENCES REPLY-TO)]"
_DETAIL_HEADERS = f"BODY.PEEK[HEADER]<0.{MOST_HEADER_BYTES}>"
# Contract A7: which extension tells which ids.
_ID_ITEMS = {
    "X-GM-EXT-1": "X-GM-MSGID X-GM-THRID X-GM-LABELS",
    "OBJECTID": "EMAILID THREADID",
}
# The server may have to read a message to make its preview: for longer lists it is asked only for
# those that it has at hand (RFC 8970 3.2). Dovecot makes 20 in a tenth of a millisecond.
MOST_PREVIEWS = 100
# Years that a timestamp of the contract can spell; a Date outside of them is no date.
_LAST_MS = 253_402_300_799_999
# What servers put where an address has no domain or no mailbox (Dovecot, Courier).
_MISSING = frozenset(("MISSING_DOMAIN", "MISSING_MAILBOX", ".MISSING-HOST-NAME.", ".SYNTAX-ERROR."))
_MESSAGE_USES = frozenset(("\\Drafts", "\\Junk", "\\Sent", "\\Trash", "\\Inbox"))
# Gmail's own words for two of them.
_LABEL_USES = {"\\Draft": "\\Drafts", "\\Spam": "\\Junk"}


def summary_items(has: Callable[[str], bool], previews: int = 0) -> str:
    """The FETCH items of a list entry; `has` tells a capability.

    `previews` is how many entries are wanted with the beginning of their text, where the server
    makes it (PREVIEW, RFC 8970).
    """
    return f"({_MESSAGE_ITEMS}{_ids(has)}{_preview(has, previews)} {_SUMMARY_HEADERS})"


def detail_items(has: Callable[[str], bool], previews: int = 0) -> str:
    """The FETCH items of the full view without text."""
    return f"({_MESSAGE_ITEMS}{_ids(has)}{_preview(has, previews)} {_DETAIL_HEADERS})"


def _preview(has: Callable[[str], bool], count: int) -> str:
    if not count or not has("PREVIEW"):
        return ""
    return " PREVIEW" if count <= MOST_PREVIEWS else " PREVIEW (LAZY)"


def reference_items(has: Callable[[str], bool]) -> str:
    """The FETCH items of what a reply needs to know."""
    return f"({_MESSAGE_ITEMS}{_ids(has)} {_REFERENCE_HEADERS})"


def _ids(has: Callable[[str], bool]) -> str:
    return next((f" {items}" for name, items in _ID_ITEMS.items() if has(name)), "")


def summarise(
    message: FetchedMessage, key: MessageKey, *, path: str, special_use: str | None = None
) -> MessageSummary:
    """The list entry of a message in the mailbox `path`."""
    return _summary(message, key, path, special_use, headers_of(message))


def detail(
    message: FetchedMessage,
    key: MessageKey,
    *,
    path: str,
    special_use: str | None = None,
    text: MessageText | None = None,
) -> MessageDetail:
    """The full view; `text` replaces the sizes-only text."""
    headers = headers_of(message)
    summary = _summary(message, key, path, special_use, headers)
    fields = msgspec.structs.asdict(summary)
    fields.update(special_use=special_use, text=text or summary.text)
    return MessageDetail(**fields, headers=headers if "HEADER" in message.sections else None)


def headers_of(message: FetchedMessage) -> dict[str, list[str]]:
    """The decoded header fields that were fetched, all or some."""
    whole = message.sections.get("HEADER")
    if whole is not None:
        return header_map(whole)
    some = (raw for name, raw in message.sections.items() if name.startswith("HEADER.FIELDS"))
    return header_map(b"\r\n".join(some))


def _summary(
    message: FetchedMessage,
    key: MessageKey,
    path: str,
    special_use: str | None,
    headers: Mapping[str, list[str]],
) -> MessageSummary:
    envelope = message.envelope or Envelope()
    flags = visible_flags(message.flags)
    lowered = {flag.lower() for flag in flags}
    parts = layout(message.body)
    subject = decode_words(envelope.subject) if envelope.subject is not None else None
    author = addresses_of(envelope.from_)
    # RFC 9051 7.5.2: servers repeat From where Sender and Reply-To are missing.
    sender, reply_to = (
        author if people == envelope.from_ else addresses_of(people)
        for people in (envelope.sender, envelope.reply_to)
    )
    return MessageSummary(
        id=message_id(key),
        uid=key.uid,
        email_id=message.email_id,
        thread_id=message.thread_id,
        path=path,
        date=_date(envelope.date, message.internal_date_ms),
        draft="\\draft" in lowered,
        unseen="\\seen" not in lowered,
        flagged="\\flagged" in lowered,
        answered="\\answered" in lowered,
        size=message.size,
        subject=subject,
        from_=author[0] if author else None,
        sender=sender[0] if sender else None,
        reply_to=reply_to,
        to=addresses_of(envelope.to),
        cc=addresses_of(envelope.cc),
        bcc=addresses_of(envelope.bcc),
        message_id=_trimmed(envelope.message_id),
        in_reply_to=_trimmed(envelope.in_reply_to),
        flags=flags,
        labels=message.labels or (),
        preview=message.preview or None,
        attachments=tuple(attachment(leaf, key) for leaf in parts.attachments),
        text=text_sizes(parts, key),
        message_special_use=_message_use(special_use, message.labels or ()),
        is_auto_reply=is_auto_reply(headers, subject=subject, in_reply_to=envelope.in_reply_to),
    )


def _message_use(special_use: str | None, labels: Iterable[str]) -> str | None:
    """Where the message belongs: its mailbox's use, on Gmail else that of a label (contract Z4)."""
    if special_use in _MESSAGE_USES:
        return special_use
    return next((_LABEL_USES.get(label, label) for label in labels if _is_use(label)), None)


def _is_use(label: str) -> bool:
    return label in _MESSAGE_USES or label in _LABEL_USES


def visible_flags(flags: Iterable[str] | None) -> tuple[str, ...]:
    """The flags without `\\Recent`, which is about the session, not the message."""
    return tuple(flag for flag in flags or () if flag.lower() != "\\recent")


def text_sizes(parts: Layout, key: MessageKey) -> MessageText | None:
    """The text id and the encoded sizes (contract C2); None for a message without text."""
    if not (parts.plain or parts.html or parts.other):
        return None
    return MessageText(
        id=text_id(key, parts.text_parts()),
        encoded_size=TextSizes(plain=_size(parts.plain), html=_size(parts.html)),
    )


def _size(parts: tuple[BodyPart, ...]) -> int | None:
    return sum(part.size for part in parts) if parts else None


def addresses_of(people: tuple[EnvelopeAddress, ...]) -> tuple[Address, ...]:
    """The people of an envelope field; the marks around a group are left out (RFC 9051 7.5.2)."""
    found = [_address(person) for person in people[:MOST_ADDRESSES]]
    return tuple([address for address in found if address is not None])


def _address(person: EnvelopeAddress) -> Address | None:
    if person.host is None or person.mailbox is None:
        return None
    local, host = _word(person.mailbox), _word(person.host)
    name = decode_words(person.name).strip() if person.name else ""
    if not local and not name:
        return None
    return Address(name=name or None, address=f"{local}@{host}" if local and host else local)


def _word(raw: bytes) -> str:
    text = decode(raw)
    return "" if text in _MISSING else text


def _trimmed(text: str | None) -> str | None:
    return (text or "").strip() or None


def _date(header: str | None, internal_ms: int | None) -> str | None:
    """The Date header, else when the server got the message."""
    for ms in (date_ms(header), internal_ms):
        if ms is not None and 0 <= ms <= _LAST_MS:
            return iso(ms)
    return None


def with_flags(summary: MessageDetail, flags: tuple[str, ...]) -> MessageDetail:
    """The same message after its flags became `flags`."""
    lowered = {flag.lower() for flag in flags}
    return msgspec.structs.replace(summary, flags=flags, unseen="\\seen" not in lowered)
