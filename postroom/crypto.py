"""Sealing of secrets at rest, signatures and random secrets: bytes in, bytes out (floor F0).

A sealed text is `$wd01$aes-256-gcm$<tag>$<iv>$<salt>$<data>` in hex, its key scrypt(secret, salt)
(contract V1). Text of any other shape is clear text, so a store may hold both. A key costs some
40 ms and 16 MB, therefore a `Sealer` seals under one salt of its own (the IV is what must differ
between two texts) and remembers the keys of the salts that it meets.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import hmac
import re
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from postroom.errors import SealBroken

_SEALED = re.compile(
    r"\$wd01\$aes-256-gcm\$([0-9a-f]{32})\$([0-9a-f]{24})\$([0-9a-f]{32})\$((?:[0-9a-f]{2})*)",
    re.IGNORECASE,
)
_IV_BYTES = 12
_SALT_BYTES = 16
_TAG_BYTES = 16
_KEY_BYTES = 32
# scrypt cost: the defaults of RFC 7914 section 2 for interactive use (16 MB, some 40 ms).
_SCRYPT_N = 16384
_SCRYPT_R = 8
_SCRYPT_P = 1
# Each process that ever sealed left one salt behind; 100 bytes a key.
_KEYS_KEPT = 4096
# Contract settings.json: serviceSecret is 32 hex characters.
_SERVICE_SECRET_BYTES = 16
# Contract A10: a token is 32 random bytes in hex, its id the SHA-256 of those bytes.
_TOKEN_BYTES = 32


class Sealer:
    """Seals and opens texts under one secret; without a secret every text stays as it is."""

    def __init__(self, secret: str | None) -> None:
        self._secret = secret.encode() if secret else None
        self._salt = secrets.token_bytes(_SALT_BYTES)
        self._key = functools.lru_cache(maxsize=_KEYS_KEPT)(self._derive)

    def __repr__(self) -> str:
        return f"Sealer(is_active={self.is_active})"

    @property
    def is_active(self) -> bool:
        """Whether there is a secret to seal with."""
        return self._secret is not None

    def seal(self, text: str) -> str:
        """`text` sealed, or unchanged when there is no secret."""
        if self._secret is None:
            return text
        iv = secrets.token_bytes(_IV_BYTES)
        sealed = AESGCM(self._key(self._salt)).encrypt(iv, text.encode(), None)
        data, tag = sealed[:-_TAG_BYTES], sealed[-_TAG_BYTES:]
        return f"$wd01$aes-256-gcm${tag.hex()}${iv.hex()}${self._salt.hex()}${data.hex()}"

    def unseal(self, text: str) -> str:
        """The clear text. Raises SealBroken when `text` is sealed and the secret does not fit."""
        found = _SEALED.fullmatch(text)
        if found is None:
            return text
        if self._secret is None:
            raise SealBroken("A stored secret is encrypted, but no encryption secret is set")
        tag, iv, salt, data = (bytes.fromhex(group) for group in found.groups())
        try:
            return AESGCM(self._key(salt)).decrypt(iv, data + tag, None).decode()
        except (InvalidTag, UnicodeDecodeError) as error:
            raise SealBroken("A stored secret does not open with the encryption secret") from error

    def _derive(self, salt: bytes) -> bytes:
        return hashlib.scrypt(
            self._secret or b"", salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, dklen=_KEY_BYTES
        )


def is_sealed(text: str) -> bool:
    """Whether `text` has the shape of a sealed text."""
    return _SEALED.fullmatch(text) is not None


def hmac_signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of the exact bytes, base64url without padding (webhooks.json)."""
    digest = hmac.digest(secret.encode(), body, hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def new_service_secret() -> str:
    """A random service secret or instance id: 32 hex characters."""
    return secrets.token_hex(_SERVICE_SECRET_BYTES)


def new_token_value() -> str:
    """A random access token: 64 hex characters."""
    return secrets.token_hex(_TOKEN_BYTES)


def token_id(value: str) -> str:
    """The id a token value is stored under; ValueError unless it is 64 hex characters."""
    raw = bytes.fromhex(value)
    if len(raw) != _TOKEN_BYTES or len(value) != 2 * _TOKEN_BYTES:
        raise ValueError("not a token")
    return hashlib.sha256(raw).hexdigest()
