"""How the text of an option becomes a value: pure, total, with a sentence for what is wrong.

The human forms are those of the contract: durations are milliseconds or carry a unit (`10s`),
sizes are bytes or carry one (`25MB`), worker counts may be the word `cpus`, and a boolean is true
when it starts with `y` or `true` or is a non-zero whole number - everything else is false.
"""

from __future__ import annotations

import json
import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from postroom.model.secret import Secret

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]*)", re.IGNORECASE)
_DURATION_MS = {
    **dict.fromkeys(("", "ms", "millisecond", "milliseconds"), 1),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), 1_000),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60_000),
    **dict.fromkeys(("h", "hour", "hours"), 3_600_000),
    **dict.fromkeys(("d", "day", "days"), 86_400_000),
    **dict.fromkeys(("w", "week", "weeks"), 604_800_000),
}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?", re.IGNORECASE)
_SIZE_BYTES = {"": 1, "k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40}
MAX_PORT = 65_535
_TLS_VERSIONS = {name.lower(): name for name in ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")}
# More workers of one kind than this is a slip of the finger, not a machine.
MAX_WORKERS = 1_024


@dataclass(frozen=True, slots=True)
class Kind:
    """A form of value: `expects` completes "is not ...", `parse` raises ValueError."""

    name: str
    expects: str
    parse: Callable[[str], Any]


def parse_boolean(text: str) -> bool:
    """The contract's loose truth: `yes`, `true...`, `1`; everything else, `on` too, is false."""
    low = text.strip().lower()
    if low.startswith(("y", "true")):
        return True
    return bool(re.fullmatch(r"[+-]?\d+", low)) and int(low) != 0


def parse_integer(text: str) -> int:
    """A whole number, not negative."""
    if not re.fullmatch(r"\d{1,15}", text.strip()):
        raise ValueError(text)
    return int(text)


def parse_duration_ms(text: str) -> int:
    """Milliseconds of `1500`, `500ms`, `10s`, `5m`, `2h`, `3d`."""
    found = _DURATION.fullmatch(text.strip())
    if not found or found[2].lower() not in _DURATION_MS:
        raise ValueError(text)
    return round(float(found[1]) * _DURATION_MS[found[2].lower()])


def parse_size_bytes(text: str) -> int:
    """Bytes of `5242880`, `5M`, `25MB`, `1G`."""
    found = _SIZE.fullmatch(text.strip())
    if not found:
        raise ValueError(text)
    return round(float(found[1]) * _SIZE_BYTES[found[2].lower()])


def parse_port(text: str) -> int:
    """0 to 65535; 0 lets the system choose."""
    number = parse_integer(text)
    if number > MAX_PORT:
        raise ValueError(text)
    return number


def parse_count(text: str) -> int:
    """A number of workers, or `cpus` for one per processor."""
    if text.strip().lower() == "cpus":
        return os.cpu_count() or 1
    number = parse_integer(text)
    if number > MAX_WORKERS:
        raise ValueError(text)
    return number


def parse_list(text: str) -> tuple[str, ...]:
    """Comma separated words."""
    return tuple(word.strip() for word in text.split(",") if word.strip())


def parse_words(text: str) -> tuple[str, ...]:
    """Blank separated words."""
    return tuple(text.replace(",", " ").split())


def parse_json_object(text: str) -> dict[str, Any]:
    """A JSON object."""
    value = json.loads(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - callers catch ValueError only
    return value


def parse_store_url(text: str) -> str:
    """A Redis address."""
    url = text.strip()
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError(text)
    return url


def parse_tls_version(text: str) -> str:
    """The name of a TLS version, in any case."""
    name = _TLS_VERSIONS.get(text.strip().lower())
    if name is None:
        raise ValueError(text)
    return name


def parse_ciphers(text: str) -> str:
    """A cipher list that OpenSSL understands."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(text)
    except ssl.SSLError as error:
        raise ValueError(text) from error
    return text


def one_of(*words: str) -> Kind:
    """One of the given words, in any case."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in words:
            raise ValueError(text)
        return word

    return Kind("choice", "one of " + ", ".join(words), parse)


TEXT = Kind("text", "text", str)
SECRET = Kind("secret", "text", Secret)
BOOLEAN = Kind("boolean", "true or false", parse_boolean)
INTEGER = Kind("integer", "a whole number", parse_integer)
DURATION = Kind("duration", "a duration such as 500ms, 10s, 5m, 2h or 3d", parse_duration_ms)
SIZE = Kind("size", "a size such as 500k, 5M or 1G", parse_size_bytes)
PORT = Kind("port", "a port number (0 to 65535)", parse_port)
COUNT = Kind("count", "a number of workers or the word cpus", parse_count)
LIST = Kind("list", "a comma separated list", parse_list)
WORDS = Kind("words", "a blank separated list", parse_words)
JSON_OBJECT = Kind("JSON", "a JSON object", parse_json_object)
STORE_URL = Kind("address", "a redis:// or rediss:// address", parse_store_url)
LOG_LEVEL = one_of("silent", "fatal", "error", "warn", "info", "debug", "trace")
TLS_VERSION = Kind("choice", "one of TLSv1, TLSv1.1, TLSv1.2, TLSv1.3", parse_tls_version)
CIPHERS = Kind("text", "a cipher list that OpenSSL knows", parse_ciphers)
EGRESS = one_of("link-local", "private", "off")
