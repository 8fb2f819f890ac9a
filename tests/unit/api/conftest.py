"""The application over a real store, with a gateway whose answers the test puts in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
import pytest_asyncio

from postroom.accounts.service import AccountService
from postroom.api.app import build
from postroom.api.services import ApiServices
from postroom.cluster.members import Members
from postroom.crypto import Sealer
from postroom.model.token import TokenRecord
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.outbox import Outbox
from postroom.store.settings import Settings
from postroom.store.tokens import Tokens
from postroom.submit.accept import Submissions
from tests.fakes.clock import FakeClock
from tests.unit.api.answering import PreparedGateway
from tests.unit.api.caller import Caller, Got
from tests.unit.api.schema import problems


@dataclass
class Api:
    """Calls the application and holds every answer against the published schema."""

    services: ApiServices
    gateway: PreparedGateway
    caller: Caller

    async def __call__(self, method: str, target: str, body: Any = None, **more: Any) -> Got:
        template = more.pop("path", None)
        got = await self.caller(method, target, body, **more)
        if template:
            assert problems(method, template, got.status, got.json) == []
        return got

    async def with_token(self, **fields: Any) -> Api:
        """The same application, called with a fresh token."""
        value = await self.services.tokens.issue(TokenRecord(description="test", **fields))
        return replace(self, caller=replace(self.caller, token=value))

    def rebuilt(self, **changes: Any) -> Api:
        """The application with other services."""
        services = replace(self.services, **changes)
        return replace(
            self, services=services, caller=replace(self.caller, application=build(services))
        )

    def anonymous(self) -> Api:
        """Called without a token."""
        return replace(self, caller=replace(self.caller, token=None))


@pytest.fixture
def gateway() -> PreparedGateway:
    return PreparedGateway()


@pytest.fixture
def services(store: Store, clock: FakeClock, gateway: PreparedGateway) -> ApiServices:
    sealer = Sealer(None)
    accounts = Accounts(store, sealer, clock)
    settings = Settings(store, sealer, clock)
    outbox = Outbox(store, clock)
    return ApiServices(
        store=store,
        accounts=accounts,
        account_service=AccountService(accounts, clock),
        tokens=Tokens(store, clock),
        settings=settings,
        gateway=gateway,
        submissions=Submissions(outbox, accounts, settings, gateway, clock),
        outbox=outbox,
        members=Members(store, clock),
        clock=clock,
        version="0.0.0",
    )


@pytest_asyncio.fixture
async def api(services: ApiServices, gateway: PreparedGateway) -> Api:
    """Called with a token that may do everything."""
    opened = Api(services, gateway, Caller(build(services)))
    return await opened.with_token(scopes=("*",))


IMAP = {
    "host": "imap.example.com",
    "port": 993,
    "secure": True,
    "auth": {"user": "jane", "pass": "canary-imap"},
}
SMTP = {"host": "smtp.example.com", "port": 465, "auth": {"user": "jane", "pass": "canary-smtp"}}


async def register(api: Api, account: str = "jane", **fields: Any) -> Got:
    """Register an account with an IMAP and an SMTP server."""
    body = {"account": account, "name": "Jane", "email": "jane@example.com", "imap": IMAP}
    got = await api("POST", "/v1/account", {**body, "smtp": SMTP, **fields}, path="/v1/account")
    assert got.status == 200, got.body
    return got
