"""Who may come in: the token of a request, checked against its route (contract N1, N3)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from litestar import Request

from postroom.api.route import Route
from postroom.api.services import ApiServices
from postroom.auth.access import Presented, check
from postroom.auth.address import client_address
from postroom.errors import TooManyRequests, Unauthorized
from postroom.model.token import TokenRecord
from postroom.store.rates import Rate, Rates

# The last use of a token is a courtesy: one write a minute keeps it off the request path.
TOUCH_EVERY_S = 60.0
# Tokens whose last use is remembered in this process; beyond that the oldest is forgotten.
MAX_REMEMBERED = 10_000
TOKEN_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Admitted:
    """A caller who may come in, and how often it has come lately."""

    token: TokenRecord | None = None
    rate: Rate | None = None

    def headers(self) -> dict[str, str]:
        """What the answer tells of the rate (contract N6)."""
        if self.rate is None:
            return {}
        return {
            "x-ratelimit-limit": str(self.rate.limit),
            "x-ratelimit-remaining": str(self.rate.remaining),
            "x-ratelimit-reset": str(self.rate.reset_s),
        }


class Admission:
    """The doorkeeper of one application."""

    def __init__(self, services: ApiServices) -> None:
        self._services = services
        self._rates = Rates(services.store, services.clock)
        self._touched: OrderedDict[str, float] = OrderedDict()

    async def address_of(self, request: Request[Any, Any, Any]) -> str | None:
        """The client's address (invariant I29)."""
        client = request.scope.get("client")
        forwarded = ",".join(request.headers.getall("x-forwarded-for", []))
        proxies = await self._services.proxies()
        return client_address(client[0] if client else None, forwarded or None, proxies)

    async def admit(
        self,
        route: Route,
        request: Request[Any, Any, Any],
        presented: Presented,
        query: dict[str, Any],
    ) -> Admitted:
        """The caller and its rate; no token when none is asked for. Raises 401, 403, 429."""
        value = _token_value(request, query)
        if value is None:
            if await self._is_open():
                return Admitted()
            raise Unauthorized("Missing authentication")
        token = await self._known(value)
        check(token, route.access, presented)
        rate = await self._rate(token)
        await self._touch(token, presented.address)
        return Admitted(token, rate)

    async def _rate(self, token: TokenRecord) -> Rate | None:
        limit = token.restrictions.rate_limit if token.restrictions else None
        if not limit:
            return None
        rate = await self._rates.count(token.id, limit.max_requests, limit.time_window)
        if rate.is_over:
            extra = {"ttl": rate.reset_s, "limit": rate.limit}
            raise TooManyRequests("Rate limit exceeded", extra=extra)
        return rate

    async def _known(self, value: str) -> TokenRecord:
        try:
            is_token = len(value) == TOKEN_CHARACTERS and len(bytes.fromhex(value)) == 32
        except ValueError:
            is_token = False
        if not is_token:
            raise Unauthorized("Bad token", code="InvalidToken")
        token = await self._services.tokens.find_by_value(value)
        if token is None:
            raise Unauthorized("Unknown or expired token", code="UnknownToken")
        return token

    async def _is_open(self) -> bool:
        if not self._services.is_auth_required:
            return True
        return await self._services.settings.get("disableTokens") is True

    async def _touch(self, token: TokenRecord, address: str | None) -> None:
        now = self._services.clock.steady_s()
        last = self._touched.get(token.id)
        if last is not None and now - last < TOUCH_EVERY_S:
            return
        self._touched[token.id] = now
        self._touched.move_to_end(token.id)
        if len(self._touched) > MAX_REMEMBERED:
            self._touched.popitem(last=False)
        await self._services.tokens.touch(token.id, address)


def _token_value(request: Request[Any, Any, Any], query: dict[str, Any]) -> str | None:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    given = query.get("access_token")
    return given if isinstance(given, str) else None
