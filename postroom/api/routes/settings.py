"""Runtime settings: ask for some by name, write some.

Reading shows no secrets: stored keys as true or false, logins in URLs and header values masked.
A mask that comes back with everything around it unchanged means "as it was" and is skipped;
anywhere else it is refused, so that six asterisks never become a password (invariant I26).
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit, urlunsplit

import msgspec

from postroom.api.answers import Reply, answer
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
from postroom.errors import FieldProblem, InvalidInput
from postroom.model.event import EventType
from postroom.model.secret import MASK

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
    written = {
        name: value
        for name, value in given.items()
        if not (_holds_mask(value) and value == masked(stored[name]))
    }
    problems = [
        FieldProblem(name, f'"{name}" must not hold a mask')
        for name, value in written.items()
        if _holds_mask(value)
    ]
    if problems:
        raise InvalidInput(fields=problems)
    if "serviceUrl" in written:
        written["serviceUrl"] = origin(written["serviceUrl"])
    also = {ERROR_FLAG: None} if written.get("webhooksEnabled") is False else {}
    await call.services.settings.put({**written, **also})
    return answer(SettingsUpdated(updated=list(written)))


def masked(value: Any) -> Any:
    """The value without what must not be shown: URL logins and header values."""
    if isinstance(value, str) and "@" in value and "://" in value:
        return _masked_url(value)
    if isinstance(value, list):
        return [masked(item) for item in value]
    if isinstance(value, dict) and "key" in value and value.get("value"):
        return {**value, "value": MASK}
    return value


def _masked_url(url: str) -> str:
    parts = urlsplit(url)
    login, at, place = parts.netloc.rpartition("@")
    if not at:
        return url
    hidden = f"{MASK}:{MASK}" if ":" in login else MASK
    return urlunsplit(parts._replace(netloc=f"{hidden}@{place}"))


def _holds_mask(value: Any) -> bool:
    if isinstance(value, str):
        return MASK in value
    if isinstance(value, list):
        return any(_holds_mask(item) for item in value)
    return isinstance(value, dict) and _holds_mask(value.get("value"))


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
