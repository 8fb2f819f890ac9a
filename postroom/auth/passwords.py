"""The admin password's hash, as a PHC string: pure (contract O1, config.md 3).

`$pbkdf2-sha256$i=600000$<salt>$<hash>`, salt and hash in base64 without padding.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets

from postroom.errors import ConfigurationError

# Contract O1.
ITERATIONS = 600_000
SALT_BYTES = 16
MIN_PASSWORD_LENGTH = 8
# A crafted hash must not keep a processor busy for minutes at each sign-in.
MAX_ITERATIONS = 10_000_000
_PHC = re.compile(
    r"\$pbkdf2-(sha1|sha256|sha512)\$i=(\d{1,9})(?:,l=\d+)?\$([A-Za-z0-9+/.]+)\$([A-Za-z0-9+/.]+)"
)


def hash_password(password: str) -> str:
    """The PHC string of a new password."""
    salt = secrets.token_bytes(SALT_BYTES)
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, ITERATIONS)
    return f"$pbkdf2-sha256$i={ITERATIONS}${_encode(salt)}${_encode(digest)}"


def is_password(password: str, phc: str) -> bool:
    """Whether the password is the one of the PHC string; a broken string admits nobody."""
    found = _PHC.fullmatch(phc)
    if found is None or not 0 < int(found[2]) <= MAX_ITERATIONS:
        return False
    try:
        salt, digest = _decode(found[3]), _decode(found[4])
    except binascii.Error:
        return False
    tried = hashlib.pbkdf2_hmac(found[1], password.encode(), salt, int(found[2]), len(digest))
    return hmac.compare_digest(tried, digest)


def pack_hash(phc: str) -> str:
    """The one-line form for EENGINE_PREPARED_PASSWORD."""
    return base64.urlsafe_b64encode(phc.encode()).rstrip(b"=").decode("ascii")


def unpack_hash(text: str) -> str:
    """The PHC string in a one-line form. Raises ConfigurationError."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        phc = raw.decode("ascii")
    except (binascii.Error, ValueError) as error:
        raise ConfigurationError("The prepared password is not a packed hash") from error
    found = _PHC.fullmatch(phc)
    if found is None or not 0 < int(found[2]) <= MAX_ITERATIONS:
        raise ConfigurationError("The prepared password is not a $pbkdf2 hash")
    return phc


def _encode(raw: bytes) -> str:
    return base64.b64encode(raw).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    # Some PHC writers use "." where base64 has "+".
    return base64.b64decode(text.replace(".", "+") + "=" * (-len(text) % 4), validate=True)
