"""An account: how to reach one mailbox, and what is known of its health."""

from __future__ import annotations

import enum
from typing import Any

import msgspec

from postroom.model.secret import Secret
from postroom.model.value import Timestamp, Value


class AccountState(enum.StrEnum):
    """Contract J1; which transitions exist is the table in `accounts/states.py`."""

    INIT = "init"
    CONNECTING = "connecting"
    SYNCING = "syncing"
    CONNECTED = "connected"
    AUTHENTICATION_ERROR = "authenticationError"
    CONNECT_ERROR = "connectError"
    DISCONNECTED = "disconnected"
    UNSET = "unset"
    PAUSED = "paused"


# Contract J2: the states in which message routes may be called.
USABLE_STATES = frozenset({AccountState.CONNECTED, AccountState.CONNECTING, AccountState.SYNCING})


class Credentials(Value, frozen=True, kw_only=True):
    """What a mail server is logged in with: a password or an OAuth2 access token."""

    user: str
    password: Secret | None = msgspec.field(name="pass", default=None)
    access_token: Secret | None = None


class TlsOptions(Value, frozen=True, kw_only=True):
    reject_unauthorized: bool = True
    min_version: str | None = None


class ImapServer(Value, frozen=True, kw_only=True):
    """Where and how to reach the account over IMAP."""

    host: str | None = None
    port: int | None = None
    secure: bool = False
    auth: Credentials | None = None
    tls: TlsOptions | None = None
    use_auth_server: bool = False
    disabled: bool = False
    disable_imap4rev2: bool = msgspec.field(name="disableIMAP4rev2", default=False)
    # Seconds between two full rounds over all mailboxes (contract I2).
    resync_delay: int = 900
    sent_mail_path: str | None = None
    drafts_mail_path: str | None = None
    junk_mail_path: str | None = None
    trash_mail_path: str | None = None
    archive_mail_path: str | None = None


class SmtpServer(Value, frozen=True, kw_only=True):
    """Where and how to send the account's mail."""

    host: str
    port: int
    secure: bool = False
    auth: Credentials | None = None
    tls: TlsOptions | None = None
    use_auth_server: bool = False


class OAuth2Grant(Value, frozen=True, kw_only=True):
    """The account's OAuth2 data (`auth` holds user, delegatedUser, delegatedAccount)."""

    auth: dict[str, str] = {}
    provider: str | None = None
    use_auth_server: bool = False
    access_token: Secret | None = None
    refresh_token: Secret | None = None
    expires: Timestamp | None = None
    scope: tuple[str, ...] = ()
    token_type: str | None = None


class CustomHeader(Value, frozen=True, kw_only=True):
    """A request header added to the account's webhooks."""

    key: str
    value: str = ""


class Account(Value, frozen=True, kw_only=True):
    """The stored registration of one account (contract: CreateAccount)."""

    account: str
    name: str = ""
    email: str | None = None
    expected_email: str | None = None
    # Mailbox paths or special-use flags to track; None or ("*",) means all.
    path: tuple[str, ...] | None = None
    subconnections: tuple[str, ...] = ()
    webhooks: str | None = None
    # Whether sent mail is copied to Sent; None leaves it to the provider's habit (F12).
    copy: bool | None = None
    logs: bool = False
    notify_from: Timestamp | None = None
    proxy: str | None = None
    smtp_ehlo_name: str | None = None
    imap_indexer: str | None = None
    imap: ImapServer | None = None
    smtp: SmtpServer | None = None
    oauth2: OAuth2Grant | None = None
    webhooks_custom_headers: tuple[CustomHeader, ...] = ()
    locale: str | None = None
    tz: str | None = None
    # Milliseconds since 1970 of the last flush: whatever was indexed before it is built anew.
    flushed_ms: int = 0
    # Milliseconds since 1970 of the registration.
    created_ms: int = 0


class LastError(Value, frozen=True, kw_only=True):
    """The error that a bad state comes from (contract J4: first and count of the run inside)."""

    response: str
    server_response_code: str | None = None
    token_request: dict[str, Any] | None = None
    first: Timestamp | None = None
    count: int = 0


class AccountStatus(Value, frozen=True, kw_only=True):
    """What is known of an account beside its registration; written by its owner only."""

    state: AccountState = AccountState.INIT
    last_error: LastError | None = None
    # End of the last full sync (contract I12).
    sync_time: Timestamp | None = None
    connections: int = 0
    smtp_status: dict[str, Any] | None = None
    sync_error: dict[str, Any] | None = None
    # Event name -> how many were logged.
    events: dict[str, int] = {}


def account_kind(account: Account) -> str:
    """The `type` of contract J6."""
    if account.oauth2 is not None and account.oauth2.auth.get("delegatedAccount"):
        return "delegated"
    if account.oauth2 is not None:
        return "oauth2"
    if account.imap is not None:
        return "imap"
    return "sending" if account.smtp is not None else "invalid"


def has_imap(account: Account) -> bool:
    """Whether there is an IMAP server to watch."""
    return account.imap is not None and not account.imap.disabled and bool(account.imap.host)
