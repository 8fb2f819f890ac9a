"""TLS contexts for outgoing connections, one per combination of options.

A context holds the trusted certificates (some 300 kB) and is shared by all connections that ask
for the same, because 1,000 accounts must not load them 1,000 times.

The floor is what the start-up options demand of every mail server; an account may ask for more.
The size of a Diffie-Hellman group cannot be seen from Python, but OpenSSL's security level bounds
it from below. Where the level of the cipher list does not promise the demanded size, the suites
with such groups are not offered at all: every server of the last 15 years has others.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from functools import lru_cache

from postroom.errors import ConnectFailed
from postroom.model.account import TlsOptions

VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
# SSL_CTX_set_security_level(3): bits of the smallest Diffie-Hellman group at each level.
_GROUP_BITS = (0, 1024, 2048, 3072, 7680, 15360)
_LEVEL = re.compile(r"@SECLEVEL=([0-5])")


@dataclass(frozen=True, slots=True)
class TlsFloor:
    """The least that is taken of any mail server (EENGINE_TLS_...)."""

    min_version: str = "TLSv1"
    min_dh_bits: int = 1024
    ciphers: str = "DEFAULT@SECLEVEL=0"


def client_context(
    options: TlsOptions | None, *, verify: bool, floor: TlsFloor = TlsFloor()
) -> ssl.SSLContext:
    """The context for these options; certificates are checked when both sides want it.

    Raises ConnectFailed for a version that nobody knows (the interface takes any text).
    """
    told = options or TlsOptions()
    if told.min_version is not None and told.min_version not in VERSIONS:
        raise ConnectFailed(
            f"Unknown TLS version {told.min_version[:20]}",
            code="ERR_TLS_INVALID_PROTOCOL_VERSION",
            is_temporary=False,
        )
    lowest = VERSIONS[floor.min_version]
    if told.min_version is not None:
        lowest = max(lowest, VERSIONS[told.min_version])
    return _context(verify and told.reject_unauthorized, lowest, ciphers(floor))


def ciphers(floor: TlsFloor) -> str:
    """The cipher list in OpenSSL's words, without groups whose size nothing promises."""
    found = _LEVEL.search(floor.ciphers)
    # A list without a level has the library's own, which is at least 1.
    level = int(found[1]) if found else 1
    if _GROUP_BITS[level] >= floor.min_dh_bits:
        return floor.ciphers
    return f"{floor.ciphers}:!kDHE:!kDHEPSK"


@lru_cache(maxsize=16)
def _context(verify: bool, lowest: ssl.TLSVersion, cipher_list: str) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    context.minimum_version = lowest
    context.set_ciphers(cipher_list)
    return context
