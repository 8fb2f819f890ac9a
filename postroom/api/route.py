"""A route as one literal value, and what its handler is called with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import msgspec

from postroom.api.answers import Reply
from postroom.api.rules import Body, Parameters
from postroom.api.services import ApiServices
from postroom.auth.access import Access
from postroom.clock import Deadline
from postroom.model.token import TokenRecord

P = TypeVar("P", bound=Parameters)
B = TypeVar("B")
Method = Literal["GET", "POST", "PUT", "DELETE"]


@dataclass(frozen=True, slots=True)
class Call(Generic[P, B]):
    """One admitted request with its checked input."""

    services: ApiServices
    parameters: P
    body: B
    deadline: Deadline
    # None when token checks are off and the caller sent none.
    token: TokenRecord | None
    # The client's address as far as it is known.
    address: str | None


Handler = Callable[[Call[Any, Any]], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Media:
    """An answer that is no JSON: its content type."""

    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One operation of the REST interface; `path` has its parameters in braces."""

    method: Method
    path: str
    operation_id: str
    tag: str
    summary: str
    description: str
    access: Access
    parameters: type[Parameters]
    body: type[Body] | None = None
    answer: type[msgspec.Struct] | Media
    handler: Handler
    # Statuses beyond those that every route may answer.
    statuses: tuple[int, ...] = (404,)
    # Bodies of submit and upload carry messages.
    has_large_body: bool = False
    # A body to start from on the reference page.
    example: Any = None
    # "GET /v1/tokens": this is an old path of that operation, kept for old clients.
    alias_of: str | None = None

    @property
    def path_parameters(self) -> tuple[str, ...]:
        """The names in braces, in order."""
        parts = self.path.split("/")
        return tuple(part[1:-1] for part in parts if part.startswith("{"))
