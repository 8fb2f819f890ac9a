from __future__ import annotations

import base64
import binascii
import quopri

import pytest
from hypothesis import given
from hypothesis import strategies as some

from postroom.mime.transfer import decode_transfer, transfer_decoder

SAMPLE = bytes(range(256)) * 3
ENCODED = {
    "base64": base64.encodebytes(SAMPLE),
    "quoted-printable": quopri.encodestring(SAMPLE, quotetabs=True),
    "x-uuencode": b"begin 644 x\n"
    + b"".join(binascii.b2a_uu(SAMPLE[at : at + 45]) for at in range(0, len(SAMPLE), 45))
    + b"`\nend\n",
    "8bit": SAMPLE,
}


@pytest.mark.parametrize("encoding", ENCODED)
def test_a_body_split_at_any_byte_decodes_the_same(encoding: str) -> None:
    raw = ENCODED[encoding]
    for at in range(len(raw)):
        decoder = transfer_decoder(encoding)
        assert decoder.feed(raw[:at]) + decoder.feed(raw[at:]) + decoder.end() == SAMPLE


def test_base64_survives_rubbish_and_joined_files() -> None:
    assert decode_transfer(b"SGFs!!\nbG8\r\n=\nSGFsbG8=\n", "BASE64") == b"HalloHallo"
    assert decode_transfer(b"SGFsbG8gV2VsdA", "base64") == b"Hallo Welt"
    assert decode_transfer(b"S", "base64") == b""


def test_quoted_printable_survives_wrong_escapes() -> None:
    assert decode_transfer(b"a=ZZb=\r\nc =\n", "quoted-printable") == b"a=ZZbc "


def test_an_unknown_encoding_passes_the_bytes() -> None:
    assert decode_transfer(b"a=41", "x-strange") == b"a=41"
    assert decode_transfer(b"a=41", None) == b"a=41"


@given(
    some.lists(some.binary(max_size=60), max_size=8),
    some.sampled_from(["base64", "quoted-printable", "x-uuencode"]),
)
def test_any_bytes_decode_to_something(chunks: list[bytes], encoding: str) -> None:
    decoder = transfer_decoder(encoding)
    parts = [decoder.feed(chunk) for chunk in chunks]
    assert isinstance(b"".join([*parts, decoder.end()]), bytes)


def test_a_line_without_end_is_given_out_on_the_way() -> None:
    decoder = transfer_decoder("quoted-printable")
    assert decoder.feed(b"x" * 5000 + b"=4")
    assert (decoder.feed(b"1") + decoder.end()).endswith(b"A")


def test_a_uuencoded_line_without_end_does_not_pile_up() -> None:
    decoder = transfer_decoder("x-uuencode")
    decoder.feed(b"begin 644 x\n")
    for _ in range(50):
        assert decoder.feed(b"x" * 5000) == b""
    assert len(decoder._held) <= 1000  # type: ignore[attr-defined]
    assert decoder.feed(b"\n#0V%T\n").endswith(b"Cat")
