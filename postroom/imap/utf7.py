"""Mailbox names in modified UTF-7 (RFC 3501 5.1.3): `&` opens a base64 run of UTF-16, `-` ends it.

Servers also send names that break the rules (raw UTF-8, a lone `&`). Such a name is kept as it
stands, so that what was listed can still be selected.
"""

from __future__ import annotations

import binascii
import re

_RUN = re.compile(r"&([A-Za-z0-9+,]*)-")
_NOT_PRINTABLE = re.compile(r"[^\x20-\x7e]+")


def encode(path: str) -> str:
    """`path` in modified UTF-7."""
    return _NOT_PRINTABLE.sub(_encode_run, path.replace("&", "&-"))


def decode(name: str) -> str:
    """The path that `name` stands for; what is not modified UTF-7 is left as it is."""
    if "&" not in name:
        return name
    try:
        path = _RUN.sub(_decode_run, name)
    except (ValueError, UnicodeDecodeError):
        return name
    # A name that does not come back the same was not modified UTF-7 in the first place.
    return path if encode(path) == name else name


def _encode_run(found: re.Match[str]) -> str:
    raw = found[0].encode("utf-16-be", "surrogatepass")
    coded = binascii.b2a_base64(raw, newline=False).rstrip(b"=").replace(b"/", b",")
    return f"&{coded.decode('ascii')}-"


def _decode_run(found: re.Match[str]) -> str:
    coded = found[1]
    if not coded:
        return "&"
    padded = coded.replace(",", "/") + "=" * (-len(coded) % 4)
    return binascii.a2b_base64(padded).decode("utf-16-be")
