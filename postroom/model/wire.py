"""Values to bytes and back; the only place that knows what a Secret looks like when written.

`encode` masks secrets, so an answer, a log line or an event cannot leak one by accident.
Only the store writes them: `encode_record` hands each to the sealer it is given.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from postroom.model.secret import MASK, Secret

T = TypeVar("T")


def _mask(value: Any) -> Any:
    if isinstance(value, Secret):
        return MASK
    raise NotImplementedError(f"cannot encode {type(value).__name__}")


_masking = msgspec.json.Encoder(enc_hook=_mask)


def encode(value: Any) -> bytes:
    """`value` as JSON; secrets show as six asterisks."""
    return _masking.encode(value)


def encode_record(value: Any, seal: Callable[[str], str]) -> bytes:
    """`value` as JSON for the store, each secret written as `seal(text)`."""

    def hook(item: Any) -> Any:
        return seal(item.reveal()) if isinstance(item, Secret) else _mask(item)

    return msgspec.json.encode(value, enc_hook=hook)


def decode_record(raw: bytes, kind: type[T], unseal: Callable[[str], str]) -> T:
    """The `kind` that `encode_record` wrote; raises what `unseal` raises, or ValidationError."""

    def hook(wanted: type, item: Any) -> Any:
        if wanted is Secret:
            return Secret(unseal(item))
        raise NotImplementedError(f"cannot decode {wanted.__name__}")

    return msgspec.json.decode(raw, type=kind, dec_hook=hook)


def encode_packed(value: Any) -> bytes:
    """`value` as MessagePack, for calls between our own processes (bytes stay bytes)."""
    return msgspec.msgpack.encode(value, enc_hook=_mask)


def decode_packed(raw: bytes, kind: type[T]) -> T:
    """The `kind` that `encode_packed` wrote."""
    return msgspec.msgpack.decode(raw, type=kind)
