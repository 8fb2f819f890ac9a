"""What the handlers are given: the nouns of the lower rooms, wired by `workers/api.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from postroom.accounts.service import AccountService
from postroom.auth.address import Proxies
from postroom.clock import Clock, Deadline
from postroom.cluster.members import Members
from postroom.model.operations import Download, Operation
from postroom.store.accounts import Accounts
from postroom.store.connection import Store
from postroom.store.outbox import Outbox
from postroom.store.settings import Settings
from postroom.store.tokens import Tokens
from postroom.submit.accept import Submissions


class Gateway(Protocol):
    """Asks the worker that owns an account (`accounts.gateway.Gateway`)."""

    async def ask(self, account: str, operation: Operation, deadline: Deadline) -> bytes:
        """The owner's answer as JSON, to be passed on untouched."""
        ...

    async def stream(self, account: str, operation: Operation, deadline: Deadline) -> Download:
        """A streamed answer."""
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes and times of a request (contract config.md)."""

    # EENGINE_MAX_BODY_SIZE, for submit and upload.
    max_body_bytes: int = 50 * 1024 * 1024
    # All other bodies are settings and criteria; a megabyte of them is a mistake.
    max_plain_body_bytes: int = 1024 * 1024
    # EENGINE_MAX_PAYLOAD_TIMEOUT: time to receive a body.
    body_timeout_s: float = 10.0
    # EENGINE_TIMEOUT: a request without X-EE-Timeout.
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class ApiServices:
    """Everything a handler may use."""

    store: Store
    accounts: Accounts
    account_service: AccountService
    tokens: Tokens
    settings: Settings
    gateway: Gateway
    submissions: Submissions
    outbox: Outbox
    members: Members
    clock: Clock
    version: str
    # How many account workers must be alive for /health to be well (contract T1).
    account_workers: int = 1
    # EENGINE_REQUIRE_API_AUTH; False lets tokenless calls in (contract N1).
    is_auth_required: bool = True
    # EENGINE_API_PROXY_ADDRESSES; empty stands for the proxies of this host and its networks.
    trusted_proxies: Sequence[str] = ()
    limits: Limits = field(default_factory=Limits)

    async def proxies(self) -> Proxies:
        """Who may name the client's address: by the setting, which starts as on."""
        is_enabled: Any = await self.settings.get("enableApiProxy")
        return Proxies(is_enabled is not False, self.trusted_proxies)
