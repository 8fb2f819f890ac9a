"""Every error Postroom raises on purpose, declared once (floor F0, anyone may import it).

What is true here: an error has a stable public `code`, an HTTP `status`, whether it is temporary,
and a text that is safe to show to a stranger. `extra` holds further public fields of the answer
body (contract errors.md: `fields`, `state`, `ttl`, ...); `log` holds details for the log only and
never leaves the process in an answer. Library errors are turned into these at the edge that calls
the library (`net`, `store`, `providers`); these become HTTP in `api/problems.py`.
An error crosses the rpc without loss: `rpc/faults.py` writes and reads exactly these fields.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar


class PostroomError(Exception):
    """Any failure with a stable public shape; subclasses give the defaults."""

    status: ClassVar[int] = 500
    code: ClassVar[str | None] = None
    is_temporary: ClassVar[bool] = False

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        status: int | None = None,
        is_temporary: bool | None = None,
        extra: Mapping[str, Any] | None = None,
        log: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(text)
        kind = type(self)
        self.text = text
        self.public_code = code if code is not None else kind.code
        self.http_status = status if status is not None else kind.status
        self.temporary = is_temporary if is_temporary is not None else kind.is_temporary
        self.extra: dict[str, Any] = dict(extra or {})
        self.log: dict[str, Any] = dict(log or {})


class FieldProblem(dict[str, str]):
    """One wrong input field as the answer shows it: `{"message": ..., "key": ...}`."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(message=message, key=key)


class InvalidInput(PostroomError):
    """400: the caller's input is wrong; `extra["fields"]` names every wrong field."""

    status = 400

    def __init__(
        self,
        text: str = "Invalid input",
        *,
        fields: list[FieldProblem] | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(text, code=code, extra={"fields": fields} if fields else None)


class Unauthorized(PostroomError):
    """401: token missing, malformed, unknown or expired."""

    status = 401


class Forbidden(PostroomError):
    """403: the token may not do this."""

    status = 403


class NotFound(PostroomError):
    """404: the thing named in the request does not exist."""

    status = 404
    code = "NotFound"


class AccountNotFound(NotFound):
    code = "AccountNotFound"


class MessageNotFound(NotFound):
    code = "MessageNotFound"


class MailboxNotFound(NotFound):
    code = "NotFound"


class ReferenceNotFound(NotFound):
    code = "ReferenceNotFound"


class SendingUnavailable(NotFound):
    """404: the account has no way to send (contract F15)."""

    code = "SMTPUnavailable"


class PayloadTooLarge(PostroomError):
    status = 413
    code = "MessageTooLarge"


class Unprocessable(PostroomError):
    status = 422


class TooManyRequests(PostroomError):
    status = 429
    is_temporary = True


class Refused(PostroomError):
    """400: the mail server refused a command; `code` is its response code (contract E3)."""

    status = 400


class UploadFailed(PostroomError):
    status = 502
    code = "UploadFail"


class AccountUnusable(PostroomError):
    """503: the account's state does not allow calls; `extra["state"]` tells it (contract J2)."""

    status = 503
    is_temporary = True


class WorkerNotAvailable(PostroomError):
    """503: no live worker holds the account (contract U3)."""

    status = 503
    code = "WorkerNotAvailable"
    is_temporary = True


class ConnectionUnavailable(PostroomError):
    """503: no usable IMAP connection."""

    status = 503
    code = "IMAPUnavailable"
    is_temporary = True


class ConnectionClosing(PostroomError):
    """503: the connection went away during the call."""

    status = 503
    code = "IMAPConnectionClosing"
    is_temporary = True


class StoreUnavailable(PostroomError):
    """503: the store does not answer; the call may be repeated."""

    status = 503
    code = "StoreUnavailable"
    is_temporary = True


class DeadlineExceeded(PostroomError):
    """504: no answer in time (contract U3)."""

    status = 504
    code = "Timeout"
    is_temporary = True


class SealBroken(PostroomError):
    """500: a stored record does not open, mostly with the given secret (contract V2)."""

    status = 500
    code = "InternalConfigError"


class Fenced(PostroomError):
    """The writer no longer owns the account: stop working on it at once (invariant I22)."""

    code = "Fenced"


class AuthenticationRefused(PostroomError):
    """The server refused the credentials; `log`/`extra` carry its response code."""

    code = "AUTHENTICATIONFAILED"


class ConnectFailed(PostroomError):
    """A connection could not be opened; codes as in webhooks.json (ECONNREFUSED, ...)."""

    code = "ECONNECTION"
    is_temporary = True


class ConfigurationError(PostroomError):
    """A start-up option is invalid: the start stops with this one line."""

    code = "ConfigurationError"


class EgressBlocked(PostroomError):
    """The egress policy forbids the address; final at once (contract X3, webhooks.json)."""

    code = "EEGRESSBLOCKED"


class RedirectNotFollowed(PostroomError):
    """The target answered with a redirect, which is never followed; final at once."""

    code = "EREDIRECTNOTFOLLOWED"
