"""Accounts: register, look at, change, delete; ask for a sync or a fresh connection."""

from __future__ import annotations

from typing import Any

import msgspec

from postroom.api.answers import Reply, answer
from postroom.api.masks import masked, without_masks
from postroom.api.route import Call, Route
from postroom.api.rules import UNSET, AccountParameters, Parameters
from postroom.api.schemas.account import (
    AccountCreated,
    AccountDeleted,
    AccountDeleteParameters,
    AccountEntry,
    AccountList,
    AccountListParameters,
    AccountUpdated,
    AccountView,
    AccountViewParameters,
    CreateAccount,
    EventCounters,
    FlushBody,
    Flushed,
    Quota,
    ReconnectBody,
    Reconnected,
    SyncBody,
    SyncRequested,
    UpdateAccount,
)
from postroom.auth.access import Access
from postroom.errors import FieldProblem, InvalidInput, PostroomError
from postroom.model.account import Account, AccountStatus, ImapServer, SmtpServer, account_kind
from postroom.model.operations import GetQuota, RequestReconnect, RequestSync
from postroom.model.quota import QuotaTold
from postroom.model.wire import encode

TAG = "Account"


async def create_account(call: Call[Parameters, CreateAccount]) -> Reply:
    """POST /v1/account."""
    fields = _fields(call.body)
    if any(name in fields for name in _MASKED) and call.body.account:
        stored = await call.services.accounts.find(call.body.account)
        fields = _unmasked(fields, stored or Account(account=call.body.account))
    done = await call.services.account_service.register(fields, await _defaults(call))
    return answer(AccountCreated(account=done.account, state=done.state))


async def list_accounts(call: Call[AccountListParameters, None]) -> Reply:
    """GET /v1/accounts."""
    asked = call.parameters
    state = asked.state or None
    page = await call.services.accounts.list(
        page=asked.page, page_size=asked.page_size, state=state, query=asked.query or ""
    )
    return answer(
        AccountList(
            total=page.total,
            page=asked.page,
            pages=page.pages,
            query=asked.query,
            state=asked.state,
            accounts=[_entry(account, status) for account, status in page.items],
        )
    )


async def get_account(call: Call[AccountViewParameters, None]) -> Reply:
    """GET /v1/account/{account}."""
    account, status = await call.services.accounts.get_with_status(call.parameters.account)
    quota = await _quota(call) if call.parameters.quota else UNSET
    return answer(msgspec.structs.replace(_view(account, status), quota=quota))


async def _quota(call: Call[AccountViewParameters, None]) -> Quota | bool:
    """What the mail server tells of storage; false when it does not, or not now (contract C13)."""
    try:
        raw = await call.services.gateway.ask(call.parameters.account, GetQuota(), call.deadline)
    except PostroomError:
        return False
    found = msgspec.json.decode(raw, type=QuotaTold).quota
    return Quota(usage=found.usage, limit=found.limit, status=found.status) if found else False


async def update_account(call: Call[AccountParameters, UpdateAccount]) -> Reply:
    """PUT /v1/account/{account}."""
    fields = _fields(call.body)
    if any(name in fields for name in _MASKED):
        fields = _unmasked(fields, await call.services.accounts.get(call.parameters.account))
    await call.services.account_service.update(call.parameters.account, fields)
    return answer(AccountUpdated(account=call.parameters.account))


async def delete_account(call: Call[AccountDeleteParameters, None]) -> Reply:
    """DELETE /v1/account/{account}."""
    await call.services.account_service.delete(call.parameters.account)
    return answer(AccountDeleted(account=call.parameters.account))


async def reconnect(call: Call[AccountParameters, ReconnectBody]) -> Reply:
    """PUT /v1/account/{account}/reconnect; with false nothing happens (contract I11)."""
    await call.services.accounts.get(call.parameters.account)
    if call.body.reconnect:
        await call.services.gateway.ask(call.parameters.account, RequestReconnect(), call.deadline)
    return answer(Reconnected(reconnect=call.body.reconnect))


async def sync(call: Call[AccountParameters, SyncBody]) -> Reply:
    """PUT /v1/account/{account}/sync; with false nothing happens (contract I11)."""
    await call.services.accounts.get(call.parameters.account)
    if call.body.sync:
        await call.services.gateway.ask(call.parameters.account, RequestSync(), call.deadline)
    return answer(SyncRequested(sync=call.body.sync))


async def flush(call: Call[AccountParameters, FlushBody]) -> Reply:
    """PUT /v1/account/{account}/flush; with false nothing happens (contract I11)."""
    name, body = call.parameters.account, call.body
    await call.services.accounts.get(name)
    if body.flush:
        await call.services.account_service.flush(
            name, notify_from=body.notify_from or None, indexer=body.imap_indexer or None
        )
    return answer(Flushed(flush=body.flush))


async def _defaults(call: Call[Parameters, CreateAccount]) -> dict[str, Any]:
    """What the settings give to a new account."""
    indexer = await call.services.settings.get("imapIndexer")
    return {"imapIndexer": indexer} if indexer == "fast" else {}


def _fields(body: CreateAccount | UpdateAccount) -> dict[str, Any]:
    fields: dict[str, Any] = msgspec.to_builtins(body)
    grant = fields.get("oauth2")
    if isinstance(grant, dict) and grant.get("authorize"):
        text = '"oauth2.authorize" is not available: register with tokens instead'
        raise InvalidInput(fields=[FieldProblem("oauth2.authorize", text)])
    return fields


# Fields with a login or a header value inside.
_MASKED = ("webhooks", "proxy", "webhooksCustomHeaders")


def _unmasked(fields: dict[str, Any], stored: Account) -> dict[str, Any]:
    """The fields without those that come back as they were shown (invariant I26)."""
    shown = (stored.webhooks, stored.proxy, _headers(stored))
    given = {name: fields[name] for name in _MASKED if name in fields}
    rest = {name: value for name, value in fields.items() if name not in _MASKED}
    return rest | without_masks(given, dict(zip(_MASKED, shown, strict=True)))


def _headers(account: Account) -> list[dict[str, str]]:
    return [{"key": one.key, "value": one.value} for one in account.webhooks_custom_headers]


def _view(account: Account, status: AccountStatus) -> AccountView:
    return AccountView(
        account=account.account,
        name=account.name,
        email=_given(account.email),
        expected_email=_given(account.expected_email),
        copy=_given(account.copy),
        logs=account.logs,
        notify_from=account.notify_from,
        path=list(account.path or ("*",)),
        imap_indexer=_given(account.imap_indexer),
        subconnections=list(account.subconnections) or UNSET,
        webhooks=_given(masked(account.webhooks)),
        proxy=_given(masked(account.proxy)),
        smtp_ehlo_name=_given(account.smtp_ehlo_name),
        imap=_server(account.imap, secure=False, resyncDelay=900),
        smtp=_server(account.smtp, secure=False),
        oauth2=_given(account.oauth2),
        state=status.state,
        smtp_status=_given(status.smtp_status),
        sync_error=_given(status.sync_error),
        connections=status.connections,
        send_only=_is_send_only(account) or UNSET,
        webhooks_custom_headers=masked(_headers(account)) or UNSET,
        locale=_given(account.locale),
        tz=_given(account.tz),
        type=_kind(account),
        counters=EventCounters(events=status.events),
        sync_time=_given(status.sync_time),
        last_error=status.last_error,
    )


def _entry(account: Account, status: AccountStatus) -> AccountEntry:
    return AccountEntry(
        account=account.account,
        name=account.name,
        email=_given(account.email),
        type=_kind(account),
        state=status.state,
        webhooks=_given(masked(account.webhooks)),
        proxy=_given(masked(account.proxy)),
        smtp_ehlo_name=_given(account.smtp_ehlo_name),
        counters=EventCounters(events=status.events),
        sync_time=_given(status.sync_time),
        last_error=status.last_error,
    )


def _server(server: ImapServer | SmtpServer | None, **defaults: Any) -> Any:
    """A server with its secrets masked, and with the defaults that the model leaves out."""
    if server is None:
        return UNSET
    return defaults | msgspec.json.decode(encode(server))


def _kind(account: Account) -> Any:
    # The model names the kinds as text; the schema lists them.
    return account_kind(account)


def _is_send_only(account: Account) -> bool:
    # Contract J6.
    if account.imap is not None and account.imap.disabled:
        return True
    return account.imap is None and account.oauth2 is None and account.smtp is not None


def _given(value: Any) -> Any:
    return UNSET if value is None else value


ROUTES = (
    Route(
        method="POST",
        path="/v1/account",
        operation_id="postV1Account",
        tag=TAG,
        summary="Register an account",
        description=(
            "Starts watching a mailbox. An id that is registered already is updated instead; "
            "the answer says which of the two happened."
        ),
        access=Access("write", "admin", is_open_to_narrowed=False, bound=False),
        parameters=Parameters,
        body=CreateAccount,
        example={
            "account": "example",
            "name": "Jane Doe",
            "email": "jane@example.com",
            "imap": {
                "host": "imap.example.com",
                "port": 993,
                "secure": True,
                "auth": {"user": "jane@example.com", "pass": "secret"},
            },
            "smtp": {
                "host": "smtp.example.com",
                "port": 465,
                "secure": True,
                "auth": {"user": "jane@example.com", "pass": "secret"},
            },
        },
        answer=AccountCreated,
        handler=create_account,
    ),
    Route(
        method="GET",
        path="/v1/accounts",
        operation_id="getV1Accounts",
        tag=TAG,
        summary="List accounts",
        description="A page of accounts sorted by id, by state or by text if asked for.",
        access=Access("read", "account", bound=False),
        parameters=AccountListParameters,
        answer=AccountList,
        handler=list_accounts,
        statuses=(),
    ),
    Route(
        method="GET",
        path="/v1/account/{account}",
        operation_id="getV1AccountAccount",
        tag=TAG,
        summary="Show an account",
        description="The registration, with secrets masked, and how the account is doing.",
        access=Access("read", "account"),
        parameters=AccountViewParameters,
        answer=AccountView,
        handler=get_account,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}",
        operation_id="putV1AccountAccount",
        tag=TAG,
        summary="Change an account",
        description=(
            "Writes the fields that are given. A server object replaces the stored one, or is "
            "merged into it when it has partial set. Changed servers are connected anew."
        ),
        access=Access("write", "admin", is_open_to_narrowed=False),
        parameters=AccountParameters,
        body=UpdateAccount,
        example={"imap": {"partial": True, "resyncDelay": 600}},
        answer=AccountUpdated,
        handler=update_account,
    ),
    Route(
        method="DELETE",
        path="/v1/account/{account}",
        operation_id="deleteV1AccountAccount",
        tag=TAG,
        summary="Delete an account",
        description=(
            "Removes everything stored for the account: index, queued mail and the tokens bound "
            "to it. The mailbox itself stays as it is."
        ),
        access=Access("destructive", "account"),
        parameters=AccountDeleteParameters,
        answer=AccountDeleted,
        handler=delete_account,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}/reconnect",
        operation_id="putV1AccountAccountReconnect",
        tag=TAG,
        summary="Connect anew",
        description="Drops the connections of the account and opens new ones.",
        access=Access("write", "account"),
        parameters=AccountParameters,
        body=ReconnectBody,
        example={"reconnect": True},
        answer=Reconnected,
        handler=reconnect,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}/flush",
        operation_id="putV1AccountAccountFlush",
        tag=TAG,
        summary="Build the index anew",
        description=(
            "Drops what is recorded of every mailbox and records it anew, with the other indexer "
            "if one is given. Ids of messages stay valid; what arrived after notifyFrom, by "
            "default now, is announced. One flush of an account runs at a time (429)."
        ),
        access=Access("destructive", "account"),
        parameters=AccountParameters,
        body=FlushBody,
        example={"flush": True, "imapIndexer": "full"},
        answer=Flushed,
        handler=flush,
    ),
    Route(
        method="PUT",
        path="/v1/account/{account}/sync",
        operation_id="putV1AccountAccountSync",
        tag=TAG,
        summary="Synchronise now",
        description="Starts a round over all mailboxes of the account at once.",
        access=Access("write", "account"),
        parameters=AccountParameters,
        body=SyncBody,
        example={"sync": True},
        answer=SyncRequested,
        handler=sync,
    ),
)
