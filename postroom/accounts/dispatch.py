"""From the name of an operation to the answer's bytes, in the account's owner.

The one place where an operation that came over the rpc becomes a method call of the provider; the
names are those of `model/operations.py`, so nothing is registered here.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from postroom.clock import Deadline
from postroom.errors import InvalidInput
from postroom.model.operations import BY_NAME, Download, Operation
from postroom.model.wire import decode_packed, encode
from postroom.providers.interface import Answering


class Dispatch:
    """Answers operations by the provider that `answering_for` gives for an account.

    `answering_for` raises WorkerNotAvailable for an account that this worker does not hold.
    """

    def __init__(self, answering_for: Callable[[str], Answering]) -> None:
        self._answering_for = answering_for

    async def answer(
        self, account: str, name: str, body: bytes, deadline: Deadline
    ) -> bytes | Download:
        """JSON, or a download; `body` is the operation as MessagePack."""
        operation = _read(name, body)
        method = getattr(self._answering_for(account), name)
        answer = await method(operation, deadline)
        return answer if isinstance(answer, Download) else encode(answer)


def _read(name: str, body: bytes) -> Operation:
    kind = BY_NAME.get(name)
    if kind is None:
        raise InvalidInput(f"Unknown operation {name[:64]!r}", code="UnsupportedOperation")
    try:
        return decode_packed(body, kind)
    except msgspec.MsgspecError as error:
        raise InvalidInput(f"Malformed operation {name}") from error
