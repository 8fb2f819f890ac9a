"""The words that schemas describe input rules with (contract: the `x-` words of api.json).

A rule is a `msgspec.Meta` on a field's type, so that one declaration serves both the reader
(`reading.py` obeys it) and the OpenAPI document (`openapi.py` prints it). A field that may be left
out has the type `X | Unset` and the default `UNSET`; one that may be null has `X | None`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Unset = msgspec.UnsetType
UNSET = msgspec.UNSET

Case = Literal["lower", "upper"]
Cidr = Literal["forbidden", "optional"]
WEB = ("http", "https")
PROXY = ("http", "https", "socks", "socks4", "socks4a", "socks5")
# Contract X-EE-Timeout: two hours.
MAX_TIMEOUT_MS = 7_200_000
MAX_PAGE = 1_048_576
MAX_PAGE_SIZE = 1000
# Contract A10.
MAX_ACCOUNT_ID = 256


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """A JSON request body, or an object inside of one."""


class Shown(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A JSON answer, or an object inside of one."""


def text(
    max_length: int | None = None,
    *,
    min_length: int | None = None,
    pattern: str | None = None,
    trim: bool = False,
    case: Case | None = None,
    default: str | None = None,
) -> Meta:
    """Text of a bounded length; `default` documents a default that the handler works out."""
    extra: dict[str, Any] = {}
    if trim:
        extra["x-trim"] = True
    if case:
        extra["x-case"] = case
    if default:
        extra["x-default"] = default
    return Meta(
        min_length=min_length,
        max_length=max_length,
        pattern=pattern,
        extra_json_schema=extra or None,
    )


def uri(*schemes: str, trim: bool = False) -> Meta:
    """An absolute URI of one of the schemes."""
    extra: dict[str, Any] = {"format": "uri", "x-uri-schemes": list(schemes)}
    return Meta(extra_json_schema={**extra, "x-trim": True} if trim else extra)


def ip(cidr: Cidr, *, trim: bool = False) -> Meta:
    """An IP address, with `cidr` saying whether a network may stand for it."""
    extra: dict[str, Any] = {"format": "ip", "x-cidr": cidr}
    return Meta(extra_json_schema={**extra, "x-trim": True} if trim else extra)


def documented(**words: Any) -> Meta:
    """Words for the OpenAPI document; underscores become hyphens."""
    return Meta(extra_json_schema={name.replace("_", "-"): word for name, word in words.items()})


EMAIL = documented(format="email")
HOSTNAME = documented(format="hostname")
DATE_TIME = documented(format="date-time")
# A single value stands for a list of one.
SINGLE_ACCEPTED = documented(x_single_value_accepted=True)
# The literal false stands for "none".
OR_FALSE = documented(x_or_false=True)
# Never shown; the mask sent back is refused (invariant I26).
SECRET = documented(x_secret=True)

AccountId = Annotated[str, text(MAX_ACCOUNT_ID, trim=True)]
Email = Annotated[str, EMAIL]
HostName = Annotated[str, HOSTNAME]
DateTime = Annotated[str, DATE_TIME]
Url = Annotated[str, uri(*WEB)]
ProxyUrl = Annotated[str, uri(*PROXY)]
Port = Annotated[int, Meta(ge=1, le=65535)]
Text256 = Annotated[str, text(256)]
Text100 = Annotated[str, text(100)]
Text1024 = Annotated[str, text(1024)]


class Parameters(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Path, query and header parameters; a name of the route's path is a path parameter."""

    timeout_ms: (
        Annotated[int, Meta(ge=0, le=MAX_TIMEOUT_MS, extra_json_schema={"x-in": "header"})] | Unset
    ) = msgspec.field(name="x-ee-timeout", default=UNSET)


Page = Annotated[int, Meta(ge=0, le=MAX_PAGE)]
PageSize = Annotated[int, Meta(ge=1, le=MAX_PAGE_SIZE)]


class AccountParameters(Parameters, frozen=True, kw_only=True):
    """A route of one account."""

    account: AccountId


class PageParameters(Parameters, frozen=True, kw_only=True):
    """A route that answers pages (contract B1)."""

    page: Page = 0
    page_size: PageSize = 20


class AccountPageParameters(AccountParameters, frozen=True, kw_only=True):
    """A route of one account that answers pages."""

    page: Page = 0
    page_size: PageSize = 20
