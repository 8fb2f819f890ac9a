"""The account worker: keeps its accounts connected and answers calls about them."""

from __future__ import annotations

from postroom.accounts.holding import Equipment
from postroom.accounts.runner import AccountsRunner
from postroom.cluster.owners import Owners
from postroom.providers.imap.logbook import LogBook
from postroom.rpc.server import RpcServer
from postroom.store.accounts import Accounts
from postroom.store.mailboxes import Mailboxes
from postroom.store.protocol_log import ProtocolLogs
from postroom.supervisor.spec import WorkerSpec
from postroom.workers import boot
from postroom.workers.allocator import map_large_blocks
from postroom.workers.mail_rules import mail_rules
from postroom.workers.station import Station


def run(spec: WorkerSpec) -> None:
    """The process's entry."""
    map_large_blocks()
    boot.run(spec, serve)


async def serve(station: Station) -> None:
    """Hold accounts until told to stop, then give them back."""
    options = station.options
    accounts = Accounts(station.store, station.sealer, station.clock)
    mailboxes = Mailboxes(station.store)
    logbook = LogBook(ProtocolLogs(station.store), station.clock)
    runner = AccountsRunner(
        station.store,
        accounts,
        mailboxes,
        station.settings,
        Owners(station.store, station.members),
        station.wake,
        station.clock,
        station.spec.worker_id,
        setup_delay_s=options.setup_delay_ms / 1000,
        equipment=Equipment(
            accounts,
            mailboxes,
            station.settings,
            station.clock,
            refused_window_ms=options.max_imap_auth_failure_ms,
            rules=mail_rules(options, station.clock),
            logbook=logbook,
            fetch_batch_size=max(1, options.fetch_batch_size),
        ),
    )
    server = RpcServer(station.spec.socket_path, runner.answer, station.clock)
    await server.start()
    try:
        await station.keep(runner, f"unix://{station.spec.socket_path}")
    finally:
        await server.stop()
        await logbook.close()
