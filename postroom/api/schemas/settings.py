"""Runtime settings as the interface takes and shows them, built from the one catalogue.

Every schema of `model.settings` becomes a typed field, so that the same reader checks it and the
same printer documents it. Secrets are shown as whether they are set (contract settings.json).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from postroom.api.rules import SECRET, UNSET, Body, Parameters, Shown, Unset
from postroom.api.schemas.account import HeaderBody
from postroom.model.settings import SETTINGS, Schema, Setting

# Names that clients may still ask for; what they named has gone or is not stored as a setting.
FORMER_NAMES = (
    "trackSentMessages",
    "generateRiskAssessment",
    "documentStoreChatModel",
    "documentStoreEnabled",
    "documentStoreUrl",
    "documentStoreIndex",
    "documentStoreAuthEnabled",
    "documentStoreUsername",
    "documentStorePassword",
    "documentStoreGenerateEmbeddings",
    "documentStorePreProcessingEnabled",
)
EVENT_TYPES = "eventTypes"

PUBLIC: tuple[Setting, ...] = tuple(item for item in SETTINGS.values() if item.is_public)


class SettingsUpdated(Shown, frozen=True, kw_only=True):
    """The names of the settings that were written."""

    updated: list[str]


class LogsBody(Body, frozen=True, kw_only=True):
    """Which accounts keep a protocol log, and how long it gets."""

    all: bool = False
    max_log_lines: Annotated[int, Meta(ge=0, le=1_000_000)] = 10_000


def hint_of(schema: Schema) -> Any:
    """The type of a value that the schema describes."""
    if "$ref" in schema:
        return HeaderBody
    extra = {name: word for name, word in schema.items() if name.startswith(("x-", "format"))}
    kind = schema["type"]
    if kind == "array":
        return Annotated[list[hint_of(schema["items"])], Meta(extra_json_schema=extra)]  # type: ignore[misc]  # built at run time
    if kind == "object":
        return LogsBody
    if "enum" in schema:
        return Annotated[Literal[tuple(schema["enum"])], Meta(extra_json_schema=extra)]
    if kind == "string":
        meta = Meta(max_length=schema.get("maxLength"), extra_json_schema=extra or None)
    else:
        meta = Meta(ge=schema.get("minimum"), le=schema.get("maximum"))
    return Annotated[_PLAIN[kind], meta]


_PLAIN: dict[str, Any] = {"string": str, "boolean": bool, "integer": int, "number": float}


def _written(setting: Setting) -> Any:
    hint = hint_of(setting.schema)
    if setting.is_secret:
        hint = Annotated[hint, SECRET]
    return hint | None | Unset if setting.is_nullable else hint | Unset


def _shown(setting: Setting) -> Any:
    hint = bool if setting.is_secret else hint_of(setting.schema)
    return hint | None | Unset


def _fields(hint: Any) -> list[tuple[str, Any, Any]]:
    return [(item.name, hint(item), UNSET) for item in PUBLIC]


SettingsBody: type[Body] = msgspec.defstruct(  # type: ignore[assignment]  # it has that base
    "Settings",
    _fields(_written),
    bases=(Body,),
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "Settings to write; what is absent stays as it is."},
    module=__name__,
)
SettingsView: type[Shown] = msgspec.defstruct(  # type: ignore[assignment]  # it has that base
    "SettingsView",
    [*_fields(_shown), (EVENT_TYPES, list[str] | Unset, UNSET)],
    bases=(Shown,),
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "The settings that were asked for."},
    module=__name__,
)
SettingsParameters: type[Parameters] = msgspec.defstruct(  # type: ignore[assignment]  # it has that base
    "SettingsParameters",
    [(name, bool, False) for name in (EVENT_TYPES, *(item.name for item in PUBLIC), *FORMER_NAMES)],
    bases=(Parameters,),
    frozen=True,
    kw_only=True,
    namespace={"__doc__": "Names of the settings wanted, each =true."},
    module=__name__,
)
