"""The error bodies by status (contract errors.md, Shape); `api.problems` makes them."""

from __future__ import annotations

from postroom.api.rules import UNSET, Shown, Unset


class WrongField(Shown, frozen=True, kw_only=True):
    """One wrong field of the input."""

    message: str
    key: str


class ErrorBody(Shown, frozen=True, kw_only=True):
    """What every error says."""

    status_code: int
    error: str
    message: str
    code: str | Unset = UNSET


class ValidationError(ErrorBody, frozen=True, kw_only=True):
    """400: the input is wrong."""

    fields: list[WrongField] | Unset = UNSET


class AuthenticationError(ErrorBody, frozen=True, kw_only=True):
    """401: the token is missing, unknown or expired."""


class AccessDeniedError(ErrorBody, frozen=True, kw_only=True):
    """403: the token may not do this."""

    requested_scope: str | Unset = UNSET
    required_permission: dict[str, str] | Unset = UNSET
    remote_address: str | Unset = UNSET


class NotFoundError(ErrorBody, frozen=True, kw_only=True):
    """404: what the request names does not exist."""


class UnprocessableError(ErrorBody, frozen=True, kw_only=True):
    """422: the account cannot do this."""


class RateLimitError(ErrorBody, frozen=True, kw_only=True):
    """429: too many requests."""

    ttl: int | Unset = UNSET


class InternalError(ErrorBody, frozen=True, kw_only=True):
    """500: a fault of the service."""

    details: str | Unset = UNSET


class ServiceUnavailableError(ErrorBody, frozen=True, kw_only=True):
    """503: the account is not usable now; `state` tells why."""

    state: str | Unset = UNSET


STATUSES: dict[int, type[ErrorBody]] = {
    400: ValidationError,
    401: AuthenticationError,
    403: AccessDeniedError,
    404: NotFoundError,
    422: UnprocessableError,
    429: RateLimitError,
    500: InternalError,
    503: ServiceUnavailableError,
}
