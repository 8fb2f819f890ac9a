"""Accounts: registration, change, views (contract: CreateAccount, UpdateAccount, AccountResponse).

`false` for a server or for credentials means "none"; on update the object replaces the stored one
unless `partial` is true (contract J8).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec

from postroom.api.rules import (
    OR_FALSE,
    SECRET,
    SINGLE_ACCEPTED,
    UNSET,
    AccountId,
    AccountParameters,
    Body,
    DateTime,
    Email,
    HostName,
    PageParameters,
    Port,
    ProxyUrl,
    Shown,
    Text100,
    Text256,
    Text1024,
    Unset,
    Url,
    documented,
    text,
)
from postroom.model.account import (
    AccountState,
    CustomHeader,
    ImapServer,
    LastError,
    OAuth2Grant,
    SmtpServer,
)

Paths = Annotated[list[Text1024], SINGLE_ACCEPTED]
ConnectionPaths = Annotated[list[Text256], SINGLE_ACCEPTED]
Indexer = Annotated[Literal["full", "fast"], documented(x_trim=True)]
Password = Annotated[str, text(256), SECRET]
OAuthToken = Annotated[str, text(16384), SECRET]
ShownUrl = Annotated[str, documented(format="uri")]
AccountType = Literal[
    "imap",
    "gmail",
    "gmailService",
    "outlook",
    "outlookService",
    "mailRu",
    "oauth2",
    "delegated",
    "sending",
    "invalid",
]


class LoginBody(Body, frozen=True, kw_only=True):
    """What to log in to a mail server with: a password or an access token."""

    user: Text256
    access_token: Annotated[OAuthToken | bool | Unset, OR_FALSE] = UNSET
    password: Password | Unset = msgspec.field(name="pass", default=UNSET)


class TlsBody(Body, frozen=True, kw_only=True):
    """How strictly the server's certificate is checked."""

    reject_unauthorized: bool = True
    min_version: Text256 | Unset = UNSET


class TlsChange(Body, frozen=True, kw_only=True):
    """A change of the TLS options."""

    reject_unauthorized: bool | Unset = UNSET
    min_version: Text256 | Unset = UNSET


class SpecialMailboxes(Body, frozen=True, kw_only=True):
    """Mailboxes that stand for special uses, whatever the server says (contract E2)."""

    sent_mail_path: Text1024 | Unset | None = UNSET
    drafts_mail_path: Text1024 | Unset | None = UNSET
    junk_mail_path: Text1024 | Unset | None = UNSET
    trash_mail_path: Text1024 | Unset | None = UNSET
    archive_mail_path: Text1024 | Unset | None = UNSET


class ImapBody(SpecialMailboxes, frozen=True, kw_only=True):
    """An IMAP server as registered."""

    use_auth_server: bool | Unset = UNSET
    auth: Annotated[LoginBody | bool | Unset, OR_FALSE] = UNSET
    secure: bool = False
    tls: TlsBody | Unset = UNSET
    disable_imap4rev2: bool | Unset = msgspec.field(name="disableIMAP4rev2", default=UNSET)
    resync_delay: int = 900
    disabled: bool | Unset = UNSET
    host: HostName | Unset = UNSET
    port: Port | Unset = UNSET


class SmtpBody(Body, frozen=True, kw_only=True):
    """An SMTP server as registered."""

    use_auth_server: bool | Unset = UNSET
    auth: Annotated[LoginBody | bool | Unset, OR_FALSE] = UNSET
    host: HostName
    port: Port
    secure: bool = False
    tls: TlsBody | Unset = UNSET


class OAuth2User(Body, frozen=True, kw_only=True):
    """Whose mailbox the OAuth2 grant opens."""

    user: Text256 | Unset = UNSET
    delegated_user: Text256 | Unset = UNSET
    delegated_account: AccountId | Unset = UNSET


class OAuth2Body(Body, frozen=True, kw_only=True):
    """An OAuth2 grant as registered."""

    authorize: bool | Unset = UNSET
    redirect_url: Url | Unset = UNSET
    provider: Text256 | Unset = UNSET
    auth: OAuth2User
    use_auth_server: bool | Unset = UNSET
    access_token: OAuthToken | Unset = UNSET
    refresh_token: OAuthToken | Unset = UNSET
    expires: DateTime | Unset = UNSET


class HeaderBody(Body, frozen=True, kw_only=True):
    """A request header added to webhooks."""

    key: Annotated[str, text(1024, trim=True)]
    value: Annotated[str, text(10240, trim=True)] = ""


class CreateAccount(Body, frozen=True, kw_only=True):
    """A registration."""

    account: AccountId | None
    name: Text256
    email: Email | Unset = UNSET
    expected_email: Email | Unset = UNSET
    path: Annotated[list[Text1024] | Unset | None, SINGLE_ACCEPTED] = UNSET
    subconnections: ConnectionPaths | Unset = UNSET
    webhooks: Url | Unset = UNSET
    copy: bool | Unset | None = UNSET
    logs: bool = False
    notify_from: Annotated[DateTime | Unset | None, documented(x_default="now")] = UNSET
    proxy: ProxyUrl | Unset = UNSET
    smtp_ehlo_name: HostName | Unset | None = UNSET
    imap_indexer: Indexer | Unset | None = UNSET
    imap: Annotated[ImapBody | bool | Unset, OR_FALSE] = UNSET
    smtp: Annotated[SmtpBody | bool | Unset, OR_FALSE] = UNSET
    oauth2: Annotated[OAuth2Body | bool | Unset, OR_FALSE] = UNSET
    webhooks_custom_headers: list[HeaderBody] | Unset = UNSET
    locale: Text100 | Unset = UNSET
    tz: Text100 | Unset = UNSET


class ImapChange(SpecialMailboxes, frozen=True, kw_only=True):
    """A new IMAP server, or with `partial` a change of the stored one."""

    partial: bool = False
    use_auth_server: bool | Unset = UNSET
    auth: Annotated[LoginBody | bool | Unset, OR_FALSE] = UNSET
    host: HostName | Unset = UNSET
    port: Port | Unset = UNSET
    secure: bool | Unset = UNSET
    tls: TlsChange | Unset = UNSET
    disable_imap4rev2: bool | Unset = msgspec.field(name="disableIMAP4rev2", default=UNSET)
    resync_delay: int | Unset = UNSET
    disabled: bool | Unset = UNSET


class SmtpChange(Body, frozen=True, kw_only=True):
    """A new SMTP server, or with `partial` a change of the stored one."""

    partial: bool = False
    use_auth_server: bool | Unset = UNSET
    auth: Annotated[LoginBody | bool | Unset, OR_FALSE] = UNSET
    host: HostName | Unset = UNSET
    port: Port | Unset = UNSET
    secure: bool | Unset = UNSET
    tls: TlsChange | Unset = UNSET


class OAuth2Change(Body, frozen=True, kw_only=True):
    """A new OAuth2 grant, or with `partial` a change of the stored one."""

    partial: bool = False
    authorize: bool | Unset = UNSET
    provider: Text256 | Unset = UNSET
    auth: OAuth2User
    use_auth_server: bool | Unset = UNSET
    access_token: OAuthToken | Unset = UNSET
    refresh_token: OAuthToken | Unset = UNSET
    expires: DateTime | Unset = UNSET


class UpdateAccount(Body, frozen=True, kw_only=True):
    """A change of a registration: what is absent stays as it is."""

    name: Text256 | Unset = UNSET
    email: Email | Unset = UNSET
    expected_email: Email | Unset | None = UNSET
    path: Annotated[list[Text1024] | Unset | None, SINGLE_ACCEPTED] = UNSET
    subconnections: ConnectionPaths | Unset = UNSET
    webhooks: Url | Unset = UNSET
    copy: bool | Unset | None = UNSET
    logs: bool | Unset = UNSET
    notify_from: DateTime | Unset | None = UNSET
    proxy: ProxyUrl | Unset = UNSET
    smtp_ehlo_name: HostName | Unset | None = UNSET
    imap: Annotated[ImapChange | bool | Unset, OR_FALSE] = UNSET
    smtp: Annotated[SmtpChange | bool | Unset, OR_FALSE] = UNSET
    oauth2: Annotated[OAuth2Change | bool | Unset, OR_FALSE] = UNSET
    webhooks_custom_headers: list[HeaderBody] | Unset = UNSET
    locale: Text100 | Unset = UNSET
    tz: Text100 | Unset = UNSET


class AccountCreated(Shown, frozen=True, kw_only=True):
    """Whether the id was new (contract J7)."""

    account: str
    state: Literal["existing", "new"] | Unset = UNSET
    redirect: ShownUrl | Unset = UNSET


class AccountUpdated(Shown, frozen=True, kw_only=True):
    account: str


class AccountDeleted(Shown, frozen=True, kw_only=True, omit_defaults=False):
    account: str
    deleted: bool = True


class EventCounters(Shown, frozen=True, kw_only=True):
    """How often each event was announced."""

    events: dict[str, int] = {}


class SmtpStatus(Shown, frozen=True, kw_only=True):
    """How the last delivery of an account went (contract errors.md, delivery codes)."""

    created: DateTime | None = None
    status: Literal["ok", "error"] | Unset = UNSET
    response: str | Unset = UNSET
    description: str | Unset = UNSET
    response_code: int | Unset = UNSET
    code: str | Unset = UNSET
    command: str | Unset = UNSET
    network_routing: dict[str, Any] | None = None


class SyncError(Shown, frozen=True, kw_only=True):
    """The mailbox that could not be synchronised."""

    path: str | Unset = UNSET
    time: DateTime | Unset = UNSET
    error: str | Unset = UNSET


class Quota(Shown, frozen=True, kw_only=True):
    """Storage used and allowed, as the mail server tells."""

    usage: int
    limit: int
    status: str


class AccountView(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """One account with its health; secrets show as six asterisks."""

    account: str
    name: str | Unset = UNSET
    email: Email | Unset = UNSET
    expected_email: Email | Unset = UNSET
    copy: bool | Unset = UNSET
    logs: bool | Unset = UNSET
    notify_from: DateTime | Unset | None = UNSET
    path: list[str] | Unset | None = UNSET
    imap_indexer: Literal["full", "fast"] | Unset | None = UNSET
    subconnections: list[str] | Unset = UNSET
    webhooks: ShownUrl | Unset = UNSET
    proxy: ShownUrl | Unset = UNSET
    smtp_ehlo_name: HostName | Unset | None = UNSET
    imap: ImapServer | Unset = UNSET
    smtp: SmtpServer | Unset = UNSET
    oauth2: OAuth2Grant | Unset = UNSET
    state: AccountState | Unset = UNSET
    smtp_status: SmtpStatus | Unset | None = UNSET
    sync_error: SyncError | Unset = UNSET
    connections: int | Unset = UNSET
    send_only: bool | Unset = UNSET
    webhooks_custom_headers: list[CustomHeader] | Unset = UNSET
    locale: str | Unset = UNSET
    tz: str | Unset = UNSET
    type: AccountType
    app: str | Unset = UNSET
    base_scopes: Literal["imap", "api", "pubsub"] | Unset = UNSET
    counters: EventCounters | Unset = UNSET
    quota: Annotated[Quota | bool | Unset, OR_FALSE] = UNSET
    sync_time: DateTime | Unset = UNSET
    last_error: LastError | Unset | None = UNSET


class AccountEntry(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """An account in the list."""

    account: str
    name: str | Unset = UNSET
    email: Email | Unset = UNSET
    type: AccountType
    app: str | Unset = UNSET
    state: AccountState
    webhooks: ShownUrl | Unset = UNSET
    proxy: ShownUrl | Unset = UNSET
    smtp_ehlo_name: HostName | Unset | None = UNSET
    counters: EventCounters | Unset = UNSET
    sync_time: DateTime | Unset = UNSET
    last_error: LastError | Unset | None = UNSET


class AccountList(Shown, frozen=True, kw_only=True, omit_defaults=False):
    """A page of accounts, sorted by id (contract J10)."""

    total: int
    page: int
    pages: int
    query: Annotated[str | bool | Unset, OR_FALSE] = UNSET
    state: str | Unset = UNSET
    accounts: list[AccountEntry]


class AccountListParameters(PageParameters, frozen=True, kw_only=True):
    state: AccountState | Unset = UNSET
    query: str | Unset = UNSET


class AccountViewParameters(AccountParameters, frozen=True, kw_only=True):
    quota: bool = False


class AccountDeleteParameters(AccountParameters, frozen=True, kw_only=True):
    revoke: bool = False


class ReconnectBody(Body, frozen=True, kw_only=True):
    reconnect: bool = False


class Reconnected(Shown, frozen=True, kw_only=True, omit_defaults=False):
    reconnect: bool = False


class FlushBody(Body, frozen=True, kw_only=True):
    flush: bool = False
    notify_from: Annotated[DateTime | Unset | None, documented(x_default="now")] = UNSET
    imap_indexer: Indexer | Unset | None = UNSET


class Flushed(Shown, frozen=True, kw_only=True, omit_defaults=False):
    flush: bool = False


class SyncBody(Body, frozen=True, kw_only=True):
    sync: bool = False


class SyncRequested(Shown, frozen=True, kw_only=True, omit_defaults=False):
    sync: bool = False
