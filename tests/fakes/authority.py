"""A small certificate authority, and server certificates of every quality for 127.0.0.1."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
_CONF = """
[ca]
default_ca = d
[d]
database = index
serial = serial
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
default_md = sha256
policy = p
copy_extensions = copy
unique_subject = no
[p]
commonName = supplied
"""
_HERE = "DNS:localhost,IP:127.0.0.1"
# Name -> subject alternative names, and until when it is valid.
_CERTIFICATES = {
    "good": (_HERE, "20991231000000Z"),
    "expired": (_HERE, "20210101000000Z"),
    "wrong-host": ("DNS:mail.example.com", "20991231000000Z"),
}


class Authority:
    """Certificates in `directory`: "good", "expired", "wrong-host", "self-signed"."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=Authority",
                      "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
        self._openssl("req", "-x509", *_KEY, "-days", "2", "-subj", "/CN=localhost",
                      "-addext", f"subjectAltName={_HERE}",
                      "-keyout", "self-signed.key", "-out", "self-signed.pem")  # fmt: skip
        (directory / "index").touch()
        (directory / "ca.conf").write_text(_CONF)
        for name, (hosts, end) in _CERTIFICATES.items():
            self._openssl("req", "-new", *_KEY, "-subj", f"/CN={name}",
                          "-addext", f"subjectAltName={hosts}",
                          "-keyout", f"{name}.key", "-out", f"{name}.csr")  # fmt: skip
            self._openssl("ca", "-batch", "-config", "ca.conf", "-rand_serial", "-notext",
                          "-startdate", "20200101000000Z", "-enddate", end,
                          "-in", f"{name}.csr", "-out", f"{name}.pem")  # fmt: skip

    @property
    def certificate(self) -> Path:
        """What a client has to trust."""
        return self._directory / "ca.pem"

    def context(self, name: str) -> ssl.SSLContext:
        """A server's context with the certificate of this name."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self._directory / f"{name}.pem", self._directory / f"{name}.key")
        return context

    def _openssl(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self._directory, check=True, capture_output=True)
