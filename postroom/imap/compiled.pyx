# cython: language_level=3, boundscheck=True, wraparound=False, binding=False
"""The compiled twin of the readers that see every byte: tokens, FETCH data, plain flag lines.

What it does is told in `tokens`, `fetch`, `body`, `envelope`, `dates` and `lines`; this file does
the same in typed C, value for value and error for error, which tests/fuzz proves by comparison.
The tables (which item fills which field), the limits and the values are theirs, imported.

It reads what strangers send, so it has one rule: bytes are read by `byte_at`, which knows the end,
and cut out by `cut` and `word`, which check their bounds. Nothing else touches a pointer. Lists are
indexed with Cython's own check. All loops go forward; nesting is limited as in the pure twin.

It is optional: `twins` takes it when it can be imported. Only this source is distributed, not the C
made from it: Cython is there wherever a wheel is built (pyproject.toml), and C of one Cython
release does not compile with every later Python.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.buffer cimport (
    PyBUF_SIMPLE,
    PyBuffer_Release,
    PyObject_GetBuffer,
)
from cpython.unicode cimport PyUnicode_DecodeLatin1, PyUnicode_DecodeUTF8
from libc.string cimport memcmp

from postroom.imap import reading as _reading
from postroom.imap.body import MOST_MIME_DEPTH as _MOST_MIME_DEPTH
from postroom.imap.body import read_body as _read_body
from postroom.imap.dates import parse_internal_date as _parse_internal_date
from postroom.imap.envelope import read_envelope as _read_envelope
from postroom.imap.errors import ProtocolViolation
from postroom.imap.fetch import ITEMS as _ITEMS
from postroom.imap.fetch import MOST_FLAG_BYTES as _MOST_FLAG_BYTES
from postroom.imap.fetch import section_of as _section_of
from postroom.imap.lines import MOST_UID as _MOST_UID
from postroom.imap.sets import MOST_NUMBER as _MOST_NUMBER
from postroom.imap.tokens import MOST_DEPTH as _MOST_DEPTH
from postroom.imap.types import BodyPart, Envelope, EnvelopeAddress, FetchedMessage

include "compiled_text.pxi"
include "compiled_tokens.pxi"
include "compiled_values.pxi"
include "compiled_fetch.pxi"
include "compiled_lines.pxi"
