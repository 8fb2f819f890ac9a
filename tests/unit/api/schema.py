"""Checks an answer against the published OpenAPI document (invariant I30)."""

from __future__ import annotations

from typing import Any

from postroom.api.openapi import description
from postroom.api.routes import ROUTES

DOCUMENT = description(ROUTES, "test")
_TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "null": type(None),
}


def problems(method: str, path: str, status: int, answer: Any) -> list[str]:
    """What in the answer differs from the operation's schema; empty when nothing does."""
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    content = responses[str(status)]["content"]
    return list(_wrong(content["application/json"]["schema"], answer, "answer"))


def _wrong(schema: dict[str, Any], value: Any, where: str) -> list[str]:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _wrong(DOCUMENT["components"]["schemas"][name], value, where)
    if "anyOf" in schema:
        tries = [_wrong(one, value, where) for one in schema["anyOf"]]
        return [] if any(not found for found in tries) else min(tries, key=len)
    if "enum" in schema and value not in schema["enum"]:
        return [f"{where}: {value!r} is not in {schema['enum']}"]
    kind = schema.get("type")
    if kind is None:
        return []
    is_bool_for_number = isinstance(value, bool) and kind in ("integer", "number")
    if not isinstance(value, _TYPES[kind]) or is_bool_for_number:
        return [f"{where}: {value!r} is no {kind}"]
    if kind == "array":
        items = schema.get("items", {})
        return [p for at, one in enumerate(value) for p in _wrong(items, one, f"{where}[{at}]")]
    return _wrong_object(schema, value, where) if kind == "object" else []


def _wrong_object(schema: dict[str, Any], value: dict[str, Any], where: str) -> list[str]:
    found = [
        f"{where}.{name} is missing" for name in schema.get("required", ()) if name not in value
    ]
    rest = schema.get("additionalProperties")
    for name, item in value.items():
        inner = schema.get("properties", {}).get(name)
        if inner is not None:
            found += _wrong(inner, item, f"{where}.{name}")
        elif isinstance(rest, dict):
            found += _wrong(rest, item, f"{where}.{name}")
        elif "properties" in schema:
            found.append(f"{where}.{name} is not in the schema")
    return found
