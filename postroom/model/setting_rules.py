"""Checking the value of a setting against its schema: pure, for every place that sets one.

Covers the words that the catalogue uses, no more. The first wrong thing is raised as a ValueError
whose text may be shown; a wrong type too, for the caller has one thing to catch.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from postroom.model.settings import Schema, Setting

_HOSTNAME = re.compile(r"(?=.{1,253}\.?$)[\w-]{1,63}(\.[\w-]{1,63})*\.?", re.ASCII)
# Contract api.json WebhooksCustomHeader: the one schema that the catalogue refers to.
_CUSTOM_HEADER: Schema = {
    "type": "object",
    "properties": {
        "key": {"type": "string", "maxLength": 1024, "x-trim": True},
        "value": {"type": "string", "default": "", "maxLength": 10240, "x-trim": True},
    },
    "required": ["key"],
}


def validated(setting: Setting, value: Any) -> Any:
    """The value as it is to be stored (trimmed, wrapped, completed). Raises ValueError."""
    if value is None:
        if setting.is_nullable:
            return None
        raise ValueError("must not be null")
    return _checked(setting.schema, value)


def _checked(schema: Schema, value: Any) -> Any:
    if "$ref" in schema:
        return _checked(_CUSTOM_HEADER, value)
    return _CHECKS[schema["type"]](schema, value)


def _boolean(_: Schema, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("must be a boolean")  # noqa: TRY004  # see above
    return value


def _number(schema: Schema, value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("must be a number")  # noqa: TRY004  # see above
    if schema["type"] == "integer" and value != int(value):
        raise ValueError("must be an integer")
    if value < schema.get("minimum", value):
        raise ValueError(f"must be greater than or equal to {schema['minimum']}")
    if value > schema.get("maximum", value):
        raise ValueError(f"must be less than or equal to {schema['maximum']}")
    return int(value) if schema["type"] == "integer" else value


def _string(schema: Schema, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a string")  # noqa: TRY004  # see above
    text = value.strip() if schema.get("x-trim") else value
    if len(text) > schema.get("maxLength", len(text)):
        raise ValueError(f"length must be less than or equal to {schema['maxLength']} characters")
    if text not in schema.get("enum", [text]):
        raise ValueError(f"must be one of [{', '.join(schema['enum'])}]")
    if "format" in schema and text:
        _FORMATS[schema["format"]](schema, text)
    return text


def _array(schema: Schema, value: Any) -> list[Any]:
    if not isinstance(value, list) and schema.get("x-single-value-accepted"):
        value = [value]
    if not isinstance(value, list):
        raise ValueError("must be an array")  # noqa: TRY004  # see above
    return [_checked(schema["items"], item) for item in value]


def _object(schema: Schema, value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise ValueError("must be an object")  # noqa: TRY004  # see above
    properties: dict[str, Schema] = schema["properties"]
    for name in schema.get("required", ()):
        if name not in value:
            raise ValueError(f"{name} is required")
    for name in value:
        if name not in properties:
            raise ValueError(f"{name} is not allowed")
    given = {**{k: v["default"] for k, v in properties.items() if "default" in v}, **value}
    return {name: _checked(properties[name], item) for name, item in given.items()}


def _uri(schema: Schema, text: str) -> None:
    parts = urlsplit(text)
    schemes: list[str] = schema["x-uri-schemes"]
    is_complete = bool(parts.hostname) or (parts.scheme == "mailto" and bool(parts.path))
    if parts.scheme not in schemes or not is_complete or re.search(r"\s", text):
        raise ValueError(f"must be a valid uri with a scheme matching {'|'.join(schemes)}")


def _ip(_: Schema, text: str) -> None:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise ValueError("must be a valid ip address") from None


def _hostname(_: Schema, text: str) -> None:
    if not _HOSTNAME.fullmatch(text):
        raise ValueError("must be a valid hostname")


_CHECKS = {
    "boolean": _boolean,
    "integer": _number,
    "number": _number,
    "string": _string,
    "array": _array,
    "object": _object,
}
_FORMATS = {"uri": _uri, "ip": _ip, "hostname": _hostname}
