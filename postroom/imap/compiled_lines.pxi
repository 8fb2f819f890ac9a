# The twin of `lines`: one line at a time by hand, in the order of `fetch.FLAGS_LINE`.

cdef long long MOST_UID = _MOST_UID
cdef Py_ssize_t MOST_FLAG_BYTES = _MOST_FLAG_BYTES


cdef struct Line:
    long long uid
    Py_ssize_t flags
    Py_ssize_t flags_end


def read_flag_lines(bytearray buffer not None, Py_ssize_t start, object lines):
    """Read the run of plain flag lines at `start` into `lines`; where the next line starts."""
    cdef Py_buffer held
    cdef Text text
    # While it is held nobody can resize the buffer: `lines.mask` runs foreign code.
    PyObject_GetBuffer(buffer, &held, PyBUF_SIMPLE)
    try:
        text.data = <const unsigned char*>held.buf
        text.size = held.len
        return read_run(&text, start, lines)
    finally:
        PyBuffer_Release(&held)


cdef Py_ssize_t read_run(const Text* text, Py_ssize_t start, object lines) except? -1:
    cdef dict entries = lines.entries
    cdef dict masks = lines.masks
    cdef Line line
    cdef Py_ssize_t end, known = 0, known_end = -1
    cdef object mask = None
    while True:
        end = read_line(text, start, &line)
        if end < 0 or not 0 < line.uid <= MOST_UID:
            break
        # Neighbours often have the same flags: then nothing is looked up.
        if known_end < 0 or not same(text, known, known_end, line.flags, line.flags_end):
            flags = cut(text, line.flags, line.flags_end)
            mask = masks.get(flags)
            if mask is None:
                mask = lines.mask_of(flags)
            known, known_end = line.flags, line.flags_end
        entries[line.uid] = mask
        start = end
    lines.check(len(entries))
    return start


cdef Py_ssize_t read_line(const Text* text, Py_ssize_t at, Line* line) noexcept nogil:
    """Where the plain flag line ends that stands here, or -1; a UID of 0 when it has none."""
    cdef long long ignored
    cdef Py_ssize_t end
    line.uid = 0
    at = after(text, digits(text, after(text, at, b"* "), 9, &ignored), b" FETCH (")
    if at < 0:
        return -1
    end = after(text, digits(text, after(text, at, b"UID "), 10, &line.uid), b" ")
    at = end if end >= 0 else at
    end = after(text, modseq(text, at), b" ")
    at = after(text, end if end >= 0 else at, b"FLAGS (")
    if at < 0:
        return -1
    line.flags = at
    while is_a(text, at, IN_FLAGS) and at - line.flags < MOST_FLAG_BYTES:
        at += 1
    line.flags_end = at
    at = after(text, at, b")")
    end = digits(text, after(text, at, b" UID "), 10, &line.uid)
    at = end if end >= 0 else at
    if at < 0:
        return -1
    end = modseq(text, after(text, at, b" "))
    return after(text, end if end >= 0 else at, b")\r\n")


cdef Py_ssize_t modseq(const Text* text, Py_ssize_t at) noexcept nogil:
    """Where `MODSEQ (n)` ends, or -1; of 1 to 19 digits, whose value does not matter here."""
    cdef Py_ssize_t start
    start = at = after(text, at, b"MODSEQ (")
    while is_digit(byte_at(text, at)):
        at += 1
    if at == start or at - start > 19:
        return -1
    return after(text, at, b")")
