"""The SMTP side of the small mail server: takes any mail and puts it into the accounts it is for.

A recipient `name@anything` belongs to the account `name`, or to the only account there is, so that
every mail a newcomer sends comes back to where it can be seen. aiosmtpd speaks the protocol.
"""

from __future__ import annotations

import asyncio
from typing import Any

from aiosmtpd.smtp import SMTP

from postroom.demo.mailstore import MailStore

# More than any try-out needs; a larger message is refused with 552.
MOST_BYTES = 25 * 1024 * 1024


class _Inbound:
    """aiosmtpd's handler: one method per event it tells."""

    def __init__(self, mail: MailStore, fallback: str) -> None:
        self._mail = mail
        self._fallback = fallback

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the name aiosmtpd calls
        raw = bytes(envelope.original_content or envelope.content)
        for user in {self._user(address) for address in envelope.rcpt_tos}:
            self._mail.deliver(user, raw)
        return "250 2.0.0 Delivered"

    def _user(self, address: str) -> str:
        local = address.partition("@")[0]
        return local if self._mail.has_account(local) else self._fallback


def smtp_protocol(mail: MailStore, fallback: str) -> asyncio.Protocol:
    """The protocol of one connection; mail for nobody known goes to `fallback`."""
    protocol: asyncio.Protocol = SMTP(
        _Inbound(mail, fallback),
        hostname="localhost",
        ident="Postroom demo",
        data_size_limit=MOST_BYTES,
        enable_SMTPUTF8=True,
    )
    return protocol
