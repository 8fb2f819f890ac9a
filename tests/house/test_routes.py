"""The route table: complete, documented, and each route with its access rules."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec

from postroom.api.openapi import description
from postroom.api.route import Route
from postroom.api.routes import ROUTES

GOLDEN = Path(__file__).parent / "routes.txt"
DOCUMENT = description(ROUTES, "test")


def _line(route: Route) -> str:
    access = route.access
    rules = f"narrowed={access.is_open_to_narrowed} bound={access.bound}"
    return f"{route.method} {route.path} {access.group}:{access.action} {rules}"


def test_routes_and_their_access_are_those_of_the_golden_file() -> None:
    """On purpose: review the difference, then copy the actual lines into routes.txt."""
    assert sorted(map(_line, ROUTES)) == GOLDEN.read_text(encoding="ascii").splitlines()


def test_no_operation_is_declared_twice() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)
    assert len({(route.method, route.path) for route in ROUTES}) == len(ROUTES)


def test_every_path_parameter_is_a_field_of_the_parameters() -> None:
    for route in ROUTES:
        names = {field.encode_name for field in msgspec.structs.fields(route.parameters)}
        assert set(route.path_parameters) <= names, route.path


def test_every_operation_parameter_and_field_has_its_sentence() -> None:
    silent = []
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            if not (operation["summary"] and operation["description"].endswith(".")):
                silent.append(f"{method} {path}")
            silent += [
                f"{path} {p['name']}" for p in operation["parameters"] if not p["description"]
            ]
    for name, schema in DOCUMENT["components"]["schemas"].items():
        fields = schema.get("properties", {})
        silent += [f"{name}.{field}" for field, s in fields.items() if not s.get("description")]
    assert silent == []


def test_every_reference_in_the_document_leads_somewhere() -> None:
    text = json.dumps(DOCUMENT)
    named = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert named <= set(DOCUMENT["components"]["schemas"])


def test_the_document_tells_no_word_of_our_own_making() -> None:
    text = json.dumps(DOCUMENT)
    assert not [word for word in ("x-in", "x-or-false", "x-secret") if f'"{word}"' in text]
