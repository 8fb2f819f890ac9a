"""The demo worker: a small mail server with one account, registered and ready to be tried."""

from __future__ import annotations

import asyncio
import secrets
import sys

from postroom.accounts.service import AccountService
from postroom.clock import Clock
from postroom.demo.imapd import ImapServer
from postroom.demo.mails import first_mails
from postroom.demo.mailstore import MailStore
from postroom.demo.smtpd import smtp_protocol
from postroom.demo.tour import tour
from postroom.model.account import AccountState
from postroom.model.token import TokenRecord
from postroom.net.listen import port_of, serve_protocol
from postroom.store.accounts import Accounts
from postroom.store.tokens import Tokens
from postroom.supervisor.spec import WorkerSpec
from postroom.supervisor.status import HealthProbe, address, until_well
from postroom.workers import boot
from postroom.workers.station import Station

ACCOUNT = "demo"
ADDRESS = "demo@localhost"
HOST = "127.0.0.1"
LOOK_S = 0.1


def run(spec: WorkerSpec) -> None:
    """The process's entry."""
    boot.run(spec, serve)


async def serve(station: Station) -> None:
    """Serve the mailbox, register it, and tell what to try."""
    await station.keep(DemoRunner(station))


class DemoRunner:
    """The mail server and the account on it, as a room's main loop."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._accounts = Accounts(station.store, station.sealer, station.clock)
        self._password = secrets.token_urlsafe(12)

    async def run(self) -> None:
        """Serve until cancelled."""
        mail = _filled(self._password, self._station.clock)
        imap = ImapServer(mail, HOST, 0)
        smtp = await serve_protocol(lambda: smtp_protocol(mail, ACCOUNT), HOST, 0)
        try:
            await self._register(await imap.start(), port_of(smtp))
            await self._say_when_connected()
            await asyncio.get_running_loop().create_future()
        finally:
            smtp.close()
            await imap.stop()

    async def drain(self) -> None:
        """Nothing to finish: the mailbox ends with the process."""

    async def _register(self, imap_port: int, smtp_port: int) -> None:
        auth = {"user": ACCOUNT, "pass": self._password}
        fields = {
            "account": ACCOUNT,
            "name": "Demo",
            "email": ADDRESS,
            "imap": {"host": HOST, "port": imap_port, "secure": False, "auth": auth},
            "smtp": {"host": HOST, "port": smtp_port, "secure": False},
        }
        await AccountService(self._accounts, self._station.clock).register(fields)

    async def _say_when_connected(self) -> None:
        station = self._station
        while True:
            _, status = await self._accounts.get_with_status(ACCOUNT)
            if status.state is AccountState.CONNECTED:
                break
            await station.clock.sleep(LOOK_S)
        options = station.options
        await until_well(HealthProbe(options.host, options.port), station.clock)
        record = TokenRecord(id="", description="demo", scopes=("*",))
        token = await Tokens(station.store, station.clock).issue(record)
        sys.stderr.write(tour(address(options), ACCOUNT, token))
        sys.stderr.flush()


def _filled(password: str, clock: Clock) -> MailStore:
    mail = MailStore(clock)
    mail.add_account(ACCOUNT, password)
    for raw in first_mails(ADDRESS, clock):
        mail.deliver(ACCOUNT, raw)
    return mail
