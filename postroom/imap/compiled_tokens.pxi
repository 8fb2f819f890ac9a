# The twin of `tokens`: the comments there tell what a token is.

cdef Py_ssize_t MOST_DEPTH = _MOST_DEPTH


def tokenise(bytes raw not None, Py_ssize_t start=0):
    """The values of `raw` from `start` on; raises ProtocolViolation."""
    cdef Text text = text_in(raw)
    return read_tokens(&text, start)


cdef list read_tokens(const Text* text, Py_ssize_t at):
    cdef list top = []
    cdef list stack = [top]
    cdef list current = top
    cdef list inner
    cdef Py_ssize_t end
    cdef long long size
    cdef int byte
    while True:
        while byte_at(text, at) == SPACE:
            at += 1
        byte = byte_at(text, at)
        if is_a(text, at, STARTS_ATOM):
            end = at + 1
            while is_a(text, end, IN_ATOM):
                end += 1
            if byte_at(text, end) not in (END, SPACE, OPEN, CLOSE):
                end = odd_atom(text, at)
            current.append(atom(text, at, end))
            at = end
        elif byte == QUOTE:
            end = closing_quote(text, at + 1)
            if end < 0:
                raise ProtocolViolation("The mail server sent bytes that are not IMAP")
            current.append(unquoted(text, at + 1, end))
            at = end + 1
        elif byte == OPEN:
            inner = []
            current.append(inner)
            stack.append(inner)
            current = inner
            at += 1
            if len(stack) > MOST_DEPTH:
                raise ProtocolViolation("The mail server sent lists nested too deeply")
        elif byte == CLOSE:
            stack.pop()
            if not stack:
                raise ProtocolViolation("The mail server closed a list that was not open")
            current = <list>stack[len(stack) - 1]
            at += 1
        elif byte == END:
            break
        else:
            end = literal(text, at, &size)
            if end >= 0:
                if size > text.size - end:
                    raise ProtocolViolation("The mail server sent a truncated literal")
                current.append(cut(text, end, end + size))
                at = end + size
                continue
            end = odd_atom(text, at)
            if end == at:
                raise ProtocolViolation("The mail server sent bytes that are not IMAP")
            current.append(atom(text, at, end))
            at = end
    if len(stack) != 1:
        raise ProtocolViolation("The mail server did not close a list")
    return top


cdef inline object atom(const Text* text, Py_ssize_t start, Py_ssize_t end):
    """The atom between; None for NIL in its three usual spellings."""
    cdef int first, second, third
    if end - start == 3:
        first, second, third = byte_at(text, start), byte_at(text, start + 1), byte_at(text, start + 2)
        if (first == 0x4E and (second == 0x49 and third == 0x4C or second == 0x69 and third == 0x6C)
                or first == 0x6E and second == 0x69 and third == 0x6C):
            return None
    return word(text, start, end)


cdef Py_ssize_t closing_quote(const Text* text, Py_ssize_t at) noexcept nogil:
    """Where the string that started before `at` ends, or -1."""
    cdef int byte
    while True:
        byte = byte_at(text, at)
        if byte == QUOTE:
            return at
        if byte == BACKSLASH:
            at += 1
            byte = byte_at(text, at)
        if byte == END:
            return -1
        at += 1


cdef bytes unquoted(const Text* text, Py_ssize_t start, Py_ssize_t end):
    cdef Py_ssize_t at
    for at in range(start, end):
        if byte_at(text, at) == BACKSLASH:
            return unescaped(text, start, end)
    return cut(text, start, end)


cdef bytes unescaped(const Text* text, Py_ssize_t start, Py_ssize_t end):
    cdef bytearray made = bytearray(end - start)
    cdef Py_ssize_t size = 0
    while start < end:
        if byte_at(text, start) == BACKSLASH and byte_at(text, start + 1) in (QUOTE, BACKSLASH):
            start += 1
        made[size] = byte_at(text, start)
        size += 1
        start += 1
    del made[size:]
    return bytes(made)


cdef Py_ssize_t literal(const Text* text, Py_ssize_t at, long long* size) noexcept nogil:
    """Where the data of the literal announced here start, or -1."""
    if byte_at(text, at) == 0x7E:  # ~
        at += 1
    at = digits(text, after(text, at, b"{"), 10, size)
    if at >= 0 and byte_at(text, at) in (0x2B, 0x2D):  # + -
        at += 1
    return after(text, at, b"}\r\n")


cdef Py_ssize_t odd_atom(const Text* text, Py_ssize_t at) noexcept nogil:
    """Where an atom with a section text, or with brackets and odd bytes, ends."""
    cdef Py_ssize_t end = section(text, at)
    if end >= 0:
        return end
    while is_a(text, at, IN_ODD_ATOM):
        at += 1
    return at


cdef inline Py_ssize_t after_any_case(const Text* text, Py_ssize_t at, const char* wanted) noexcept nogil:
    cdef Py_ssize_t i = 0
    while wanted[i] != 0:
        if small(byte_at(text, at + i)) != wanted[i]:
            return -1
        i += 1
    return at + i


cdef Py_ssize_t section(const Text* text, Py_ssize_t start) noexcept nogil:
    """Where `BODY[...]<0>` or `BINARY[...]` ends, or -1."""
    cdef Py_ssize_t end, at = after_any_case(text, start, b"body")
    cdef int byte
    if at < 0:
        at = after_any_case(text, start, b"binary")
    if at < 0:
        return -1
    while byte_at(text, at) == 0x2E or 0x61 <= small(byte_at(text, at)) <= 0x7A:
        at += 1
    at = after(text, at, b"[")
    if at < 0:
        return -1
    byte = byte_at(text, at)
    while byte not in (0x5B, 0x5D, CR, LF, END):
        at += 1
        byte = byte_at(text, at)
    at = after(text, at, b"]")
    end = after(text, at, b"<")
    if end < 0:
        return at
    while byte_at(text, end) == 0x2E or is_digit(byte_at(text, end)):
        end += 1
    if byte_at(text, end - 1) != 0x3C and byte_at(text, end) == 0x3E:
        return end + 1
    return at
