"""Which way to log in, and what a refusal means.

A token goes by XOAUTH2 or OAUTHBEARER; a password by AUTHENTICATE PLAIN where offered, by LOGIN
otherwise, by AUTHENTICATE LOGIN where LOGIN is disabled. A mechanism that the server does not
understand (BAD) is followed by the next; one that it refuses (NO) is not, because every further
try counts against the account. Invariant I5: only a refusal of the credentials themselves is
AuthenticationRefused; "not now" is ConnectFailed.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Coroutine
from typing import Any

from postroom.clock import Deadline
from postroom.errors import AuthenticationRefused, ConnectFailed, PostroomError
from postroom.imap.commands.authenticate import Authenticate, Mechanism
from postroom.imap.commands.exchange import Command
from postroom.imap.commands.login import Login
from postroom.imap.encode import Offered
from postroom.imap.errors import ImapRefused
from postroom.model.account import Credentials
from postroom.model.secret import MASK, Secret

Run = Callable[[Command[None], Deadline], Coroutine[Any, Any, None]]

# RFC 9051 7.1 and RFC 9051 11.3: codes of a NO that says nothing about the credentials.
_NOT_NOW_CODES = frozenset(
    {"UNAVAILABLE", "INUSE", "LIMIT", "SERVERBUG", "TEMPFAIL", "SYS/TEMP", "THROTTLED"}
)
# Base64 as AUTHENTICATE sends it; some servers repeat the line that they did not understand.
_SASL_ANSWER = re.compile(r"[A-Za-z0-9+/]{4,}={0,2}")
# Gmail, Yahoo and Exchange refuse a login over a limit with no code but in words like these.
_NOT_NOW_TEXT = re.compile(
    r"too many|temporar|try again|try later|rate limit|simultaneous connections|server (?:is )?busy"
    r"|service unavailable|internal (?:server )?error",
    re.IGNORECASE,
)


async def log_in(run: Run, offered: Offered, credentials: Credentials, deadline: Deadline) -> None:
    """Log in by the best way there is."""
    ways = _ways(offered, credentials)
    if not ways:
        raise ConnectFailed(
            "The server offers no way to log in with what is known of the account", code="ENOAUTH"
        )
    secret = credentials.access_token or credentials.password
    for at, way in enumerate(ways, start=1):
        try:
            await run(way, deadline)
        except ImapRefused as refused:
            # A BAD with a code of its own is a refusal; without one the way is not understood.
            if refused.is_bad and refused.response_code is None and at < len(ways):
                continue
            raise _meaning(refused, secret) from None
        return


def _ways(offered: Offered, credentials: Credentials) -> list[Command[None]]:
    user = credentials.user
    if credentials.access_token is not None:
        is_bearer = offered.has("AUTH=OAUTHBEARER") and not offered.has("AUTH=XOAUTH2")
        mechanism: Mechanism = "OAUTHBEARER" if is_bearer else "XOAUTH2"
        return [Authenticate(mechanism, user, credentials.access_token)]
    password = credentials.password
    if password is None:
        return []
    ways: list[Command[None]] = []
    if offered.has("AUTH=PLAIN"):
        ways.append(Authenticate("PLAIN", user, password))
    if not offered.has("LOGINDISABLED"):
        ways.append(Login(user, password))
    if offered.has("AUTH=LOGIN"):
        ways.append(Authenticate("LOGIN", user, password))
    return ways


def masked(text: str, secret: Secret | None) -> str:
    """`text` without the secret: as it is, quoted, or inside a repeated SASL answer."""
    told = secret.reveal() if secret is not None else ""
    if not told:
        return text
    quoted = told.replace("\\", "\\\\").replace('"', '\\"')
    text = text.replace(quoted, MASK).replace(told, MASK)
    encoded = _encoded_forms(told)
    return _SASL_ANSWER.sub(
        lambda found: MASK if any(form in found[0] for form in encoded) else found[0], text
    )


def _encoded_forms(told: str) -> list[str]:
    """How the secret looks inside base64, at each of the three places that it can begin at.

    Only the characters that depend on nothing around it: what stands before and after it in the
    answer, or was put before the answer, must not hide it.
    """
    raw = told.encode()
    forms = []
    for before, first in ((0, 0), (1, 2), (2, 3)):
        whole = base64.b64encode(b"\0" * before + raw).decode()
        forms.append(whole[first : (before + len(raw)) * 8 // 6])
    return [form for form in forms if form]


def _meaning(refused: ImapRefused, secret: Secret | None) -> PostroomError:
    """What a refused login means; a text that repeats the secret loses it (I26)."""
    text = masked(refused.server_text or "The server refused the login", secret)
    code = refused.response_code
    is_not_now = code in _NOT_NOW_CODES or (
        code != "AUTHENTICATIONFAILED" and _NOT_NOW_TEXT.search(text) is not None
    )
    if is_not_now or (refused.is_bad and code is None):
        return ConnectFailed(text, code=code or "ECONNECTION")
    # An alert or a contact hint is no error code; the default says what happened.
    return AuthenticationRefused(text, code=None if code in ("ALERT", "CONTACTADMIN") else code)
