"""The webhooks worker: sends events to their destinations."""

from __future__ import annotations

from postroom.net.egress import EgressPolicy
from postroom.net.http import HttpClient
from postroom.store.accounts import Accounts
from postroom.supervisor.spec import WorkerSpec
from postroom.webhooks.worker import WebhooksRunner
from postroom.workers import boot
from postroom.workers.station import Station


def run(spec: WorkerSpec) -> None:
    """The process's entry."""
    boot.run(spec, serve)


async def serve(station: Station) -> None:
    """Deliver until told to stop."""
    options = station.options
    http = HttpClient(EgressPolicy(options.webhook_egress_policy))
    runner = WebhooksRunner(
        store=station.store,
        accounts=Accounts(station.store, station.sealer, station.clock),
        settings=station.settings,
        wake=station.wake,
        clock=station.clock,
        http=http,
        concurrency=options.notify_qc,
        worker_id=station.spec.worker_id,
        timeout_s=options.webhook_timeout_ms / 1000,
    )
    try:
        await station.keep(runner)
    finally:
        await http.close()
