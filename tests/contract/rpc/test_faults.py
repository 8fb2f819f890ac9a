"""Every error class survives the wire: identity, code, status, text, extra and log fields."""

from __future__ import annotations

import pytest

import postroom.errors
from postroom.errors import FieldProblem, InvalidInput, NotFound, PostroomError
from postroom.rpc.faults import decode_fault, encode_fault

CLASSES = [
    kind
    for kind in vars(postroom.errors).values()
    if isinstance(kind, type) and issubclass(kind, PostroomError)
]


def fields(error: PostroomError) -> tuple[object, ...]:
    return (
        type(error),
        str(error),
        error.text,
        error.public_code,
        error.http_status,
        error.temporary,
        error.extra,
        error.log,
    )


def crossed(error: PostroomError) -> PostroomError:
    return decode_fault(encode_fault(error))


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_arrives_as_itself_with_its_defaults(kind: type[PostroomError]) -> None:
    error = kind("Something \u2603 happened")
    assert fields(crossed(error)) == fields(error)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_every_class_arrives_with_fields_of_its_own(kind: type[PostroomError]) -> None:
    error = kind("x")
    error.public_code, error.http_status, error.temporary = "OTHER", 418, not error.temporary
    error.extra = {"state": "init", "ttl": 3, "nested": {"list": [1, None, "x"]}}
    error.log = {"host": "mx", "raw": b"\x00\xff"}
    assert fields(crossed(error)) == fields(error)


def test_a_code_taken_away_stays_away() -> None:
    error = NotFound("x")
    error.public_code = None
    assert crossed(error).public_code is None


def test_the_named_fields_of_invalid_input_arrive() -> None:
    error = InvalidInput(fields=[FieldProblem("imap.port", "must be a number")])
    assert crossed(error).extra == {"fields": [{"message": "must be a number", "key": "imap.port"}]}


def test_a_class_the_reader_does_not_know_arrives_as_its_nearest_known_ancestor() -> None:
    class Elsewhere(NotFound):
        code = "Elsewhere"

    raw = encode_fault(Elsewhere("gone")).replace(b"Elsewhere", b"Elsewhexx", 1)
    arrived = decode_fault(raw)
    assert type(arrived) is NotFound
    assert arrived.public_code == "Elsewhere"


def test_a_log_value_without_a_packed_form_arrives_as_its_representation() -> None:
    assert crossed(PostroomError("x", log={"why": ValueError("y")})).log == {
        "why": "ValueError('y')"
    }


@pytest.mark.parametrize("raw", [b"", b"<html>", b"\x90", b"\xc1", b"\x97" + b"\xc0" * 7])
def test_bytes_that_are_no_fault_give_a_plain_error(raw: bytes) -> None:
    error = decode_fault(raw)
    assert type(error) is PostroomError
    assert error.http_status == 500
