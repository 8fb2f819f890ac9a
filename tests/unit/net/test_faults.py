from __future__ import annotations

import socket
import ssl

import pytest

from postroom.net.faults import connect_failed


def refused_certificate(verify_code: int) -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError("refused")
    error.verify_code = verify_code
    error.verify_message = "reason"
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConnectionRefusedError(111, "x"), "ECONNREFUSED"),
        (ConnectionResetError(104, "x"), "ECONNRESET"),
        (OSError(113, "x"), "EHOSTUNREACH"),
        (OSError("Multiple exceptions: [Errno 111] a, [Errno 101] b"), "ECONNREFUSED"),
        (OSError("odd"), "ECONNECTION"),
        (socket.gaierror(-2, "x"), "ENOTFOUND"),
        (TimeoutError(), "ETIMEDOUT"),
        (TimeoutError(110, "x"), "ETIMEDOUT"),
        (refused_certificate(10), "CERT_HAS_EXPIRED"),
        (refused_certificate(18), "DEPTH_ZERO_SELF_SIGNED_CERT"),
        (refused_certificate(19), "SELF_SIGNED_CERT_IN_CHAIN"),
        (refused_certificate(20), "UNABLE_TO_VERIFY_LEAF_SIGNATURE"),
        (refused_certificate(62), "ERR_TLS_CERT_ALTNAME_INVALID"),
        (refused_certificate(99), "CERT_UNTRUSTED"),
        (None, "ECONNRESET"),
    ],
)
def test_each_error_has_the_code_of_the_contract(error: Exception | None, code: str) -> None:
    failed = connect_failed(error, "mail.example.com", 993)
    assert failed.public_code == code
    assert "mail.example.com:993" in failed.text
    assert failed.temporary
