"""One attempt to deliver one event, and what its outcome means.

Any 2xx is success. Two errors are final at once: a forbidden address and a redirect. Everything
else is tried again, ten times in all (webhooks.json, `delivery`).
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.clock import Clock, Deadline
from postroom.errors import EgressBlocked, PostroomError, RedirectNotFollowed
from postroom.model.event import Event
from postroom.net.http import HttpClient
from postroom.webhooks.payload import webhook_body
from postroom.webhooks.sign import (
    Delivery,
    delivery_headers,
    ordinary_headers,
    signature_header,
    split_login,
)
from postroom.webhooks.targets import Target, WebhookRules

# Attempts for one event, the first one included.
MAX_ATTEMPTS = 10
# Replies of a gateway before the receiver, or of one that asks for a rest: it is down for everyone.
_DOWN = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt; `error` says in a few words why it is no success."""

    error: str | None = None
    code: str | None = None
    is_final: bool = False
    # Whether the destination as a whole does not answer, not only for this event.
    is_down: bool = False

    @property
    def is_success(self) -> bool:
        return self.error is None


class Courier:
    """Posts events."""

    def __init__(self, http: HttpClient, clock: Clock, timeout_s: float) -> None:
        self._http = http
        self._clock = clock
        self._timeout_s = timeout_s

    async def post(
        self, event: Event, target: Target, rules: WebhookRules, delivery: Delivery
    ) -> Outcome:
        """Make one attempt; never raises our errors."""
        body = webhook_body(event, rules.service_url)
        url, authorization = split_login(target.url)
        headers = (
            ordinary_headers(authorization, rules.service_url, target.headers)
            | delivery_headers(delivery)
            | signature_header(rules.service_secret, body)
        )
        try:
            deadline = Deadline.after(self._clock, self._timeout_s)
            reply = await self._http.post(url, body, headers, deadline)
        except (EgressBlocked, RedirectNotFollowed) as error:
            return Outcome(error.text, error.public_code, is_final=True)
        except PostroomError as error:
            return Outcome(error.text, error.public_code, is_down=error.temporary)
        if reply.is_success:
            return Outcome()
        text = f"The target answered with status {reply.status}"
        return Outcome(text, str(reply.status), is_down=reply.status in _DOWN)
