"""Real certificates of a small authority: good, expired, not yet valid, for another host."""

from __future__ import annotations

import ssl
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from postroom.clock import Deadline, SystemClock
from postroom.demo.imapd import ImapServer
from postroom.demo.mailstore import MailStore
from postroom.errors import ConnectFailed
from postroom.model.account import ImapServer as Where
from postroom.model.account import TlsOptions
from postroom.net import tls
from postroom.net.imap import ImapConnection, Terms
from postroom.net.tls import TlsFloor, ciphers

CLOCK = SystemClock()
# With the server's alert, or without where its loop drops the connection first.
REFUSED = frozenset(
    {
        "ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION",
        "ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE",
        "ECONNRESET",
    }
)


def openssl(directory: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with an authority and the requests it has signed."""
    directory = tmp_path_factory.mktemp("authority")
    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
    openssl(
        directory,
        *("req", "-x509", *key, "-days", "2", "-subj", "/CN=Authority"),
        *("-keyout", "ca.key", "-out", "ca.pem"),
    )
    (directory / "index").touch()
    (directory / "ca.conf").write_text(
        "[ca]\ndefault_ca=d\n[d]\ndatabase=index\nserial=serial\nnew_certs_dir=.\n"
        "certificate=ca.pem\nprivate_key=ca.key\ndefault_md=sha256\npolicy=p\n"
        "copy_extensions=copy\nunique_subject=no\n[p]\ncommonName=supplied\n"
    )
    for name, host, start, end in (
        ("good", "localhost", "20200101000000Z", "20991231000000Z"),
        ("expired", "localhost", "20200101000000Z", "20210101000000Z"),
        ("early", "localhost", "20980101000000Z", "20991231000000Z"),
        ("wrong", "mail.example.com", "20200101000000Z", "20991231000000Z"),
    ):
        openssl(
            directory,
            *("req", "-new", *key, "-subj", f"/CN={host}"),
            *("-addext", f"subjectAltName=DNS:{host}"),
            *("-keyout", f"{name}.key", "-out", f"{name}.csr"),
        )
        openssl(
            directory,
            *("ca", "-batch", "-config", "ca.conf", "-rand_serial", "-notext"),
            *("-startdate", start, "-enddate", end, "-in", f"{name}.csr", "-out", f"{name}.pem"),
        )
    return directory


@pytest.mark.parametrize(
    ("sent", "code"),
    [
        (("good",), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        (("good", "ca"), "SELF_SIGNED_CERT_IN_CHAIN"),
        (("ca",), "DEPTH_ZERO_SELF_SIGNED_CERT"),
    ],
)
async def test_a_chain_that_ends_at_nobody_known_is_refused_by_its_shape(
    authority: Path, tmp_path: Path, sent: tuple[str, ...], code: str
) -> None:
    chain = tmp_path / "chain.pem"
    chain.write_text("".join((authority / f"{name}.pem").read_text() for name in sent))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, authority / f"{sent[0]}.key")
    server = ImapServer(MailStore(), tls=context)
    where = Where(host="localhost", port=await server.start(), secure=True)
    with pytest.raises(ConnectFailed) as failed:
        await ImapConnection.open(where, clock=CLOCK, deadline=Deadline.after(CLOCK, 20))
    assert failed.value.public_code == code
    await server.stop()


@asynccontextmanager
async def serving(authority: Path, name: str) -> AsyncIterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / f"{name}.pem", authority / f"{name}.key")
    server = ImapServer(MailStore(), tls=context)
    yield await server.start()
    await server.stop()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("good", None),
        ("expired", "CERT_HAS_EXPIRED"),
        ("early", "CERT_NOT_YET_VALID"),
        ("wrong", "ERR_TLS_CERT_ALTNAME_INVALID"),
    ],
)
async def test_a_certificate_is_refused_by_the_name_of_its_fault(
    authority: Path, monkeypatch: pytest.MonkeyPatch, name: str, code: str | None
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    tls._context.cache_clear()
    try:
        async with serving(authority, name) as port:
            where = Where(host="localhost", port=port, secure=True)
            opening = ImapConnection.open(where, clock=CLOCK, deadline=Deadline.after(CLOCK, 20))
            if code is None:
                connection = await opening
                assert connection.is_encrypted
                await connection.close()
                return
            with pytest.raises(ConnectFailed) as failed:
                await opening
            assert failed.value.public_code == code
    finally:
        tls._context.cache_clear()


@pytest.mark.parametrize(
    ("given", "floor", "codes"),
    [
        (TlsOptions(min_version="TLSv1.3"), TlsFloor(), REFUSED),
        (None, TlsFloor(min_version="TLSv1.3"), REFUSED),
        # An account may ask for more than the operator, not for less.
        (
            TlsOptions(min_version="TLSv1"),
            TlsFloor(min_version="TLSv1.3"),
            REFUSED,
        ),
        (None, TlsFloor(ciphers="AES256-SHA"), REFUSED),
        (
            TlsOptions(min_version="TLSv9"),
            TlsFloor(),
            frozenset({"ERR_TLS_INVALID_PROTOCOL_VERSION"}),
        ),
        (TlsOptions(min_version="TLSv1.2"), TlsFloor(), frozenset()),
    ],
)
async def test_a_server_below_what_is_demanded_is_refused(
    authority: Path,
    monkeypatch: pytest.MonkeyPatch,
    given: TlsOptions | None,
    floor: TlsFloor,
    codes: frozenset[str],
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority / "ca.pem"))
    tls._context.cache_clear()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "good.pem", authority / "good.key")
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    server = ImapServer(MailStore(), tls=context)
    where = Where(host="localhost", port=await server.start(), secure=True, tls=given)
    opening = ImapConnection.open(
        where, clock=CLOCK, deadline=Deadline.after(CLOCK, 20), terms=Terms(floor=floor)
    )
    try:
        if not codes:
            await (await opening).close()
            return
        with pytest.raises(ConnectFailed) as failed:
            await opening
        assert failed.value.public_code in codes
    finally:
        await server.stop()
        tls._context.cache_clear()


def test_groups_of_an_unknown_size_are_not_offered() -> None:
    assert ciphers(TlsFloor()).endswith(":!kDHE:!kDHEPSK")
    assert ciphers(TlsFloor(min_dh_bits=0)) == "DEFAULT@SECLEVEL=0"
    assert ciphers(TlsFloor(ciphers="DEFAULT@SECLEVEL=2", min_dh_bits=2048)) == "DEFAULT@SECLEVEL=2"
    assert ciphers(TlsFloor(ciphers="DEFAULT", min_dh_bits=1024)) == "DEFAULT"
    offered = tls.client_context(None, verify=True).get_ciphers()
    assert not [one["name"] for one in offered if one["kea"] == "kx-dhe"]
    assert [one["name"] for one in offered if one["kea"] == "kx-ecdhe"]


def test_connections_that_ask_for_the_same_share_a_context() -> None:
    asked = TlsOptions(min_version="TLSv1.2")
    assert tls.client_context(asked, verify=True) is tls.client_context(asked, verify=True)
    assert tls.client_context(asked, verify=True) is not tls.client_context(asked, verify=False)
