"""The OpenAPI document, printed from the route table and the schemas; nothing in it is by hand.

OpenAPI 3.1: its schemas are JSON Schema, which is what msgspec prints. The contract's extra words
(`x-trim`, `x-uri-schemes`, ...) and `x-auth` are kept, so that a program can compare or obey them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any

import msgspec

from postroom.api import prose
from postroom.api.route import Media, Route
from postroom.api.schemas.errors import STATUSES

Schema = dict[str, Any]
REFERENCE = "#/components/schemas/{name}"
# Every route may answer these; 404, 422, 503 are the route's own.
ALWAYS = (400, 401, 403, 429, 500)
_PARAMETER_ORDER = {"header": 0, "path": 1, "query": 2}


def document(routes: Sequence[Route], version: str) -> bytes:
    """The document as JSON."""
    return msgspec.json.encode(description(routes, version))


def description(routes: Sequence[Route], version: str) -> dict[str, Any]:
    """The document as plain values."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Postroom", "version": version, "description": prose.ABOUT},
        "servers": [{"url": "/"}],
        "security": [{"bearerAuth": []}, {"accessTokenQuery": []}],
        "tags": [
            {"name": name, "description": prose.TAGS[name]} for name in _tags_in_order(routes)
        ],
        "paths": paths,
        "components": {"securitySchemes": _SECURITY, "schemas": _schemas(routes)},
    }


_SECURITY = {
    "bearerAuth": {"type": "http", "scheme": "bearer"},
    "accessTokenQuery": {"type": "apiKey", "in": "query", "name": "access_token"},
}


def _tags_in_order(routes: Iterable[Route]) -> list[str]:
    return list(dict.fromkeys(route.tag for route in routes))


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.operation_id,
        "tags": [route.tag],
        "summary": route.summary,
        "description": route.description,
        "parameters": _parameters(route),
        "responses": _responses(route),
        "x-auth": _auth(route),
    }
    if route.body is not None:
        content = {"schema": _reference(route.body), "example": route.example or {}}
        operation["requestBody"] = {"required": True, "content": {"application/json": content}}
    if route.alias_of is not None:
        operation |= {"deprecated": True, "x-alias-of": route.alias_of}
    return operation


def _auth(route: Route) -> dict[str, Any]:
    access = route.access
    return {
        "token_scope": list(access.scopes),
        "action": access.action,
        "group": access.group,
        "narrowed_token_may_hold": access.is_open_to_narrowed,
        "account_bound_token": access.bound,
    }


def _parameters(route: Route) -> list[dict[str, Any]]:
    listed = []
    own, _ = _components([route.parameters])
    properties: dict[str, Schema] = own["properties"]
    for name, schema in properties.items():
        place = "path" if name in route.path_parameters else schema.pop("x-in", "query")
        is_required = place == "path" or name in own.get("required", ())
        parameter = {"name": name, "in": place, "required": is_required, "schema": schema}
        listed.append(parameter | {"description": schema.pop("description")})
    return sorted(listed, key=lambda one: _PARAMETER_ORDER[one["in"]])


def _responses(route: Route) -> dict[str, Any]:
    responses = {"200": _success(route.answer)}
    for status in sorted({*ALWAYS, *route.statuses}):
        content = {"application/json": {"schema": _reference(STATUSES[status])}}
        responses[str(status)] = {"description": HTTPStatus(status).phrase, "content": content}
    return responses


def _success(answer: type[msgspec.Struct] | Media) -> dict[str, Any]:
    if isinstance(answer, Media):
        content = {answer.content_type: {"schema": {"type": "string"}}}
    else:
        content = {"application/json": {"schema": _reference(answer)}}
    return {"description": "OK", "content": content}


def _reference(kind: type[msgspec.Struct]) -> Schema:
    return {"$ref": REFERENCE.format(name=kind.__name__)}


def _schemas(routes: Sequence[Route]) -> dict[str, Schema]:
    kinds: list[Any] = list(STATUSES.values())
    kinds += [route.body for route in routes if route.body is not None]
    kinds += [route.answer for route in routes if not isinstance(route.answer, Media)]
    _, schemas = _components(list(dict.fromkeys(kinds)))
    return dict(sorted(schemas.items()))


def _components(kinds: Sequence[type]) -> tuple[Schema, dict[str, Schema]]:
    """The first type's own schema, and all the schemas that the types need."""
    references, schemas = msgspec.json.schema_components(
        kinds, schema_hook=_custom, ref_template=REFERENCE
    )
    schemas = {name: _polished(schema, name) for name, schema in schemas.items()}
    first = references[0]["$ref"].rpartition("/")[2]
    return schemas[first], schemas


def _custom(kind: type) -> Schema:
    # The one type of ours that msgspec does not know: a Secret is shown as its mask.
    return {"type": "string", "format": "password"}


def _polished(schema: Schema, name: str) -> Schema:
    polished: Schema = _plain(schema)
    for field, inner in polished.get("properties", {}).items():
        inner.setdefault("description", prose.of_field(name, field))
    return polished


def _plain(schema: Any) -> Any:
    """Our own words replaced by those that readers of OpenAPI know."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = {name: _plain(word) for name, word in schema.items()}
    plain.pop("title", None)
    if "enum" in plain and all(isinstance(item, str) for item in plain["enum"]):
        plain["type"] = "string"
    if plain.pop("x-secret", False):
        plain |= {"format": "password", "writeOnly": True}
    if plain.pop("x-or-false", False):
        _only_false(plain)
    return plain


def _only_false(schema: Schema) -> None:
    no = {"type": "boolean", "enum": [False]}
    if "anyOf" in schema:
        schema["anyOf"] = [no if item == {"type": "boolean"} else item for item in schema["anyOf"]]
    else:
        schema.update(no)


__all__ = ["description", "document"]
