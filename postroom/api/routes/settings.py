"""Runtime settings: ask for some by name, write some.

Reading shows no secrets: stored keys as true or false, logins in URLs and header values masked.
What comes back of that is judged in `masks`.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from postroom.api.answers import Reply, answer
from postroom.api.masks import masked, without_masks
from postroom.api.route import Call, Route
from postroom.api.rules import Body, Parameters
from postroom.api.schemas.settings import (
    EVENT_TYPES,
    PUBLIC,
    SettingsBody,
    SettingsParameters,
    SettingsUpdated,
    SettingsView,
)
from postroom.auth.access import Access
from postroom.model.event import EventType

TAG = "Settings"
# Cleared when webhooks are switched off (contract settings.json, write).
ERROR_FLAG = "webhookErrorFlag"


async def get_settings(call: Call[Parameters, None]) -> Reply:
    """GET /v1/settings."""
    names = [item.name for item in PUBLIC if getattr(call.parameters, item.name)]
    values = await call.services.settings.get_many(names)
    secret = {item.name for item in PUBLIC if item.is_secret}
    shown: dict[str, Any] = {
        name: bool(value) if name in secret else masked(value) for name, value in values.items()
    }
    if getattr(call.parameters, EVENT_TYPES):
        shown[EVENT_TYPES] = [str(event) for event in EventType]
    return answer(shown)


async def put_settings(call: Call[Parameters, Body]) -> Reply:
    """POST /v1/settings."""
    given: dict[str, Any] = msgspec.to_builtins(call.body)
    stored = await call.services.settings.get_many(given)
    written = without_masks(given, stored)
    if "serviceUrl" in written:
        written["serviceUrl"] = origin(written["serviceUrl"])
    also = {ERROR_FLAG: None} if written.get("webhooksEnabled") is False else {}
    await call.services.settings.put({**written, **also})
    return answer(SettingsUpdated(updated=list(written)))


def origin(url: str) -> str:
    """Scheme, host and port of a URL."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], "", "", ""))


ROUTES = (
    Route(
        method="GET",
        path="/v1/settings",
        operation_id="getV1Settings",
        tag=TAG,
        summary="Show settings",
        description="The settings whose names are given as true; secrets only as set or not set.",
        access=Access("read", "admin", is_open_to_narrowed=False, bound=False),
        parameters=SettingsParameters,
        answer=SettingsView,
        handler=get_settings,
        statuses=(),
    ),
    Route(
        method="POST",
        path="/v1/settings",
        operation_id="postV1Settings",
        tag=TAG,
        summary="Write settings",
        description="Writes the settings that are given; the others stay as they are.",
        access=Access("write", "admin", is_open_to_narrowed=False, bound=False),
        parameters=Parameters,
        body=SettingsBody,
        example={
            "webhooksEnabled": True,
            "webhooks": "https://example.com/webhooks",
            "webhookEvents": ["*"],
        },
        answer=SettingsUpdated,
        handler=put_settings,
        statuses=(),
    ),
)
