"""From plain JSON values to a schema's Struct, naming every wrong field.

One pass converts (numbers and booleans in text, a single value for a list), normalises (trim,
case, dates to UTC) and checks. msgspec's own decoder stops at the first wrong field, knows
no trimming and no formats, so it only parses the JSON; the rules are obeyed here, once. The checks
of a Struct are compiled from its type hints at first use and kept. Linear in the input: nesting
goes only as deep as the schema does, and free-form values are passed on unread (invariant I28).
"""

from __future__ import annotations

import enum
import functools
import math
import re
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from postroom.api import formats
from postroom.errors import FieldProblem, InvalidInput
from postroom.model.secret import MASK

T = TypeVar("T")
Rules = dict[str, Any]
# More problems than a person fixes in one go; keeps the answer to a hostile body small.
MAX_PROBLEMS = 100
# Texts of numbers longer than this are no numbers; int() of long text is quadratic (I28).
MAX_NUMBER_TEXT = 32
_WHOLE = re.compile(r"[+-]?\d+")
# The largest integer that every JSON reader keeps exactly (RFC 8259 section 6).
MAX_SAFE = 2**53 - 1
_TRUE = frozenset({"true", "1", "yes", "y"})
_FALSE = frozenset({"false", "0", "no", "n"})


class Problems(list[FieldProblem]):
    """The wrong fields found so far."""

    def add(self, key: str, text: str) -> None:
        """Note that the field `key` is wrong: `text` completes the sentence."""
        if len(self) < MAX_PROBLEMS:
            self.append(FieldProblem(key, f'"{key}" {text}' if key else f"The body {text}"))


Check = Callable[[Any, str, Problems], Any]


def read(kind: type[T], value: Any) -> T:
    """The `kind` that `value` describes. Raises InvalidInput naming every wrong field."""
    found = Problems()
    result = checker(kind)(value, "", found)
    if found:
        raise InvalidInput(fields=list(found))
    return typing.cast(T, result)


def checker(hint: Any) -> Check:
    """The check of a type, built once."""
    return _built(hint)


@functools.cache
def _built(hint: Any) -> Check:
    return _compile(hint, {})


def _compile(hint: Any, rules: Rules) -> Check:
    if get_origin(hint) is Annotated:
        inner, *metas = get_args(hint)
        return _compile(inner, {**_rules_of(metas), **rules})
    if get_origin(hint) in (types.UnionType, typing.Union):
        return _compile_union(get_args(hint), rules)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        return _struct(hint)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice(tuple(hint), rules)
    if get_origin(hint) in (list, tuple):
        return _list(_compile(get_args(hint)[0], {}), rules)
    if get_origin(hint) is dict:
        return _mapping(_compile(get_args(hint)[1], {}))
    if get_origin(hint) is typing.Literal:
        return _choice(get_args(hint), rules)
    return _SIMPLE[hint](rules)


def _rules_of(metas: list[Any]) -> Rules:
    rules: Rules = {}
    for meta in metas:
        if isinstance(meta, msgspec.Meta):
            named = ("ge", "le", "min_length", "max_length", "pattern")
            rules |= {k: getattr(meta, k) for k in named if getattr(meta, k) is not None}
            rules |= meta.extra_json_schema or {}
    return rules


def _compile_union(members: tuple[Any, ...], rules: Rules) -> Check:
    is_nullable = type(None) in members
    is_or_false = bool(rules.get("x-or-false"))
    wanted = [
        member
        for member in members
        if member not in (type(None), msgspec.UnsetType) and not (is_or_false and member is bool)
    ]
    if len(wanted) != 1:
        raise TypeError(f"a field has one type beside null and false: {members}")
    inner_rules = {name: rule for name, rule in rules.items() if name != "x-or-false"}
    inner = _compile(wanted[0], inner_rules)

    def check(value: Any, key: str, found: Problems) -> Any:
        if value is None and is_nullable:
            return None
        if is_or_false and (value is False or value == "false"):
            return False
        return inner(value, key, found)

    return check


@dataclass(frozen=True, slots=True)
class _Field:
    attribute: str
    check: Check


def _struct(kind: type[msgspec.Struct]) -> Check:
    hints = typing.get_type_hints(kind, include_extras=True)
    declared = msgspec.structs.fields(kind)
    fields = {
        field.encode_name: _Field(field.name, _compile(hints[field.name], {})) for field in declared
    }
    required = [field.encode_name for field in declared if field.required]

    def check(value: Any, key: str, found: Problems) -> Any:
        if not isinstance(value, dict):
            return found.add(key, "must be an object")
        before = len(found)
        prefix = f"{key}." if key else ""
        given = {}
        for name, raw in value.items():
            field = fields.get(name)
            if field is None:
                found.add(f"{prefix}{name}"[:1024], "is not allowed")
            else:
                given[field.attribute] = field.check(raw, prefix + name, found)
        for name in required:
            if name not in value:
                found.add(prefix + name, "is required")
        return kind(**given) if len(found) == before else None

    return check


def _list(item: Check, rules: Rules) -> Check:
    takes_single = bool(rules.get("x-single-value-accepted"))
    least = rules.get("min_length", 0)
    most = rules.get("max_length")

    def check(value: Any, key: str, found: Problems) -> Any:
        if takes_single and not isinstance(value, list):
            value = [value]
        if not isinstance(value, list):
            return found.add(key, "must be a list")
        if len(value) < least:
            return found.add(key, f"must have at least {least} entries")
        if most is not None and len(value) > most:
            return found.add(key, f"must have at most {most} entries")
        return [item(raw, f"{key}.{position}", found) for position, raw in enumerate(value)]

    return check


def _mapping(item: Check) -> Check:
    def check(value: Any, key: str, found: Problems) -> Any:
        if not isinstance(value, dict):
            return found.add(key, "must be an object")
        return {name: item(raw, f"{key}.{name}", found) for name, raw in value.items()}

    return check


def _text(rules: Rules) -> Check:
    longest, shortest = rules.get("max_length"), rules.get("min_length")
    pattern = re.compile(rules["pattern"]) if "pattern" in rules else None
    in_format = formats.for_rules(rules)
    is_trimmed, case = rules.get("x-trim"), rules.get("x-case")
    is_secret = bool(rules.get("x-secret"))

    def normal(value: str) -> str:
        if is_trimmed:
            value = value.strip()
        return value if case is None else value.lower() if case == "lower" else value.upper()

    def problem(value: str) -> str | None:
        if longest is not None and len(value) > longest:
            return f"must have at most {longest} characters"
        if shortest is not None and len(value) < shortest:
            return f"must have at least {shortest} characters"
        if pattern is not None and not pattern.search(value):
            return f"must match {pattern.pattern}"
        return "must be the secret itself, not its mask" if is_secret and value == MASK else None

    def check(value: Any, key: str, found: Problems) -> Any:
        if not isinstance(value, str):
            return found.add(key, "must be text")
        value = normal(value)
        wrong = problem(value)
        if wrong:
            return found.add(key, wrong)
        try:
            return in_format(value) if in_format else value
        except ValueError as error:
            return found.add(key, str(error))

    return check


def _number(rules: Rules, parse: Callable[[Any], float], kind: str) -> Check:
    least, most = rules.get("ge"), rules.get("le")

    def check(value: Any, key: str, found: Problems) -> Any:
        try:
            number = parse(value)
        except (ValueError, TypeError):
            return found.add(key, f"must be {kind}")
        if least is not None and number < least:
            return found.add(key, f"must be at least {least}")
        if most is not None and number > most:
            return found.add(key, f"must be at most {most}")
        return number

    return check


def _parse_whole(value: Any) -> int:
    if isinstance(value, str) and len(value) <= MAX_NUMBER_TEXT:
        value = value.strip()
        value = int(value) if _WHOLE.fullmatch(value) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > MAX_SAFE:
        raise ValueError
    return value


def _parse_real(value: Any) -> float:
    if isinstance(value, bool) or (isinstance(value, str) and len(value) > MAX_NUMBER_TEXT):
        raise ValueError
    number = float(value)
    if not math.isfinite(number):
        raise ValueError
    return number


def _boolean(_rules: Rules) -> Check:
    def check(value: Any, key: str, found: Problems) -> Any:
        if isinstance(value, bool):
            return value
        word = str(value).strip().lower() if isinstance(value, str | int) else ""
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        return found.add(key, "must be true or false")

    return check


def _choice(choices: tuple[Any, ...], rules: Rules) -> Check:
    as_text = _text({name: rule for name, rule in rules.items() if name.startswith("x-")})
    named = ", ".join(str(choice) for choice in choices)

    def check(value: Any, key: str, found: Problems) -> Any:
        chosen = as_text(value, key, Problems()) if isinstance(value, str) else value
        if chosen in choices:
            return choices[choices.index(chosen)]
        return found.add(key, f"must be one of {named}")

    return check


def _anything(_rules: Rules) -> Check:
    return lambda value, _key, _found: value


_SIMPLE: dict[Any, Callable[[Rules], Check]] = {
    str: _text,
    int: lambda rules: _number(rules, _parse_whole, "a whole number"),
    float: lambda rules: _number(rules, _parse_real, "a number"),
    bool: _boolean,
    Any: _anything,
}
