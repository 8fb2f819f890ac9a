"""The certificate options of our own listeners: one set each for api, smtp and the IMAP proxy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from postroom.config import kinds
from postroom.config.declaration import Declaration
from postroom.config.kinds import Kind
from postroom.model.secret import Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class ListenerTls:
    """What `EENGINE_<LISTENER>_TLS_*` says; key, cert and ca are PEM text or file paths."""

    key: Secret | None = None
    cert: str | None = None
    ca: str | None = None
    passphrase: Secret | None = None
    dhparam: str | None = None
    ciphers: str | None = None
    ecdh_curve: str | None = None
    min_version: str | None = None
    max_version: str | None = None
    reject_unauthorized: bool | None = None
    request_cert: bool | None = None


@dataclass(frozen=True, slots=True)
class Listener:
    """One of our servers: the field of `Options`, its word in variables, its TOML section."""

    field: str
    env: str
    key: str


LISTENERS = (
    Listener("api_listener", "API", "api"),
    Listener("smtp_listener", "SMTP", "smtp"),
    Listener("imap_proxy_listener", "IMAPPROXY", "imap-proxy"),
)
_MEANINGS: tuple[tuple[str, Kind, str], ...] = (
    ("key", kinds.SECRET, "private key, PEM or file"),
    ("cert", kinds.TEXT, "certificate chain, PEM or file"),
    ("ca", kinds.TEXT, "authorities that sign client certificates, PEM or file"),
    ("passphrase", kinds.SECRET, "passphrase of the private key"),
    ("dhparam", kinds.TEXT, "Diffie-Hellman parameters, PEM or file"),
    ("ciphers", kinds.TEXT, "cipher list"),
    ("ecdh_curve", kinds.TEXT, "curve of the key exchange"),
    ("min_version", kinds.TEXT, "lowest TLS version"),
    ("max_version", kinds.TEXT, "highest TLS version"),
    ("reject_unauthorized", kinds.BOOLEAN, "refuse clients without a trusted certificate"),
    ("request_cert", kinds.BOOLEAN, "ask clients for a certificate"),
)


def listener_declarations(listener: Listener) -> Iterator[Declaration]:
    """The options of one listener; their names are dotted: `api_listener.key`."""
    for name, kind, prose in _MEANINGS:
        first, *rest = name.split("_")
        camel = first + "".join(word.capitalize() for word in rest)
        yield Declaration(
            f"{listener.field}.{name}",
            kind,
            None,
            "tls",
            f"{listener.key} listener: {prose}.",
            (f"EENGINE_{listener.env}_TLS_{name.upper()}",),
            f"{listener.key}.tls.{camel}",
        )
