"""Every error class of ours renders to the one public shape (contract errors.md)."""

from __future__ import annotations

import inspect

import msgspec
import pytest

from postroom import errors
from postroom.api.problems import problem_of
from postroom.errors import FieldProblem, InvalidInput, PostroomError

KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, PostroomError)
]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_an_error_says_status_phrase_message_and_code(kind: type[PostroomError]) -> None:
    error = kind("Something went wrong")
    answer = problem_of(error)
    body = msgspec.json.decode(answer.body)
    assert answer.status == body["statusCode"] == error.http_status
    assert body["message"] == "Something went wrong"
    assert body["error"]
    assert body.get("code") == error.public_code
    assert set(body) <= {"statusCode", "error", "message", "code"}


def test_what_is_for_the_log_never_reaches_the_answer() -> None:
    error = PostroomError("Sorry", log={"password": "canary"}, extra={"state": "init"})
    body = problem_of(error).body
    assert b"canary" not in body
    assert msgspec.json.decode(body)["state"] == "init"


def test_wrong_fields_are_listed_with_key_and_message() -> None:
    error = InvalidInput(fields=[FieldProblem("imap.port", '"imap.port" must be a number')])
    assert msgspec.json.decode(problem_of(error).body) == {
        "statusCode": 400,
        "error": "Bad Request",
        "message": "Invalid input",
        "fields": [{"key": "imap.port", "message": '"imap.port" must be a number'}],
    }


def test_a_rate_limit_tells_the_wait_in_body_and_headers() -> None:
    error = errors.TooManyRequests("Slow down", extra={"ttl": 7, "limit": 20})
    answer = problem_of(error)
    assert msgspec.json.decode(answer.body)["ttl"] == 7
    assert answer.headers == {"x-ratelimit-limit": "20", "x-ratelimit-reset": "7"}
