# Bytes with their end: the only place where a pointer is followed.

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    const char* PyUnicode_AsUTF8AndSize(object text, Py_ssize_t* size) except NULL


cdef struct Text:
    const unsigned char* data
    Py_ssize_t size


cdef enum:
    END = -1
    SPACE = 0x20
    QUOTE = 0x22
    OPEN = 0x28
    CLOSE = 0x29
    BACKSLASH = 0x5C
    CR = 0x0D
    LF = 0x0A

# What a byte may be; see the patterns in `tokens` and `fetch`.
cdef enum:
    STARTS_ATOM = 1
    IN_ATOM = 2
    IN_ODD_ATOM = 4
    IN_FLAGS = 8

# By byte + 1, so that END has a place, and is nothing.
cdef unsigned char CLASSES[257]


cdef void _fill_classes():
    cdef int byte
    cdef unsigned char kinds
    CLASSES[0] = 0
    for byte in range(256):
        kinds = 0
        if byte not in b' ()"\x00\r\n':
            kinds = IN_ODD_ATOM
            if byte != b"["[0]:
                kinds |= IN_ATOM
                if byte not in b"{~":
                    kinds |= STARTS_ATOM
        if 0x20 <= byte < 0x7F and byte not in b'"()*[{':
            kinds |= IN_FLAGS
        CLASSES[byte + 1] = kinds


_fill_classes()


cdef inline Text text_in(bytes raw):
    """The bytes of `raw`, which must outlive it."""
    cdef Text text
    text.data = <const unsigned char*>PyBytes_AS_STRING(raw)
    text.size = PyBytes_GET_SIZE(raw)
    return text


cdef inline int byte_at(const Text* text, Py_ssize_t at) noexcept nogil:
    """The byte there, or END outside."""
    if 0 <= at < text.size:
        return <int>text.data[at]
    return END


cdef inline bint is_a(const Text* text, Py_ssize_t at, int kind) noexcept nogil:
    return (CLASSES[byte_at(text, at) + 1] & kind) != 0


cdef inline bint is_digit(int byte) noexcept nogil:
    return 0x30 <= byte <= 0x39


cdef inline int small(int byte) noexcept nogil:
    """A letter in lower case; anything else as it is."""
    if 0x41 <= byte <= 0x5A:
        return byte + 32
    return byte


cdef inline int check(const Text* text, Py_ssize_t start, Py_ssize_t end) except -1:
    if not 0 <= start <= end <= text.size:
        raise AssertionError("unreachable: cut beyond the bytes")
    return 0


cdef inline bytes cut(const Text* text, Py_ssize_t start, Py_ssize_t end):
    check(text, start, end)
    return PyBytes_FromStringAndSize(<const char*>text.data + start, end - start)


cdef inline str word(const Text* text, Py_ssize_t start, Py_ssize_t end):
    check(text, start, end)
    return PyUnicode_DecodeLatin1(<const char*>text.data + start, end - start, NULL)


cdef inline bint same(const Text* text, Py_ssize_t start, Py_ssize_t end,
                      Py_ssize_t other, Py_ssize_t other_end) except -1:
    """Whether two stretches hold the same bytes."""
    check(text, start, end)
    check(text, other, other_end)
    return (end - start == other_end - other
            and memcmp(text.data + start, text.data + other, end - start) == 0)


cdef inline Py_ssize_t after(const Text* text, Py_ssize_t at, const char* wanted) noexcept nogil:
    """Where it goes on when `wanted` stands there, else -1; handed on when `at` is -1."""
    cdef Py_ssize_t i = 0
    if at < 0:
        return -1
    while wanted[i] != 0:
        if byte_at(text, at + i) != <unsigned char>wanted[i]:
            return -1
        i += 1
    return at + i


cdef inline Py_ssize_t digits(const Text* text, Py_ssize_t at, int most,
                              long long* number) noexcept nogil:
    """Read 1 to `most` (at most 18) digits; where they end, or -1 for none or more."""
    cdef Py_ssize_t start = at
    cdef long long value = 0
    if at < 0:
        return -1
    while is_digit(byte_at(text, at)):
        if at - start == most:
            return -1
        value = value * 10 + (byte_at(text, at) - 0x30)
        at += 1
    number[0] = value
    return at if at > start else -1
