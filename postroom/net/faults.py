"""The one table from socket and TLS errors to the codes of the contract (event connectError).

The codes are the names of the operating system and of OpenSSL, as clients of the interface know
them. Texts hold the address and nothing that was sent.
"""

from __future__ import annotations

import errno
import re
import socket
import ssl

from postroom.errors import ConnectFailed

# OpenSSL's X509_V_ERR numbers. 20 is what OpenSSL says first of a server that sends its leaf
# certificate only; clients know that fault by the name of the error that follows it, 21.
_CERTIFICATE_CODES = {
    9: "CERT_NOT_YET_VALID",
    10: "CERT_HAS_EXPIRED",
    18: "DEPTH_ZERO_SELF_SIGNED_CERT",
    19: "SELF_SIGNED_CERT_IN_CHAIN",
    20: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    21: "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
    23: "CERT_REVOKED",
    62: "ERR_TLS_CERT_ALTNAME_INVALID",
    64: "ERR_TLS_CERT_ALTNAME_INVALID",
}
# asyncio raises these by itself, when the peer goes away during a TLS handshake.
_WITHOUT_NUMBER: dict[type[OSError], int] = {
    ConnectionResetError: errno.ECONNRESET,
    ConnectionAbortedError: errno.ECONNABORTED,
    BrokenPipeError: errno.ECONNRESET,
}
_ERRNO = re.compile(r"\[Errno (\d+)\]")


def connect_failed(error: BaseException | None, host: str, port: int) -> ConnectFailed:
    """Our error for a connection that could not be opened, or broke while it was being set up."""
    code, text = _told(error)
    return ConnectFailed(
        f"{text} ({host}:{port})",
        code=code,
        log={"error": type(error).__name__ if error else None, "host": host, "port": port},
    )


def _told(error: BaseException | None) -> tuple[str, str]:
    if isinstance(error, ssl.SSLCertVerificationError):
        code = _CERTIFICATE_CODES.get(error.verify_code, "CERT_UNTRUSTED")
        return code, f"The certificate is refused: {error.verify_message.rstrip('.')}"
    if isinstance(error, ssl.SSLError):
        return f"ERR_SSL_{error.reason or 'FAILURE'}", "The TLS handshake failed"
    if isinstance(error, socket.gaierror):
        return "ENOTFOUND", "The host name is unknown"
    if isinstance(error, TimeoutError) and error.errno is None:
        return "ETIMEDOUT", "Connection timeout"
    if isinstance(error, ValueError) and not isinstance(error, OSError):
        return "ENOTFOUND", "The host name is malformed"
    if isinstance(error, OSError):
        code = _errno_name(error)
        return code, f"connect {code}"
    return "ECONNRESET", "The server closed the connection"


def _errno_name(error: OSError) -> str:
    """The name of the error; when several addresses failed, that of the first."""
    number = error.errno
    if number is None:
        found = _ERRNO.search(str(error))
        number = int(found[1]) if found else _WITHOUT_NUMBER.get(type(error))
    return errno.errorcode.get(number, "ECONNECTION") if number is not None else "ECONNECTION"
