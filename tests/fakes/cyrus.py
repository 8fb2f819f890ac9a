"""A real Cyrus IMAP in a directory of its own, on a free port of the loopback address.

Any user name logs in with the password `secret`, which a small stand-in for saslauthd checks;
mailboxes come into being at the first login. Runs as root (Cyrus then becomes `nobody`) or as an
ordinary user. The programs come from `cyrus_tree`.
"""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
import shutil
import socketserver
import struct
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from imaplib import IMAP4
from pathlib import Path

from tests.fakes import cyrus_tree
from tests.fakes.dovecot import end_family, free_port, greets

PASSWORD = "secret"
START_TIMEOUT_S = 20

_IMAPD_CONF = """
configdirectory: {directory}/conf
defaultpartition: default
partition-default: {directory}/spool
cyrus_user: {user}
cyrus_group: {group}
allowplaintext: yes
sasl_mech_list: PLAIN
sasl_pwcheck_method: saslauthd
sasl_saslauthd_path: {directory}/mux
unixhierarchysep: yes
altnamespace: yes
idlesocket: {directory}/conf/socket/idle
proc_path: {directory}/conf/proc
mboxname_lockpath: {directory}/conf/lock
autocreate_users: anyone
autocreate_quota: 0
autocreate_post: yes
autocreate_inbox_folders: Drafts|Sent|Trash|Junk
autocreate_subscribe_folders: Drafts|Sent|Trash|Junk
xlist-drafts: Drafts
xlist-sent: Sent
xlist-trash: Trash
xlist-junk: Junk
imapidlepoll: 1
"""
_CYRUS_CONF = """
START {{
  recover cmd="{bin}/ctl_cyrusdb -C {directory}/imapd.conf -r"
  idled cmd="{bin}/idled -C {directory}/imapd.conf"
}}
SERVICES {{
  imap cmd="{bin}/imapd -U 1000 -C {directory}/imapd.conf" listen="127.0.0.1:{port}" prefork=1
}}
EVENTS {{
}}
"""


class _PasswordCheck(socketserver.StreamRequestHandler):
    """The dialogue of saslauthd: four counted strings in (user, password, service, realm), a
    counted answer out."""

    def handle(self) -> None:
        words = [self._word() for _ in range(4)]
        answer = b"OK" if words[1] == PASSWORD.encode() else b"NO"
        self.wfile.write(struct.pack(">H", len(answer)) + answer)

    def _word(self) -> bytes:
        (length,) = struct.unpack(">H", self.rfile.read(2))
        return self.rfile.read(length)


@dataclass(slots=True)
class Cyrus:
    """A running server."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and wait until the greeting comes."""
        words = ("-C", "imapd.conf", "-M", "cyrus.conf", "-p", "conf/master.pid")
        paths = [word if word.startswith("-") else str(self.directory / word) for word in words]
        with (self.directory / "cyrus.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(cyrus_tree.program("master")), *paths, "-D"],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, "LD_LIBRARY_PATH": cyrus_tree.library_path()},
            )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not greets(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"cyrus did not start: {self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server and every session."""
        if self.process is not None:
            end_family(self.process)
        self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        return (self.directory / "cyrus.log").read_text(errors="replace")[-2000:]

    def client(self, user: str) -> IMAP4:
        """An independent client, logged in."""
        client = IMAP4("127.0.0.1", self.port, timeout=20)
        client.login(user, PASSWORD)
        return client

    def deliver(self, user: str, raw: bytes, mailbox: str = "INBOX", flags: str = "") -> None:
        """Put a message into a mailbox."""
        client = self.client(user)
        status, reply = client.append(mailbox, flags, "", raw)
        assert status == "OK", reply
        client.logout()

    def change_uid_validity(self, user: str, mailbox: str) -> bool:
        """Cyrus has no tool for that: False."""
        return False


@contextmanager
def _password_checks(path: Path) -> Iterator[None]:
    server = socketserver.ThreadingUnixStreamServer(str(path), _PasswordCheck)
    server.daemon_threads = True
    path.chmod(0o666)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def running_cyrus() -> Iterator[Cyrus]:
    """A started server, stopped and removed at the end."""
    directory = Path(tempfile.mkdtemp(prefix="postroom-cyrus-"))
    directory.chmod(0o755)
    owner = pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
    for name in ("conf", "conf/socket", "conf/proc", "conf/lock", "spool"):
        (directory / name).mkdir()
        os.chown(directory / name, owner.pw_uid, owner.pw_gid)
    group = _group_name(owner.pw_gid)
    server = Cyrus(directory, free_port())
    values = {"directory": directory, "user": owner.pw_name, "group": group, "port": server.port}
    (directory / "imapd.conf").write_text(_IMAPD_CONF.format(**values))
    (directory / "cyrus.conf").write_text(
        _CYRUS_CONF.format(**values, bin=cyrus_tree.program("imapd").parent)
    )
    try:
        with _password_checks(directory / "mux"):
            server.start()
            try:
                yield server
            finally:
                server.stop()
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _group_name(number: int) -> str:
    with contextlib.suppress(KeyError):
        return grp.getgrgid(number).gr_name
    return str(number)
