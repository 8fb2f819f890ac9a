"""Bearer tokens against a real Dovecot, whose oauth2 passdb asks a token server of the test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.errors import AuthenticationRefused
from postroom.imap.commands import Select
from postroom.model.account import Credentials, ImapServer
from postroom.model.secret import Secret
from postroom.net.imap import ImapConnection
from tests.fakes.dovecot import Dovecot, running_dovecot

pytestmark = pytest.mark.dovecot
CLOCK = SystemClock()
USER = "bob@example.com"
TOKENS = {"ya29.good-token": USER, "ya29.token-of-another": "eve@example.com"}

_CONF = """
auth_mechanisms = {mechanism}
passdb {{
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {path}
}}
"""
_OAUTH = """
tokeninfo_url = http://127.0.0.1:{port}/tokeninfo?access_token=
introspection_mode = auth
introspection_url = http://127.0.0.1:{port}/introspect?access_token=
username_attribute = email
active_attribute = active
active_value = true
"""


class _TokenInfo(BaseHTTPRequestHandler):
    """Says whose a token is."""

    def do_GET(self) -> None:
        asked = parse_qs(urlsplit(self.path).query).get("access_token", [""])[0]
        bearer = (self.headers.get("Authorization") or "").removeprefix("Bearer ")
        user = TOKENS.get(asked or bearer)
        told = {"email": user, "active": "true"} if user else {"error": "invalid_token"}
        body = json.dumps(told).encode()
        self.send_response(200 if user else 401)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_told: object) -> None:
        return


@pytest.fixture(scope="module")
def token_port() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _TokenInfo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module", params=["xoauth2", "oauthbearer"])
def dovecot(
    request: pytest.FixtureRequest,
    token_port: int,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Dovecot]:
    path: Path = tmp_path_factory.mktemp("oauth") / "oauth2.conf"
    path.write_text(_OAUTH.format(port=token_port))
    with running_dovecot(_CONF.format(mechanism=request.param, path=path)) as server:
        yield server


async def log_in(dovecot: Dovecot, token: str) -> ImapConnection:
    deadline = Deadline.after(CLOCK, 20)
    server = ImapServer(host="127.0.0.1", port=dovecot.tls_port, secure=True)
    connection = await ImapConnection.open(server, clock=CLOCK, deadline=deadline, verify=False)
    try:
        await connection.login(Credentials(user=USER, access_token=Secret(token)), deadline)
        assert (await connection.run(Select("INBOX"), deadline)).path == "INBOX"
    finally:
        await connection.close()
    return connection


async def test_a_token_logs_in(dovecot: Dovecot) -> None:
    await log_in(dovecot, "ya29.good-token")


@pytest.mark.parametrize("token", ["ya29.expired", "ya29.token-of-another"])
async def test_a_token_that_is_not_the_user_s_is_refused(dovecot: Dovecot, token: str) -> None:
    with pytest.raises(AuthenticationRefused) as refused:
        await log_in(dovecot, token)
    assert refused.value.public_code == "AUTHENTICATIONFAILED"
    assert token not in repr((refused.value.text, refused.value.log))
