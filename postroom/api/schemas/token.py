"""Access tokens (contract N2 to N9)."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta

from postroom.api.rules import (
    SINGLE_ACCEPTED,
    UNSET,
    AccountId,
    AccountParameters,
    Body,
    DateTime,
    PageParameters,
    Parameters,
    Shown,
    Unset,
    documented,
    ip,
    text,
)
from postroom.model.token import TokenAction, TokenGroup

HEX = "^[a-fA-F0-9]+$"
TokenText = Annotated[str, text(64, min_length=64, pattern=HEX)]
ShownIp = Annotated[str, documented(format="ip")]
ClientIp = Annotated[str, ip("forbidden", trim=True)]


class RateLimitBody(Body, frozen=True, kw_only=True):
    """At most so many requests in each window of so many seconds."""

    max_requests: Annotated[int, Meta(ge=1)] | Unset = UNSET
    time_window: Annotated[int, Meta(ge=1)] | Unset = UNSET


class RestrictionsBody(Body, frozen=True, kw_only=True):
    """Where a token may be used from (contract N6)."""

    referrers: Annotated[list[str] | None, SINGLE_ACCEPTED] = None
    addresses: Annotated[list[Annotated[str, ip("optional")]] | None, SINGLE_ACCEPTED] = None
    rate_limit: RateLimitBody | None = None


class PermissionsBody(Body, frozen=True, kw_only=True):
    """What a token may do; a missing axis is unrestricted (contract N5)."""

    actions: Annotated[list[TokenAction], Meta(min_length=1), SINGLE_ACCEPTED] | Unset = UNSET
    groups: Annotated[list[TokenGroup], Meta(min_length=1), SINGLE_ACCEPTED] | Unset = UNSET


class CreateToken(Body, frozen=True, kw_only=True):
    """A token to issue."""

    account: AccountId | Unset = UNSET
    description: Annotated[str, text(1024, trim=True)]
    scopes: Annotated[
        list[Literal["api", "smtp", "imap-proxy", "mcp"]],
        SINGLE_ACCEPTED,
        documented(default=["api"]),
    ]
    metadata: Annotated[str, text(1_048_576)] | Unset = UNSET
    restrictions: RestrictionsBody | Unset | None = UNSET
    permissions: PermissionsBody | Unset | None = UNSET
    expires: DateTime | Unset = UNSET
    ip: ClientIp | Unset = UNSET


class TokenCreated(Shown, frozen=True, kw_only=True):
    """The value of a new token; it is shown this once."""

    token: TokenText
    id: TokenText


class RateLimitView(Shown, frozen=True, kw_only=True):
    """At most so many requests in each window of so many seconds."""

    max_requests: int
    time_window: int


class RestrictionsView(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """Where a token may be used from."""

    referrers: list[str] | None = None
    addresses: list[ShownIp] | None = None
    rate_limit: RateLimitView | None = None


class PermissionsView(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """What a token may do."""

    actions: list[TokenAction] | Unset = UNSET
    groups: list[TokenGroup] | Unset = UNSET


class LastUse(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """When and from where a token was used last, to the minute."""

    time: DateTime | None = None
    ip: ShownIp | None = None


class TokenView(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """A token without its value."""

    account: str | Unset | None = UNSET
    description: str | Unset = UNSET
    metadata: str | Unset = UNSET
    ip: ShownIp | Unset = UNSET
    remote_address: ShownIp | Unset = UNSET
    scopes: list[str]
    restrictions: RestrictionsView | Unset | None = UNSET
    permissions: PermissionsView | Unset | None = UNSET
    created: DateTime
    expires: DateTime | Unset = UNSET
    access: LastUse | Unset = UNSET
    id: TokenText


class TokenList(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """A page of tokens."""

    account: str | Unset | None = UNSET
    total: int | Unset = UNSET
    page: int | Unset = UNSET
    pages: int | Unset = UNSET
    tokens: list[TokenView]


class TokenDeleted(Shown, frozen=True, kw_only=True, omit_defaults=False):
    deleted: bool = True


class TokenParameters(Parameters, frozen=True, kw_only=True):
    token: TokenText


class TokenListParameters(PageParameters, frozen=True, kw_only=True):
    query: Annotated[str, text(1024, trim=True)] | Unset = UNSET
    account: AccountId | Unset = UNSET


class AccountTokensParameters(AccountParameters, frozen=True, kw_only=True):
    """The old path of an account's tokens."""
