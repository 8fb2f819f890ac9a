"""Bytes of an unknown or wrongly named charset to text; the one file that guesses.

Order: the declared charset when Python knows it and the bytes fit; else UTF-8 when they are valid
UTF-8 (no other charset looks like it by accident); else the guess of charset-normalizer on a
sample; else windows-1252, in which every byte shows as something. Nothing here raises.
"""

from __future__ import annotations

import codecs
import re
from functools import lru_cache

from charset_normalizer import from_bytes

# Enough for a statistic, and the guess costs milliseconds per kilobyte.
GUESS_SAMPLE_BYTES = 16_384
# Below this a guess is a coin toss between eight-bit charsets.
GUESS_LEAST_BYTES = 16

FALLBACK = "cp1252"
_ASCII = "ascii"

# What undeclared mail is written in. The Mac and DOS pages look alike to a statistic and would
# win by chance.
GUESSABLE = (
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "koi8_r",
    "cp932", "euc_jp", "cp949", "gb18030", "big5",
)  # fmt: skip

# Python has codecs that are no charsets: base64 and zlib (bombs), punycode (quadratic), escapes.
_CHARSET_NAME = re.compile(
    r"(utf|iso|cp|koi8|gb|big5|shift_jis|euc|mac|ascii|latin|tis|hz|johab|ptcp|kz)[a-z0-9_-]*\Z"
)

# Names seen in mail that Python does not know, or whose common use is a superset (WHATWG Encoding).
_ALIASES = {
    "iso-8859-1": "cp1252",
    "latin1": "cp1252",
    "gb2312": "gb18030",
    "gb_2312-80": "gb18030",
    "x-gbk": "gb18030",
    "gbk": "gb18030",
    "ks_c_5601-1987": "cp949",
    "ks_c_5601": "cp949",
    "euc-kr": "cp949",
    "x-sjis": "cp932",
    "shift_jis": "cp932",
    "shift-jis": "cp932",
    "iso-8859-8-i": "iso-8859-8",
    "iso-8859-8-e": "iso-8859-8",
    "x-mac-roman": "mac-roman",
    "macintosh": "mac-roman",
    "unicode-1-1-utf-7": "utf-7",
    "unicode-1-1-utf-8": "utf-8",
    "utf8mb4": "utf-8",
    "x-unknown": "",
    "unknown-8bit": "",
    "default": "",
}


@lru_cache(maxsize=512)
def codec_for(charset: str | None) -> str | None:
    """The Python codec for a declared charset, or None when there is no such charset."""
    name = (charset or "").strip().strip("\"'").lower()[:64]
    name = _ALIASES.get(name, name)
    if not name.isascii() or not name:
        return None
    if name.startswith("windows-"):
        name = "cp" + name.removeprefix("windows-")
    try:
        found = codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
    return found if _CHARSET_NAME.match(found) else None


def decode(raw: bytes, charset: str | None = None, *, is_cut: bool = False) -> str:
    """`raw` as text; with `is_cut` an incomplete last character is dropped, not replaced."""
    if raw.isascii() and (charset is None or not _uses_ascii_escapes(charset)):
        return raw.decode("ascii")
    declared = codec_for(charset)
    fitting = _try(raw, declared, is_cut) if declared else None
    if fitting is not None and not _is_disguised_utf8(raw, declared, is_cut):
        return fitting
    text = _try(raw, "utf-8", is_cut)
    if text is not None:
        return text
    if declared in (None, _ASCII):
        # Servers say US-ASCII where a message says nothing (Dovecot), so it means nothing here.
        return _replace(raw, _guess(raw), is_cut)
    return _replace(raw, declared or FALLBACK, is_cut)


def _uses_ascii_escapes(charset: str | None) -> bool:
    """Charsets that spell other characters with ASCII bytes."""
    name = codec_for(charset)
    return name is not None and name.startswith(("iso2022", "utf-7", "utf-16", "utf-32", "hz"))


def _is_disguised_utf8(raw: bytes, declared: str | None, is_cut: bool) -> bool:
    """UTF-8 sent as US-ASCII or ISO 8859-1: common, and windows-1252 accepts nearly any bytes."""
    return declared == FALLBACK and _try(raw, "utf-8", is_cut) is not None


def _try(raw: bytes, codec: str, is_cut: bool) -> str | None:
    try:
        return _whole(codecs.getincrementaldecoder(codec)("strict").decode(raw, not is_cut))
    except (UnicodeError, ValueError):
        return None


def _replace(raw: bytes, codec: str, is_cut: bool) -> str:
    try:
        return _whole(codecs.getincrementaldecoder(codec)("replace").decode(raw, not is_cut))
    except (UnicodeError, ValueError):  # some codecs refuse even to replace
        return raw.decode("latin-1")


def _whole(text: str) -> str:
    """UTF-7 can spell half a surrogate pair, which no JSON encoder takes."""
    return text.encode("utf-8", "replace").decode("utf-8")


def _guess(raw: bytes) -> str:
    if len(raw) < GUESS_LEAST_BYTES:
        return FALLBACK
    best = from_bytes(raw[:GUESS_SAMPLE_BYTES], cp_isolation=list(GUESSABLE)).best()
    return (codec_for(best.encoding) if best is not None else None) or FALLBACK
