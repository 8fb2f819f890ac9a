"""Our errors as bytes and back, without loss.

What crosses is every field of `PostroomError` and the names of the error's classes, nearest first.
The reading end takes the first class it knows, so a subclass that only the other process has
loaded arrives as its nearest known ancestor and keeps all its fields. Values that MessagePack has
no form for (only `log` may hold such) cross as their representation.
"""

from __future__ import annotations

from typing import Any

import msgspec

from postroom.errors import PostroomError


class Fault(msgspec.Struct, frozen=True, array_like=True):
    """One error on the wire."""

    kinds: list[str]
    text: str
    code: str | None
    status: int
    temporary: bool
    extra: dict[str, Any]
    log: dict[str, Any]


def encode_fault(error: PostroomError) -> bytes:
    """`error` as bytes."""
    fault = Fault(
        [_name(kind) for kind in type(error).__mro__ if issubclass(kind, PostroomError)],
        error.text,
        error.public_code,
        error.http_status,
        error.temporary,
        error.extra,
        error.log,
    )
    return msgspec.msgpack.encode(fault, enc_hook=repr)


def decode_fault(raw: bytes) -> PostroomError:
    """The error that `encode_fault` wrote; bytes that are no fault give a plain PostroomError."""
    try:
        fault = msgspec.msgpack.decode(raw, type=Fault)
    except msgspec.MsgspecError:
        return PostroomError("A worker failed", log={"fault": raw[:200]})
    kind = _known(fault.kinds)
    # Subclasses have constructors of their own; the fields are what makes the error.
    error = kind.__new__(kind)
    PostroomError.__init__(error, fault.text, extra=fault.extra, log=fault.log)
    error.public_code = fault.code
    error.http_status = fault.status
    error.temporary = fault.temporary
    return error


def _name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _known(names: list[str]) -> type[PostroomError]:
    known = {_name(kind): kind for kind in _family(PostroomError)}
    return next((known[name] for name in names if name in known), PostroomError)


def _family(kind: type[PostroomError]) -> list[type[PostroomError]]:
    return [kind, *(found for child in kind.__subclasses__() for found in _family(child))]
