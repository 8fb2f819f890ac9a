"""TLS contexts for outgoing connections, one per combination of options.

A context holds the trusted certificates (some 300 kB) and is shared by all connections that ask
for the same, because 1,000 accounts must not load them 1,000 times.
"""

from __future__ import annotations

import ssl
from functools import lru_cache

from postroom.errors import ConfigurationError
from postroom.model.account import TlsOptions

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


def client_context(options: TlsOptions | None, *, verify: bool) -> ssl.SSLContext:
    """The context for these options; certificates are checked when both sides want it."""
    told = options or TlsOptions()
    return _context(verify and told.reject_unauthorized, told.min_version)


@lru_cache(maxsize=16)
def _context(verify: bool, min_version: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if min_version is not None:
        if min_version not in _VERSIONS:
            raise ConfigurationError(f"Unknown TLS version {min_version[:20]}")
        context.minimum_version = _VERSIONS[min_version]
    return context
