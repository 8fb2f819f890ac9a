"""A real Dovecot in a directory of its own, on free ports of the loopback address.

Any user name logs in with the password `secret`; mail is in Maildir under the directory.
Runs as root (mail then belongs to a user without a name) or as an ordinary user.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from imaplib import IMAP4
from pathlib import Path

PASSWORD = "secret"
START_TIMEOUT_S = 15
STOP_PATIENCE_S = 2
# Above every user that a machine has by itself.
FIRST_MAIL_UID = 100_000

_CONF = """
base_dir = {directory}/run
state_dir = {directory}/state
log_path = {directory}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <{directory}/cert.pem
ssl_key = <{directory}/key.pem
disable_plaintext_auth = no
auth_mechanisms = plain login
mail_location = maildir:~/Maildir
mail_home = {directory}/mail/%u
mail_uid = {user}
mail_gid = {group}
first_valid_uid = 1
first_valid_gid = 1
default_internal_user = {internal}
default_internal_group = {internal_group}
default_login_user = {login}
mail_max_userip_connections = 2000
maildir_very_dirty_syncs = yes
mail_fsync = never
{extra}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={directory}/mail/%u
}}
namespace inbox {{
  inbox = yes
  separator = /
  mailbox Drafts {{
    special_use = \\Drafts
    auto = create
  }}
  mailbox Sent {{
    special_use = \\Sent
    auto = create
  }}
  mailbox Trash {{
    special_use = \\Trash
    auto = create
  }}
  mailbox Junk {{
    special_use = \\Junk
    auto = create
  }}
}}
service imap-login {{
  chroot =
  process_min_avail = 1
  client_limit = 4000
  service_count = 0
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service imap {{
  process_limit = 4000
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
"""


@dataclass(slots=True)
class Dovecot:
    """A running server."""

    directory: Path
    port: int
    tls_port: int
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def conf(self) -> Path:
        return self.directory / "dovecot.conf"

    def start(self) -> None:
        """Start, and wait until the greeting comes."""
        self.process = subprocess.Popen(
            ["dovecot", "-F", "-c", str(self.conf)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not greets(self.port):
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"dovecot did not start: {self.log()}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End the server and every session, by force where it lingers over an open session."""
        if self.process is not None:
            end_family(self.process)
        self.process = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def log(self) -> str:
        path = self.directory / "dovecot.log"
        return path.read_text(errors="replace")[-2000:] if path.exists() else "(no log)"

    def doveadm(self, *words: str) -> str:
        """The output of a doveadm command against this server."""
        done = subprocess.run(
            ["doveadm", "-c", str(self.conf), *words],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        return done.stdout

    def client(self, user: str) -> IMAP4:
        """An independent client, logged in: the other reader of the mailbox."""
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
        """Give a mailbox a greater UIDVALIDITY, as a restored backup has; its UIDs stay."""
        told = self.doveadm("-f", "flow", "mailbox", "status", "-u", user, "uidvalidity", mailbox)
        validity = int(told.rsplit("uidvalidity=", 1)[1])
        self.doveadm(
            "mailbox", "update", "-u", user, "--uid-validity", str(validity + 100), mailbox
        )
        return True


def greets(port: int) -> bool:
    """Whether an IMAP server answers there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as probe:
            return probe.recv(100).startswith(b"* OK")
    except OSError:
        return False


def end_family(process: subprocess.Popen[bytes]) -> None:
    """End a process and all below it, by force where it lingers over an open session."""
    family = [process.pid, *_descendants(process.pid)]
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(STOP_PATIENCE_S)
    for pid in family:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait(10)


def _descendants(root: int) -> list[int]:
    """The processes below a process: the server runs one for each session."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = entry.read_text().rsplit(")", 1)[1].split()
            parents[int(entry.parent.name)] = int(fields[1])
    found = [root]
    for pid in found:
        found.extend(child for child, parent in parents.items() if parent == pid)
    return found[1:]


def message(
    subject: str = "Hello",
    *,
    sender: str = "Ann <ann@example.com>",
    to: str = "Bob <bob@example.com>",
    text: str = "Hello there.\n",
    message_id: str | None = None,
) -> bytes:
    """A small plain message."""
    built = EmailMessage()
    built["From"] = sender
    built["To"] = to
    built["Subject"] = subject
    built["Date"] = "Fri, 20 Nov 2026 09:22:00 +0000"
    built["Message-ID"] = message_id or f"<{time.monotonic_ns()}@example.com>"
    built.set_content(text)
    return built.as_bytes().replace(b"\n", b"\r\n")


def free_port() -> int:
    """A port that nothing listens on, another one each time: the system may give one twice."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port not in _given:
            _given.add(port)
            return port


_given: set[int] = set()


def make_certificate(directory: Path) -> None:
    """A self-signed certificate for localhost and 127.0.0.1 in cert.pem, its key in key.pem."""
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
         "-keyout", str(directory / "key.pem"), "-out", str(directory / "cert.pem")],
        check=True, capture_output=True,
    )  # fmt: skip


def trusting(directory: Path) -> ssl.SSLContext:
    """A client context that trusts the server's own certificate."""
    return ssl.create_default_context(cafile=str(directory / "cert.pem"))


@contextmanager
def running_dovecot(extra: str = "") -> Iterator[Dovecot]:
    """A started server, stopped and removed at the end; `extra` is put into its configuration."""
    directory = Path(tempfile.mkdtemp(prefix="postroom-dovecot-"))
    directory.chmod(0o755)
    for name in ("run", "state", "mail"):
        (directory / name).mkdir()
    make_certificate(directory)
    is_root = os.geteuid() == 0
    server = Dovecot(directory, free_port(), free_port())
    # Linux counts inotify instances by user, 128 as a rule: a server with very many sessions must
    # not leave the IDLE of others without. A port is in use once, so its user is, too.
    owner = FIRST_MAIL_UID + server.port if is_root else os.geteuid()
    group = owner if is_root else os.getegid()
    if is_root:
        os.chown(directory / "mail", owner, group)
    user = pwd.getpwuid(os.geteuid()).pw_name
    server.conf.write_text(
        _CONF.format(
            directory=directory,
            user=owner,
            group=group,
            internal="dovecot" if is_root else user,
            internal_group="dovecot" if is_root else user,
            login="dovenull" if is_root else user,
            extra=extra,
            password=PASSWORD,
            port=server.port,
            tls_port=server.tls_port,
        )
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)
