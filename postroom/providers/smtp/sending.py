"""One message by the account's SMTP server."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any

from postroom.clock import Clock, Deadline
from postroom.errors import ConnectFailed, DeadlineExceeded
from postroom.model.account import Account, SmtpServer
from postroom.net.smtp import SmtpConnection, SmtpTarget, SmtpTrouble, Taken, Transaction
from postroom.providers.interface import Accepted, NotAccepted, Sendable
from postroom.providers.roads import ROAD_SETTINGS, MailRules, RoadSettings, smtp_road
from postroom.providers.smtp.pool import Key, SmtpPool

# Contract F13: servers that give the message an id of their own say it in the reply.
_OUTLOOK = re.compile(r"^250 2\.0\.0 OK (<[^\s<>]+@[^\s<>]+\.prod\.outlook\.com>)", re.IGNORECASE)
_SES = re.compile(r"^250 Ok ([0-9a-f]+(?:-[0-9a-f]+)+)\s*$", re.IGNORECASE)
_SES_HOST = re.compile(r"(?:^|\.)email-smtp\.([a-z0-9-]+)\.amazonaws\.com$", re.IGNORECASE)

AskSettings = Callable[[Iterable[str]], Awaitable[Mapping[str, Any]]]
_SETTINGS = (*ROAD_SETTINGS, "smtpEhloName", "ignoreMailCertErrors")


class SmtpSending:
    """Implements `providers.interface.Sending`."""

    def __init__(
        self,
        clock: Clock,
        ask_settings: AskSettings | None = None,
        rules: MailRules = MailRules(),
    ) -> None:
        self._clock = clock
        self._ask_settings = ask_settings
        self._rules = rules
        self._pool = SmtpPool(clock)

    async def send(
        self, account: Account, message: Sendable, deadline: Deadline
    ) -> Accepted | NotAccepted:
        """Transmit the message once; the outcome as a value."""
        if account.smtp is None:
            return NotAccepted("ENOAUTH", "The account has no SMTP server")
        try:
            target = _target(account, account.smtp, await self._settings(), self._rules)
            return await self._attempt((account.account, target), message, deadline)
        except SmtpTrouble as trouble:
            return _not_accepted(trouble)
        except ConnectFailed as error:
            return NotAccepted("ECONNECTION", error.text)
        except DeadlineExceeded as error:
            return NotAccepted("ETIMEDOUT", error.text)

    async def close(self) -> None:
        """Close the kept connections."""
        await self._pool.close()

    async def _attempt(
        self, key: Key, message: Sendable, deadline: Deadline
    ) -> Accepted | NotAccepted:
        wire = Transaction(message.envelope_from, message.envelope_to, message.raw)
        connection, taken = await self._begun(key, wire, deadline)
        try:
            if message.before_data is not None and not await message.before_data():
                await self._recover(key, connection, deadline)
                return NotAccepted("ECONNECTION", "The message was taken over before DATA")
            response = await connection.finish(wire, deadline)
        except SmtpTrouble as trouble:
            await self._after_trouble(key, connection, trouble, deadline)
            raise
        except BaseException:
            connection.abort()
            raise
        await self._pool.give_back(key, connection)
        refused = tuple((address, trouble.text) for address, trouble in taken.refused)
        return Accepted(response, own_message_id(key[1].host, response), refused)

    async def _begun(
        self, key: Key, wire: Transaction, deadline: Deadline
    ) -> tuple[SmtpConnection, Taken]:
        kept = self._pool.borrow(key)
        if kept is not None:
            try:
                return kept, await self._envelope(key, kept, wire, deadline)
            except SmtpTrouble as trouble:
                # A kept connection may have been closed by the server: a fresh one decides.
                if trouble.response_code not in (None, 421):
                    raise
        fresh = await self._pool.open(key, deadline)
        return fresh, await self._envelope(key, fresh, wire, deadline)

    async def _envelope(
        self, key: Key, connection: SmtpConnection, wire: Transaction, deadline: Deadline
    ) -> Taken:
        try:
            return await connection.begin(wire, deadline)
        except SmtpTrouble as trouble:
            await self._after_trouble(key, connection, trouble, deadline)
            raise
        except BaseException:
            connection.abort()
            raise

    async def _after_trouble(
        self, key: Key, connection: SmtpConnection, trouble: SmtpTrouble, deadline: Deadline
    ) -> None:
        if trouble.response_code is None:
            connection.abort()
        else:
            await self._recover(key, connection, deadline)

    async def _recover(self, key: Key, connection: SmtpConnection, deadline: Deadline) -> None:
        await connection.reset(deadline)
        await self._pool.give_back(key, connection)

    async def _settings(self) -> Mapping[str, Any]:
        return await self._ask_settings(_SETTINGS) if self._ask_settings is not None else {}


def _target(
    account: Account, server: SmtpServer, settings: Mapping[str, Any], rules: MailRules
) -> SmtpTarget:
    """Where to, as whom and by which road. Raises ConnectFailed for a proxy that is none."""
    verifies = not settings.get("ignoreMailCertErrors")
    return SmtpTarget(
        host=server.host,
        port=server.port,
        is_secure=server.secure,
        must_verify=server.tls.reject_unauthorized if server.tls else verifies,
        min_version=server.tls.min_version if server.tls else None,
        ehlo_name=account.smtp_ehlo_name,
        usual_ehlo_name=settings.get("smtpEhloName"),
        floor=rules.floor,
        road=smtp_road(account, RoadSettings.of(settings), rules),
        user=server.auth.user if server.auth else None,
        password=server.auth.password if server.auth else None,
        access_token=server.auth.access_token if server.auth else None,
    )


def own_message_id(host: str, response: str) -> str | None:
    """The Message-ID that the server gave instead of ours, read from its reply."""
    if found := _OUTLOOK.match(response):
        return found.group(1)
    at_ses = _SES_HOST.search(host)
    if at_ses and (found := _SES.match(response)):
        region = "email" if at_ses.group(1) == "us-east-1" else at_ses.group(1)
        return f"<{found.group(1)}@{region}.amazonses.com>"
    return None


def _not_accepted(trouble: SmtpTrouble) -> NotAccepted:
    return NotAccepted(
        code=trouble.delivery_code,
        text=trouble.text,
        response_code=trouble.response_code,
        response=trouble.response,
        command=trouble.command,
        is_unknown=trouble.is_unknown,
    )
