# The twin of `reading` and `dates`: small readers that take any token.

cdef long long MOST_NUMBER = _MOST_NUMBER
cdef Py_ssize_t MOST_DIGITS = _reading.MOST_DIGITS
cdef Py_ssize_t MOST_KEPT_FLAG = _reading.MOST_KEPT_FLAG

cdef list PADDING = [None] * 10


cdef inline object raw_of(object value):
    if type(value) is bytes:
        return value
    return (<str>value).encode("latin-1") if type(value) is str else None


cdef inline object text_of(object value):
    if type(value) is bytes:
        return decoded(<bytes>value)
    if type(value) is str:
        return value if PyUnicode_IS_ASCII(value) else decoded((<str>value).encode("latin-1"))
    return None


cdef inline str decoded(bytes data):
    try:
        return PyUnicode_DecodeUTF8(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL)
    except UnicodeDecodeError:
        return PyUnicode_DecodeLatin1(PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), NULL)


cdef inline object lowered(object value):
    """Lower case of a text; the text itself where it is that."""
    cdef Text text
    cdef Py_ssize_t at
    if value is None:
        return None
    if PyUnicode_IS_ASCII(value):
        text.data = <const unsigned char*>PyUnicode_AsUTF8AndSize(value, &text.size)
        for at in range(text.size):
            if 0x41 <= byte_at(&text, at) <= 0x5A:
                break
        else:
            return value
    return (<str>value).lower()


cdef inline object number_of(object value):
    cdef Text text
    cdef Py_ssize_t at
    cdef long long number
    if type(value) is bytes:
        text = text_in(<bytes>value)
    elif type(value) is str and PyUnicode_IS_ASCII(value):
        text.data = <const unsigned char*>PyUnicode_AsUTF8AndSize(value, &text.size)
    else:
        return None
    if text.size > MOST_DIGITS:
        return None
    if text.size <= 18:
        return number if digits(&text, 0, 18, &number) == text.size else None
    for at in range(text.size):
        if not is_digit(byte_at(&text, at)):
            return None
    return int(value)


cdef inline object message_number_of(object value):
    cdef object told = number_of(value)
    return told if told is not None and 0 < told <= MOST_NUMBER else None


cdef inline object first_of(object value):
    if type(value) is list:
        return (<list>value)[0] if <list>value else None
    return value


# The one text of each flag; emptied when full, as a server may invent any number.
cdef dict KEPT_FLAGS = {}


cdef inline object flag_of(str name):
    cdef object kept = KEPT_FLAGS.get(name)
    if kept is None:
        kept = _reading.flag(name)
        if len(name) <= MOST_KEPT_FLAG:
            if len(KEPT_FLAGS) >= 4096:
                KEPT_FLAGS.clear()
            KEPT_FLAGS[name] = kept
    return kept


cdef object flags_of(object value):
    cdef list found
    if type(value) is not list:
        return ()
    found = []
    for item in <list>value:
        if type(item) is str and <str>item != "\\Recent":
            found.append(flag_of(<str>item))
    return tuple(found)


cdef dict parameters_of(object value):
    cdef dict found = {}
    cdef list told
    cdef Py_ssize_t at
    if type(value) is list:
        told = <list>value
        for at in range(0, len(told) - 1, 2):
            name, content = text_of(told[at]), text_of(told[at + 1])
            if name and content is not None:
                found[lowered(name)] = content
    return found


cdef int month_of(const Text* text, Py_ssize_t at) noexcept nogil:
    """1 to 12 for `Jan` to `Dec` in any case, else 0."""
    cdef const char* names = b"janfebmaraprmayjunjulaugsepoctnovdec"
    cdef int month
    for month in range(12):
        if (small(byte_at(text, at)) == names[3 * month]
                and small(byte_at(text, at + 1)) == names[3 * month + 1]
                and small(byte_at(text, at + 2)) == names[3 * month + 2]):
            return month + 1
    return 0


cdef Py_ssize_t fixed(const Text* text, Py_ssize_t at, int count, long long* number) noexcept nogil:
    """Read exactly so many digits."""
    cdef Py_ssize_t end = at + count
    cdef long long value = 0
    if at < 0:
        return -1
    while at < end:
        if not is_digit(byte_at(text, at)):
            return -1
        value = value * 10 + (byte_at(text, at) - 0x30)
        at += 1
    number[0] = value
    return at


cdef bint is_letter(int byte) noexcept nogil:
    return 0x61 <= small(byte) <= 0x7A


cdef int days_in(long long year, int month) noexcept nogil:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


cdef long long days_before(long long year) noexcept nogil:
    """Days from the year 1 to the start of this year, in the Gregorian calendar."""
    year -= 1
    return year * 365 + year // 4 - year // 100 + year // 400


cdef object internal_date_of(object value):
    cdef Text text
    cdef Py_ssize_t at, month_at
    cdef long long day, year, hour, minute, second, zone_hours, zone_minutes, days, seconds
    cdef int month, sign, earlier
    if type(value) is not bytes:
        return None
    text = text_in(<bytes>value)
    at = 1 if byte_at(&text, 0) == SPACE else 0
    at = month_at = after(&text, digits(&text, at, 2, &day), b"-")
    if at < 0 or not (is_letter(byte_at(&text, at)) and is_letter(byte_at(&text, at + 1))
                      and is_letter(byte_at(&text, at + 2))):
        return None
    at = after(&text, fixed(&text, after(&text, at + 3, b"-"), 4, &year), b" ")
    at = after(&text, fixed(&text, at, 2, &hour), b":")
    at = after(&text, fixed(&text, at, 2, &minute), b":")
    at = after(&text, fixed(&text, at, 2, &second), b" ")
    sign = byte_at(&text, at)
    if at < 0 or sign not in (0x2B, 0x2D):
        return None
    at = fixed(&text, fixed(&text, at + 1, 2, &zone_hours), 2, &zone_minutes)
    if at != text.size:
        return None
    month = month_of(&text, month_at)
    if month == 0 or not 1 <= year or not 1 <= day <= days_in(year, month) or hour > 23 or minute > 59:
        return None
    # A leap second is the last second that a day has elsewhere.
    second = min(second, 59)
    days = days_before(year) - days_before(1970) + day - 1
    for earlier in range(1, month):
        days += days_in(year, earlier)
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    zone_minutes += zone_hours * 60
    return (seconds - (zone_minutes if sign == 0x2B else -zone_minutes) * 60) * 1000
