"""What a failed attempt means: the one classification table of sending (I18, contract F9); pure.

Two questions, two answers. `kind` says whose turn it is (the account's credentials, its
configuration, patience, time, or nobody's); `is_final` says whether another attempt is made, and
follows the contract's rule to the letter: a reply of 500 or more except 503 is final, any other
reply is not; without a reply a named set of codes is final. What is unknown is transient.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from postroom.providers.interface import NotAccepted


class Kind(enum.StrEnum):
    AUTH = "auth"
    CONFIG = "config"
    THROTTLE = "throttle"
    TRANSIENT = "transient"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True)
class Verdict:
    kind: Kind
    is_final: bool


# Contract F9: final when there was no SMTP reply.
FINAL_CODES = frozenset(
    {"EAUTH", "ENOAUTH", "EOAUTH2", "ETLS", "EENVELOPE", "EMESSAGE", "EPROTOCOL"}
)
# Contract errors.md: these tell nothing about the server, so they leave smtpStatus alone.
MESSAGE_CODES = frozenset({"EMESSAGE", "ESTREAM", "EENVELOPE"})

_KIND_OF_CODE = {
    "EAUTH": Kind.AUTH,
    "ENOAUTH": Kind.AUTH,
    "EOAUTH2": Kind.AUTH,
    "ETLS": Kind.CONFIG,
    "EPROTOCOL": Kind.CONFIG,
    "EENVELOPE": Kind.PERMANENT,
    "EMESSAGE": Kind.PERMANENT,
}
# RFC 4954 6: replies about authentication; RFC 5321 4.2.3: 421 closes, 450 to 452 ask to wait.
_KIND_OF_REPLY = {
    421: Kind.THROTTLE,
    450: Kind.THROTTLE,
    451: Kind.THROTTLE,
    452: Kind.THROTTLE,
    530: Kind.AUTH,
    534: Kind.AUTH,
    535: Kind.AUTH,
    538: Kind.AUTH,
}
# 503 (bad sequence of commands) comes of a confused session: a new one may do.
_RETRIED_REPLY = 503


def classify(failure: NotAccepted) -> Verdict:
    """The verdict on a failed attempt."""
    if failure.is_unknown:
        return Verdict(Kind.TRANSIENT, is_final=False)
    if failure.response_code is not None:
        return _of_reply(failure.response_code)
    kind = _KIND_OF_CODE.get(failure.code, Kind.TRANSIENT)
    return Verdict(kind, failure.code in FINAL_CODES)


def _of_reply(code: int) -> Verdict:
    is_final = code >= 500 and code != _RETRIED_REPLY
    plain = Kind.PERMANENT if is_final else Kind.TRANSIENT
    return Verdict(_KIND_OF_REPLY.get(code, plain), is_final)


def tells_health(failure: NotAccepted) -> bool:
    """Whether the failure belongs in the account's smtpStatus (contract errors.md)."""
    return failure.code not in MESSAGE_CODES
