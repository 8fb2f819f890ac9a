"""Who gets a reply (contract F33, F34): pure, with a golden table in the tests (invariant I17).

reply      To: the Reply-To addresses of the original, else its From
reply-all  the same and the original's To in To, its Cc in Cc, without the sender and repeats;
           what the caller gives is appended; the original's Bcc is never used
forward    only what the caller gives
A reply for which the caller gives `to` goes to exactly those.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postroom.errors import FieldProblem, InvalidInput
from postroom.model.message import Address, ReferencedMessage

Addresses = tuple[Address, ...]


@dataclass(frozen=True, slots=True)
class Recipients:
    """The three address fields of a message."""

    to: Addresses = ()
    cc: Addresses = ()
    bcc: Addresses = ()


def for_reference(
    action: str, original: ReferencedMessage, own: str, given: Recipients
) -> Recipients:
    """The recipients of a submission that refers to `original`; `own` is its From address."""
    if action == "forward":
        if not given.to:
            raise InvalidInput(fields=[FieldProblem("to", "is required to forward a message")])
        return given
    if action == "reply":
        return Recipients(given.to or _target(original), given.cc, given.bcc)
    return _to_all(original, own, given)


def _target(original: ReferencedMessage) -> Addresses:
    if original.reply_to:
        return original.reply_to
    return (original.from_,) if original.from_ is not None else ()


def _to_all(original: ReferencedMessage, own: str, given: Recipients) -> Recipients:
    seen = {own.lower()}
    to = _new([*_target(original), *original.to], seen)
    cc = _new(original.cc, seen)
    to += _new(given.to, seen)
    cc += _new(given.cc, seen)
    bcc = _new(given.bcc, seen)
    if not (to or cc or bcc):
        # A reply to one's own note: without this it would go nowhere.
        to = _target(original)
    return Recipients(to, cc, bcc)


def _new(addresses: Iterable[Address], seen: set[str]) -> Addresses:
    fresh = []
    for one in addresses:
        key = one.address.lower()
        if key and key not in seen:
            seen.add(key)
            fresh.append(one)
    return tuple(fresh)


def subject_for(action: str, original: str | None) -> str:
    """`Re: ` or `Fwd: ` before the original subject unless it is there already (F33)."""
    prefix = "Fwd:" if action == "forward" else "Re:"
    text = (original or "").strip()
    return text if text.lower().startswith(prefix.lower()) else f"{prefix} {text}".rstrip()


def thread_ids(original: ReferencedMessage) -> tuple[str, ...]:
    """The References of a message that refers to `original`, oldest first (F32)."""
    parts = [original.references, original.in_reply_to, original.message_id]
    found = [_bracketed(one) for text in parts for one in (text or "").replace(",", " ").split()]
    return tuple(dict.fromkeys(found))


def reply_id(action: str, original: ReferencedMessage) -> str | None:
    """The In-Reply-To, for replies only (F32)."""
    if action == "forward" or not original.message_id:
        return None
    return _bracketed(original.message_id)


def _bracketed(text: str) -> str:
    return f"<{text.strip('<>')}>"
