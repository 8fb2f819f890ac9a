"""Sealing, signatures and random secrets."""

from __future__ import annotations

import base64
import hashlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from postroom.crypto import (
    Sealer,
    hmac_signature,
    is_sealed,
    new_service_secret,
    new_token_value,
    token_id,
)
from postroom.errors import SealBroken

SEALER = Sealer("correct horse")


@given(st.text(max_size=200))
@settings(max_examples=50, deadline=None)
def test_a_sealed_text_opens_to_itself(text: str) -> None:
    sealed = SEALER.seal(text)
    assert is_sealed(sealed)
    assert SEALER.unseal(sealed) == text


def test_a_sealed_text_has_the_form_of_the_contract() -> None:
    empty, name, cipher, tag, iv, salt, data = SEALER.seal("abc").split("$")
    assert (empty, name, cipher) == ("", "wd01", "aes-256-gcm")
    assert [len(bytes.fromhex(part)) for part in (tag, iv, salt, data)] == [16, 12, 16, 3]


def test_a_text_sealed_by_the_formula_of_the_contract_opens() -> None:
    salt, iv = bytes(range(16)), bytes(range(12))
    key = hashlib.scrypt(b"correct horse", salt=salt, n=16384, r=8, p=1, dklen=32)
    sealed = AESGCM(key).encrypt(iv, b"hunter2", None)
    tag, data = sealed[-16:].hex(), sealed[:-16].hex()
    assert SEALER.unseal(f"$wd01$aes-256-gcm${tag}${iv.hex()}${salt.hex()}${data}") == "hunter2"


def test_two_sealings_of_one_text_differ() -> None:
    assert SEALER.seal("x") != SEALER.seal("x")


def test_another_process_with_the_same_secret_opens_it() -> None:
    assert Sealer("correct horse").unseal(SEALER.seal("x")) == "x"


@pytest.mark.parametrize(
    "text", ["", "hunter2", "$wd01$", "$wd01$aes-256-gcm$aa$bb$cc$dd", "$wd02$aes-256-gcm$x$y$z$0"]
)
def test_text_of_another_shape_is_clear_text(text: str) -> None:
    assert SEALER.unseal(text) == text
    assert Sealer(None).unseal(text) == text


def test_without_a_secret_text_passes_unchanged() -> None:
    for secret in (None, ""):
        sealer = Sealer(secret)
        assert not sealer.is_active
        assert sealer.seal("hunter2") == "hunter2"


def test_a_wrong_or_missing_secret_is_told() -> None:
    sealed = SEALER.seal("hunter2")
    for sealer in (Sealer("wrong"), Sealer(None)):
        with pytest.raises(SealBroken) as caught:
            sealer.unseal(sealed)
        assert caught.value.public_code == "InternalConfigError"
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("place", [3, 4, 5, 6])
def test_a_changed_byte_anywhere_is_told(place: int) -> None:
    parts = SEALER.seal("hunter2").split("$")
    first = int(parts[place][:2], 16) ^ 1
    parts[place] = f"{first:02x}{parts[place][2:]}"
    with pytest.raises(SealBroken):
        SEALER.unseal("$".join(parts))


def test_the_secret_is_not_in_the_representation() -> None:
    assert "horse" not in repr(SEALER)


def test_a_signature_is_base64url_hmac_sha256_without_padding() -> None:
    # RFC 4231 test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    signature = hmac_signature("Jefe", b"what do ya want for nothing?")
    assert not set("+/=") & set(signature)
    assert base64.urlsafe_b64decode(signature + "=").hex() == expected


def test_random_secrets_have_their_length_and_differ() -> None:
    assert len(new_service_secret()) == 32
    assert len(new_token_value()) == 64
    assert new_service_secret() != new_service_secret()
    assert new_token_value() != new_token_value()


def test_a_token_id_is_the_hash_of_the_bytes_behind_the_hex() -> None:
    assert token_id("00" * 32) == hashlib.sha256(bytes(32)).hexdigest()


@pytest.mark.parametrize("value", ["", "00", "0" * 63, "0" * 66, "zz" * 32, " ".join(["00"] * 32)])
def test_what_is_not_a_token_has_no_id(value: str) -> None:
    with pytest.raises(ValueError, match=r"token|hexadecimal"):
        token_id(value)
