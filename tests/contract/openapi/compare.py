"""How far our OpenAPI document covers the contract: `python -m tests.contract.openapi.compare`.

Both documents are flattened to lines such as `POST /v1/account body imap.port type integer`. What
the contract has and we have not is "missing". Extra fields of ours are fine. `missing.txt` lists
what is missing today; it may only shrink: a line that is missing but not listed fails the test,
and so does a listed line that is there now. `--write` rewrites the list.

The contract says "false or an object" as a boolean with properties, and repeats the same object
under several names; so objects are compared by their fields, never by their names.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from postroom.api.openapi import description
from postroom.api.routes import ROUTES

HERE = Path(__file__).parent
MISSING = HERE / "missing.txt"
# Schemas refer to themselves nowhere; this only bounds a mistake.
MAX_DEPTH = 12
# Said of input; in answers they would only repeat how the value once came in.
INPUT_WORDS = (
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "pattern",
    "x-trim",
    "x-case",
    "x-single-value-accepted",
    "x-uri-schemes",
    "x-cidr",
    "x-default",
)
METHODS = ("get", "post", "put", "delete")

Document = dict[str, Any]
Schema = dict[str, Any]


def missing() -> list[str]:
    """What the contract has and we have not."""
    contract = json.loads((HERE / "contract.json").read_text())
    ours = json.loads(json.dumps(description(ROUTES, "0")))
    have = set(facts(ours))
    wanted = list(dict.fromkeys(facts(contract)))
    present = {line.rsplit(" operation", 1)[0] for line in have if line.endswith(" operation")}
    return [line for line in wanted if line not in have and _is_news(line, present)]


def _is_news(line: str, present: set[str]) -> bool:
    """An operation that is missing altogether is one line, not hundreds."""
    return line.endswith(" operation") or " ".join(line.split(" ")[:2]) in present


def facts(document: Document) -> Iterator[str]:
    """Every comparable fact of a document, one line each."""
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                yield from _operation_facts(document, f"{method.upper()} {path}", methods[method])


def _operation_facts(document: Document, name: str, operation: Document) -> Iterator[str]:
    yield f"{name} operation"
    yield f"{name} operationId {operation['operationId']}"
    yield f"{name} deprecated {bool(operation.get('deprecated'))}"
    for word, value in operation["x-auth"].items():
        yield f"{name} auth {word} {json.dumps(value)}"
    for parameter in operation.get("parameters", ()):
        where = f"{name} {parameter['in']} {parameter['name']}"
        yield f"{where} required {bool(parameter.get('required'))}"
        yield from _schema_facts(document, where, parameter["schema"], is_input=True)
    content = operation.get("requestBody", {}).get("content", {})
    for kind, media in content.items():
        yield f"{name} body {kind}"
        yield from _schema_facts(document, f"{name} body", media["schema"], is_input=True)
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            where = f"{name} {status}"
            yield f"{where} {kind}"
            yield from _schema_facts(document, where, media["schema"], is_input=False)


def _schema_facts(
    document: Document, where: str, schema: Schema, *, is_input: bool, depth: int = 0
) -> Iterator[str]:
    if depth > MAX_DEPTH:
        return
    for fact in _flat(document, schema):
        yield from _own_facts(where, fact, is_input=is_input)
        for name, inner in fact.get("properties", {}).items():
            field = f"{where}.{name}"
            if is_input:
                yield f"{field} required {name in fact.get('required', ())}"
            yield from _schema_facts(document, field, inner, is_input=is_input, depth=depth + 1)
        items = fact.get("items")
        if isinstance(items, dict) and items:
            yield from _schema_facts(
                document, f"{where}[]", items, is_input=is_input, depth=depth + 1
            )


def _own_facts(where: str, schema: Schema, *, is_input: bool) -> Iterator[str]:
    if "type" in schema:
        yield f"{where} type {schema['type']}"
    for item in schema.get("enum", ()):
        yield f"{where} enum {json.dumps(item)}"
    words = ["format", *(INPUT_WORDS if is_input else ())]
    # A field may be left out with the same meaning as its default, so null needs no word.
    words += ["default"] if is_input and schema.get("default") is not None else []
    for word in words:
        if word in schema and word != "default":
            yield f"{where} {word} {json.dumps(schema[word])}"
    if "default" in words:
        yield f"{where} default {json.dumps(schema['default'])}"


def _flat(document: Document, schema: Schema) -> Iterator[Schema]:
    """The alternatives of a schema, references followed, both documents in one spelling."""
    if "$ref" in schema:
        beside = {word: value for word, value in schema.items() if word != "$ref"}
        target = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        yield from _flat(document, {**target, **beside})
        return
    whole = dict(schema)
    if whole.pop("nullable", False):
        yield {"type": "null"}
    choices = whole.pop("anyOf", None)
    if choices is not None:
        yield whole
        for choice in choices:
            yield from _flat(document, choice)
        return
    if whole.get("type") == "boolean" and whole.get("enum") == [False]:
        yield {"type": "boolean", "enum": [False]}
        # The other choice is told by what stands beside: fields, or the words of a text.
        whole.pop("type")
        whole.pop("enum")
    if whole.get("type") == "array" and "minItems" not in whole and "minLength" in whole:
        whole["minItems"] = whole.pop("minLength")
    yield whole


def main() -> int:
    """Print what is missing; `--write` also stores it as the new list."""
    lines = missing()
    print("\n".join(lines))
    if "--write" in sys.argv:
        MISSING.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    operations = sum(line.endswith(" operation") for line in lines)
    print(f"{len(lines)} facts missing, of them {operations} operations", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
