"""HTTP requests that we make for users: one wrapper around one library (floor F1).

Each socket is checked by the egress policy before it connects. Redirects are not followed (with
the policy `off` they are, contract X3), cookies are not kept, proxies of the environment are not
used, and of a reply only the first part is read. Library errors become ours here, with the codes
that webhooks.json and errors.md name.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from postroom.clock import Deadline
from postroom.errors import ConnectFailed, EgressBlocked, PostroomError, RedirectNotFollowed
from postroom.net.egress import EgressPolicy, is_blocked

# Of a reply only as much as an error text needs.
MAX_REPLY_BYTES = 64 * 1024
# Only with the policy `off`; enough for http -> https -> canonical name.
MAX_REDIRECTS = 5
# Connections at the same time; callers have limits of their own far below it.
MAX_CONNECTIONS = 256
# An idle connection is kept for the next event of a burst, not for the next hour.
KEEP_S = 15.0
# Name lookups are trusted for this long.
DNS_S = 10

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_REFUSED = "forbidden by the egress policy"


@dataclass(frozen=True, slots=True)
class HttpReply:
    """The status and the first part of the body."""

    status: int
    body: bytes

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300


class HttpClient:
    """A connection pool under one egress policy; one for a process, `close` it at the end."""

    def __init__(self, policy: EgressPolicy) -> None:
        self.policy = policy
        self._session: aiohttp.ClientSession | None = None

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], deadline: Deadline
    ) -> HttpReply:
        """The reply to a POST, whatever its status.

        Raises EgressBlocked, RedirectNotFollowed, or ConnectFailed when there is no whole reply.
        """
        try:
            async with asyncio.timeout(deadline.remaining_s()):
                return await self._post(url, body, headers)
        except TimeoutError as error:
            raise _failed("ETIMEDOUT", "No reply in time", error) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from error

    async def close(self) -> None:
        """Close every connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _post(self, url: str, body: bytes, headers: Mapping[str, str]) -> HttpReply:
        follow = self.policy is EgressPolicy.OFF
        async with self._opened().post(
            url,
            data=body,
            headers=headers,
            allow_redirects=follow,
            max_redirects=MAX_REDIRECTS,
        ) as response:
            if response.status in _REDIRECTS:
                raise RedirectNotFollowed("The target answered with a redirect")
            return HttpReply(response.status, await response.content.read(MAX_REPLY_BYTES))

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(
                limit=MAX_CONNECTIONS,
                keepalive_timeout=KEEP_S,
                ttl_dns_cache=DNS_S,
                socket_factory=self._socket,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session

    def _socket(self, address: tuple[Any, ...]) -> socket.socket:
        family, kind, protocol, _, target = address
        if is_blocked(self.policy, str(target[0])):
            raise PermissionError(_REFUSED)
        return socket.socket(family, kind, protocol)


def _translated(error: Exception) -> PostroomError:
    # Several addresses of a name give one error whose text holds that of each.
    if _REFUSED in str(getattr(error, "os_error", error)):
        return EgressBlocked("The target's address is forbidden")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return _failed("EDNS", "The target's name was not found", error)
    if isinstance(error, aiohttp.ClientSSLError | ssl.SSLError):
        return _failed("ETLS", "The secure connection failed", error)
    if isinstance(error, aiohttp.InvalidURL | aiohttp.NonHttpUrlClientError | ValueError):
        log = {"reason": type(error).__name__}
        return PostroomError("The request cannot be made", code="EPROTOCOL", log=log)
    if isinstance(error, aiohttp.ClientConnectorError):
        return _failed("ECONNECTION", "The connection was refused or failed", error)
    return _failed("ESOCKET", "The connection was lost", error)


def _failed(code: str, text: str, error: Exception) -> ConnectFailed:
    # An aiohttp error's text may hold the URL with its credentials; its class says enough.
    reason = getattr(error, "os_error", None)
    return ConnectFailed(text, code=code, log={"reason": repr(reason or type(error).__name__)})
