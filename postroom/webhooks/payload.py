"""The body of a webhook: the event with the service's address in front and its id taken out.

The id travels as a header (webhooks.json, `envelope`). What is undefined is left out of the JSON;
`serviceUrl` is always there, null while it is not set.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postroom.model.event import Event


class WebhookBody(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel", gc=False
):
    """The JSON object that is posted."""

    service_url: str | None
    account: str
    date: str
    event: str
    path: str | None = None
    special_use: str | None = None
    data: Any = None


def webhook_body(event: Event, service_url: str | None) -> bytes:
    """The bytes to post, and to sign."""
    return msgspec.json.encode(
        WebhookBody(
            service_url=service_url,
            account=event.account,
            date=event.date,
            event=event.event,
            path=event.path,
            special_use=event.special_use,
            data=event.data,
        )
    )
