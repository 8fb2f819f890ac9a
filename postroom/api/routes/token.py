"""Access tokens: issue, list, show, delete; the old paths serve the same handlers (contract N)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from postroom.api.answers import Reply, answer
from postroom.api.route import Call, Route
from postroom.api.rules import UNSET, Parameters
from postroom.api.schemas.token import (
    AccountTokensParameters,
    CreateToken,
    LastUse,
    PermissionsView,
    RateLimitView,
    RestrictionsView,
    TokenCreated,
    TokenDeleted,
    TokenList,
    TokenListParameters,
    TokenParameters,
    TokenView,
)
from postroom.auth.access import Access
from postroom.clock import iso, parse_iso
from postroom.errors import FieldProblem, InvalidInput, NotFound
from postroom.model.token import TokenPermissions, TokenRecord, TokenRestrictions

TAG = "Access Tokens"


async def create_token(call: Call[Parameters, CreateToken]) -> Reply:
    """POST /v1/tokens; only a bound or a narrowed token may be made here (contract N2)."""
    body = call.body
    _check(body, call.services.clock.now_ms())
    if body.account:
        await call.services.accounts.get(body.account)
    value = await call.services.tokens.issue(_record(body, call.address))
    issued = await call.services.tokens.find_by_value(value)
    return answer(TokenCreated(token=value, id=issued.id if issued else ""))


async def list_tokens(call: Call[TokenListParameters, None]) -> Reply:
    """GET /v1/tokens."""
    asked = call.parameters
    page = await call.services.tokens.list(
        page=asked.page,
        page_size=asked.page_size,
        account=asked.account or None,
        query=asked.query or "",
    )
    return answer(
        TokenList(
            account=asked.account,
            total=page.total,
            page=asked.page,
            pages=page.pages,
            tokens=[view(record) for record in page.items],
        )
    )


async def list_account_tokens(call: Call[AccountTokensParameters, None]) -> Reply:
    """GET /v1/tokens/account/{account}: all at once (contract N9)."""
    account = call.parameters.account
    page = await call.services.tokens.list(account=account, page_size=_ALL)
    return answer(TokenList(tokens=[view(record) for record in page.items]))


async def get_token(call: Call[TokenParameters, None]) -> Reply:
    """GET /v1/tokens/{token}, by value or id."""
    record = await call.services.tokens.find(call.parameters.token)
    if record is None:
        raise NotFound("Token was not found")
    return answer(view(record))


async def delete_token(call: Call[TokenParameters, None]) -> Reply:
    """DELETE /v1/tokens/{token}, by value or id."""
    deleted = await call.services.tokens.delete(call.parameters.token)
    return answer(TokenDeleted(deleted=deleted))


# The old listing has no pages; nobody binds so many tokens to one account.
_ALL = 100_000


def view(record: TokenRecord) -> TokenView:
    """A token as the interface shows it: everything but its value."""
    return TokenView(
        account=_given(record.account),
        description=record.description,
        metadata=_given(record.metadata),
        ip=_given(record.ip),
        remote_address=_given(record.remote_address),
        scopes=list(record.scopes),
        restrictions=_restrictions(record.restrictions),
        permissions=_permissions(record.permissions),
        created=iso(record.created_ms),
        expires=_given(record.expires),
        access=LastUse(time=record.access.time, ip=record.access.ip),
        id=record.id,
    )


def _check(body: CreateToken, now_ms: int) -> None:
    problems = []
    if not body.account and not body.permissions:
        text = '"account" or "permissions" is required'
        problems.append(FieldProblem("account", text))
    if body.permissions and not (body.permissions.actions or body.permissions.groups):
        text = '"permissions" must name actions or groups'
        problems.append(FieldProblem("permissions", text))
    if not body.scopes:
        problems.append(FieldProblem("scopes", '"scopes" must have at least 1 entry'))
    if body.expires and parse_iso(body.expires) <= now_ms:
        raise InvalidInput(
            fields=[FieldProblem("expires", '"expires" must be in the future')],
            code="InvalidExpiry",
        )
    problems += _rate_problems(body)
    if problems:
        raise InvalidInput(fields=problems)


def _rate_problems(body: CreateToken) -> list[FieldProblem]:
    limit = body.restrictions.rate_limit if body.restrictions else None
    if limit is None:
        return []
    given = {"maxRequests": limit.max_requests, "timeWindow": limit.time_window}
    keys = [f"restrictions.rateLimit.{name}" for name, value in given.items() if not value]
    return [FieldProblem(key, f'"{key}" is required') for key in keys]


def _record(body: CreateToken, address: str | None) -> TokenRecord:
    return TokenRecord(
        description=body.description,
        scopes=tuple(body.scopes),
        account=body.account or None,
        permissions=_convert(body.permissions, TokenPermissions),
        restrictions=_convert(body.restrictions, TokenRestrictions),
        metadata=body.metadata or None,
        expires=body.expires or None,
        ip=body.ip or None,
        remote_address=address,
    )


def _convert(body: Any, kind: type[Any]) -> Any:
    return msgspec.convert(msgspec.to_builtins(body), kind) if body else None


def _restrictions(stored: TokenRestrictions | None) -> Any:
    if stored is None:
        return UNSET
    limit = stored.rate_limit
    return RestrictionsView(
        referrers=list(stored.referrers) if stored.referrers else None,
        addresses=list(stored.addresses) if stored.addresses else None,
        rate_limit=(
            RateLimitView(max_requests=limit.max_requests, time_window=limit.time_window)
            if limit
            else None
        ),
    )


def _permissions(stored: TokenPermissions | None) -> Any:
    if stored is None:
        return UNSET
    return PermissionsView(
        actions=list(stored.actions) if stored.actions else UNSET,
        groups=list(stored.groups) if stored.groups else UNSET,
    )


def _given(value: Any) -> Any:
    return UNSET if value is None else value


_CLOSED = Access("write", "admin", is_open_to_narrowed=False, bound=False)

_CREATE = Route(
    method="POST",
    path="/v1/tokens",
    operation_id="postV1Tokens",
    tag=TAG,
    summary="Issue a token",
    description=(
        "Makes a token that is bound to an account or narrowed to some permissions. Its value is "
        "in the answer and nowhere else: only a hash is stored."
    ),
    access=_CLOSED,
    parameters=Parameters,
    body=CreateToken,
    example={"description": "my app", "scopes": ["api"], "account": "example"},
    answer=TokenCreated,
    handler=create_token,
)
_LIST = Route(
    method="GET",
    path="/v1/tokens",
    operation_id="getV1Tokens",
    tag=TAG,
    summary="List tokens",
    description="A page of tokens, newest first, without their values.",
    access=Access("read", "admin", is_open_to_narrowed=False, bound="own-only"),
    parameters=TokenListParameters,
    answer=TokenList,
    handler=list_tokens,
    statuses=(),
)
_DELETE = Route(
    method="DELETE",
    path="/v1/tokens/{token}",
    operation_id="deleteV1TokensToken",
    tag=TAG,
    summary="Delete a token",
    description="Ends a token at once; it is named by its value or its id.",
    access=replace(_CLOSED, action="destructive"),
    parameters=TokenParameters,
    answer=TokenDeleted,
    handler=delete_token,
    statuses=(),
)

ROUTES = (
    _CREATE,
    _LIST,
    Route(
        method="GET",
        path="/v1/tokens/{token}",
        operation_id="getV1TokensToken",
        tag=TAG,
        summary="Show a token",
        description="One token without its value; it is named by its value or its id.",
        access=replace(_CLOSED, action="read"),
        parameters=TokenParameters,
        answer=TokenView,
        handler=get_token,
    ),
    _DELETE,
    replace(_CREATE, path="/v1/token", operation_id="postV1Token", alias_of="POST /v1/tokens"),
    replace(
        _DELETE,
        path="/v1/token/{token}",
        operation_id="deleteV1TokenToken",
        alias_of="DELETE /v1/tokens/{token}",
    ),
    replace(
        _LIST,
        path="/v1/tokens/account/{account}",
        operation_id="getV1TokensAccountAccount",
        summary="List the tokens of an account",
        description="All tokens that are bound to an account.",
        parameters=AccountTokensParameters,
        handler=list_account_tokens,
        alias_of="GET /v1/tokens",
    ),
)
