"""The api worker: serves the REST interface on the shared port."""

from __future__ import annotations

from postroom import __version__
from postroom.accounts.gateway import Gateway
from postroom.accounts.service import AccountService
from postroom.api.app import build
from postroom.api.services import ApiServices, Limits
from postroom.cluster.owners import Owners
from postroom.net.port import bind
from postroom.rpc.client import RpcClient
from postroom.store.accounts import Accounts
from postroom.store.outbox import Outbox
from postroom.store.tokens import Tokens
from postroom.submit.accept import Submissions
from postroom.supervisor.spec import WorkerSpec
from postroom.workers import boot
from postroom.workers.serving import HttpRunner
from postroom.workers.station import Station


def run(spec: WorkerSpec) -> None:
    """The process's entry."""
    boot.run(spec, serve)


async def serve(station: Station) -> None:
    """Answer requests until told to stop."""
    options = station.options
    rpc = RpcClient(station.clock)
    try:
        sock = bind(options.host, options.port, is_shared=options.workers_api > 1)
        await station.keep(HttpRunner(build(services(station, rpc)), sock))
    finally:
        await rpc.close()


def services(station: Station, rpc: RpcClient) -> ApiServices:
    """What the handlers are given."""
    store, clock, options = station.store, station.clock, station.options
    accounts = Accounts(store, station.sealer, clock)
    gateway = Gateway(Owners(store, station.members), rpc)
    outbox = Outbox(store, clock)
    return ApiServices(
        store=store,
        accounts=accounts,
        account_service=AccountService(accounts, clock),
        tokens=Tokens(store, clock),
        settings=station.settings,
        gateway=gateway,
        submissions=Submissions(outbox, accounts, station.settings, gateway, clock),
        outbox=outbox,
        members=station.members,
        clock=clock,
        version=__version__,
        account_workers=options.workers,
        is_auth_required=options.require_api_auth is not False,
        trusted_proxies=options.api_proxy_addresses,
        limits=Limits(
            max_body_bytes=options.max_body_bytes,
            body_timeout_s=options.max_payload_timeout_ms / 1000,
            timeout_s=options.timeout_ms / 1000,
        ),
    )
