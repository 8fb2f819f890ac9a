"""An access token as it is stored: everything but its value (contract A10, N2 to N7)."""

from __future__ import annotations

from typing import Literal

import msgspec

from postroom.model.value import Timestamp, Value

TokenScope = Literal["*", "api", "metrics", "smtp", "imap-proxy", "mcp"]
# Contract config.md 4: the scopes that the command line may give.
TOKEN_SCOPES: tuple[TokenScope, ...] = ("*", "api", "metrics", "smtp", "imap-proxy", "mcp")
TokenAction = Literal["read", "write", "send", "destructive"]
TokenGroup = Literal[
    "account",
    "mailbox",
    "message",
    "submit",
    "outbox",
    "export",
    "template",
    "blocklist",
    "webhook",
    "gateway",
    "events",
    "diagnostics",
    "logs",
]


class RateLimit(Value, frozen=True, kw_only=True, omit_defaults=False):
    """At most `max_requests` in each window of `time_window` seconds (N6)."""

    max_requests: int
    time_window: int


class TokenRestrictions(Value, frozen=True, kw_only=True):
    """Where a token may be used from; None (or false on input) is no restriction."""

    referrers: tuple[str, ...] | Literal[False] | None = None
    addresses: tuple[str, ...] | Literal[False] | None = None
    rate_limit: RateLimit | Literal[False] | None = None


class TokenPermissions(Value, frozen=True, kw_only=True):
    """What a token may do; a missing axis is unrestricted (N5)."""

    actions: tuple[TokenAction, ...] | None = None
    groups: tuple[TokenGroup, ...] | None = None


class TokenAccess(Value, frozen=True, kw_only=True, omit_defaults=False):
    """The last use."""

    time: Timestamp | None = None
    ip: str | None = None


class TokenRecord(Value, frozen=True, kw_only=True):
    """One token; `id` is empty until `Tokens.issue` made the value that it is the hash of."""

    id: str = ""
    # Milliseconds since 1970.
    created_ms: int = 0
    description: str = ""
    scopes: tuple[str, ...] = ("*",)
    account: str | None = None
    permissions: TokenPermissions | None = None
    restrictions: TokenRestrictions | None = None
    # JSON text of the caller's own.
    metadata: str | None = None
    expires: Timestamp | None = None
    # The address that asked for the token, as the caller stated it and as it was seen.
    ip: str | None = None
    remote_address: str | None = None
    access: TokenAccess = msgspec.field(default_factory=TokenAccess)
