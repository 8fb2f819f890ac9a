"""The submit worker: delivers queued mail."""

from __future__ import annotations

from postroom.accounts.gateway import Gateway
from postroom.cluster.owners import Owners
from postroom.providers.smtp.sending import SmtpSending
from postroom.rpc.client import RpcClient
from postroom.store.accounts import Accounts
from postroom.store.outbox import Outbox
from postroom.submit.worker import SubmitRunner
from postroom.supervisor.spec import WorkerSpec
from postroom.workers import boot
from postroom.workers.mail_rules import mail_rules
from postroom.workers.station import Station


def run(spec: WorkerSpec) -> None:
    """The process's entry."""
    boot.run(spec, serve)


async def serve(station: Station) -> None:
    """Deliver until told to stop."""
    accounts = Accounts(station.store, station.sealer, station.clock)
    rpc = RpcClient(station.clock)
    sending = SmtpSending(
        station.clock, station.settings.get_many, mail_rules(station.options, station.clock)
    )
    runner = SubmitRunner(
        store=station.store,
        outbox=Outbox(station.store, station.clock),
        accounts=accounts,
        gateway=Gateway(Owners(station.store, station.members), rpc),
        wake=station.wake,
        clock=station.clock,
        sending=sending,
        concurrency=station.options.submit_qc,
        worker_id=station.spec.worker_id,
        submit_delay_s=(station.options.submit_delay_ms or 0) / 1000,
    )
    try:
        await station.keep(runner)
    finally:
        await sending.close()
        await rpc.close()
