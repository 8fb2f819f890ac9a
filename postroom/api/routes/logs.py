"""The protocol log of an account (contract Z2)."""

from __future__ import annotations

from postroom.api.answers import Reply, Stream
from postroom.api.route import Call, Media, Route
from postroom.api.rules import AccountParameters
from postroom.auth.access import Access
from postroom.store.protocol_log import ProtocolLogs

TEXT = "text/plain"


async def get_log(call: Call[AccountParameters, None]) -> Reply:
    """GET /v1/logs/{account}."""
    lines = ProtocolLogs(call.services.store).read(call.parameters.account)
    # Server text is somebody else's: no browser may take it for a page of ours.
    headers = {"x-content-type-options": "nosniff"}
    return Stream(lines, f"{TEXT}; charset=utf-8", headers)


ROUTES = (
    Route(
        method="GET",
        path="/v1/logs/{account}",
        operation_id="getV1LogsAccount",
        tag="Logs",
        summary="Read the protocol log of an account",
        description=(
            "What was said on the account's IMAP connections, oldest first, one JSON object a line "
            "with `time`, `connection`, `direction` (client, server, note) and `text`. Credentials "
            "are masked and literals are shortened. Lines are kept while the account's `logs` or "
            "the setting `logs.all` is on; an account without lines answers an empty text."
        ),
        access=Access("read", "logs"),
        parameters=AccountParameters,
        answer=Media(TEXT),
        handler=get_log,
        statuses=(),
    ),
)
