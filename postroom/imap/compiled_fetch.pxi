# The twin of `fetch`, `envelope` and `body`. Which item fills which field is in `fetch.ITEMS`; its
# readers are known here by their identity, and one without a twin is called as it is.

cdef enum:
    AS_IT_IS = 0
    MESSAGE_NUMBER = 1
    FLAGS = 2
    INNER_NUMBER = 3
    NUMBER = 4
    INTERNAL_DATE = 5
    ENVELOPE = 6
    BODY = 7
    OBJECT_ID = 8
    TEXT = 9

cdef dict _TWINS = {
    _reading.message_number: MESSAGE_NUMBER,
    _reading.flags: FLAGS,
    _reading.inner_number: INNER_NUMBER,
    _reading.number: NUMBER,
    _parse_internal_date: INTERNAL_DATE,
    _read_envelope: ENVELOPE,
    _read_body: BODY,
    _reading.object_id: OBJECT_ID,
    _reading.text: TEXT,
}
cdef list _FIELDS = list(FetchedMessage.__struct_fields__)
cdef Py_ssize_t FIELD_COUNT = len(_FIELDS)
cdef Py_ssize_t SEQ = _FIELDS.index("seq")
cdef Py_ssize_t SECTIONS = _FIELDS.index("sections")
# Item -> (place of its field, which reader, the pure reader).
cdef dict READERS = {
    name: (_FIELDS.index(field), _TWINS.get(reader, AS_IT_IS), reader)
    for name, (field, reader) in _ITEMS.items()
}
cdef int MOST_MIME_DEPTH = _MOST_MIME_DEPTH


def read_message(bytes raw not None):
    """The message of a whole FETCH response; None when it is another one, or not IMAP."""
    cdef Text text = text_in(raw)
    cdef long long seq
    cdef list values
    cdef Py_ssize_t at = digits(&text, after(&text, 0, b"* "), 9, &seq)
    at = after(&text, at, b" ")
    if at < 0:
        return None
    at = after(&text, after_any_case(&text, at, b"fetch"), b" ")
    if byte_at(&text, at) != OPEN:
        return None
    try:
        values = read_tokens(&text, at)
    except ProtocolViolation:
        return None
    return read_fetch(seq, <list>values[0])


def read_fetch(object seq, list items not None):
    """The message that the items of one FETCH response tell of."""
    cdef list values = [None] * FIELD_COUNT
    cdef dict sections = {}
    cdef tuple reader
    cdef Py_ssize_t at
    values[SEQ] = seq
    values[SECTIONS] = sections
    for at in range(0, len(items) - 1, 2):
        name = items[at]
        if type(name) is not str:
            continue
        found = READERS.get(name)
        if found is None:
            found = READERS.get((<str>name).upper())
        if found is not None:
            reader = <tuple>found
            values[<Py_ssize_t>reader[0]] = item_of(<int>reader[1], reader[2], items[at + 1])
            continue
        section_name = _section_of(name)
        if section_name is not None:
            sections[section_name] = raw_of(items[at + 1]) or b""
    return FetchedMessage(*values)


cdef object item_of(int twin, object reader, object value):
    if twin == MESSAGE_NUMBER:
        return message_number_of(value)
    if twin == FLAGS:
        return flags_of(value)
    if twin == INNER_NUMBER:
        return number_of(first_of(value))
    if twin == NUMBER:
        return number_of(value)
    if twin == INTERNAL_DATE:
        return internal_date_of(value)
    if twin == ENVELOPE:
        return envelope_of(value)
    if twin == BODY:
        return body_of(value)
    if twin == OBJECT_ID:
        return text_of(first_of(value))
    if twin == TEXT:
        return text_of(value)
    return reader(value)


cdef object envelope_of(object value):
    cdef list fields
    if type(value) is not list:
        return None
    fields = <list>value
    if len(fields) < 10:
        fields = fields + PADDING
    return Envelope(
        text_of(fields[0]),
        raw_of(fields[1]),
        addresses_of(fields[2]),
        addresses_of(fields[3]),
        addresses_of(fields[4]),
        addresses_of(fields[5]),
        addresses_of(fields[6]),
        addresses_of(fields[7]),
        text_of(fields[8]),
        text_of(fields[9]),
    )


cdef tuple addresses_of(object value):
    cdef list found
    cdef list fields
    if type(value) is not list:
        return ()
    found = []
    for item in <list>value:
        if type(item) is list:
            fields = <list>item
            if len(fields) < 4:
                fields = fields + PADDING
            found.append(EnvelopeAddress(raw_of(fields[0]), raw_of(fields[2]), raw_of(fields[3])))
    return tuple(found)


cdef object body_of(object value):
    if type(value) is not list or not <list>value:
        return None
    if type((<list>value)[0]) is list:
        return multipart(<list>value, "", MOST_MIME_DEPTH)
    return single(<list>value, "1", MOST_MIME_DEPTH)


cdef object part_of(list value, str number, int depth):
    if depth <= 0 or not value:
        return BodyPart(number, "application", "octet-stream")
    if type(value[0]) is list:
        return multipart(value, number, depth)
    return single(value, number, depth)


cdef object multipart(list value, str number, int depth):
    cdef Py_ssize_t count = 0
    cdef str prefix = number + "." if number else ""
    cdef list children = []
    cdef object subtype = None
    while count < len(value) and type(value[count]) is list:
        count += 1
        children.append(part_of(<list>value[count - 1], prefix + str(count), depth - 1))
    if count < len(value):
        subtype = text_of(value[count])
    told = at_of(value, count + 2)
    return BodyPart(
        number,
        "multipart",
        lowered(subtype or "mixed"),
        parameters_of(at_of(value, count + 1)),
        None,
        None,
        None,
        0,
        disposition_of(told),
        disposition_parameters_of(told),
        None,
        tuple(children),
    )


cdef object single(list value, str number, int depth):
    cdef object kind = lowered(text_of(at_of(value, 0)) or "text")
    cdef object subtype = lowered(text_of(at_of(value, 1)) or "")
    cdef object nested = value[8] if len(value) > 8 and kind == "message" else None
    cdef bint is_message = type(nested) is list and subtype in ("rfc822", "global")
    cdef Py_ssize_t extension = 10 if is_message else 8 if kind == "text" else 7
    cdef object told = at_of(value, extension + 1)
    return BodyPart(
        number,
        kind,
        subtype or ("plain" if kind == "text" else "octet-stream"),
        parameters_of(at_of(value, 2)),
        text_of(at_of(value, 3)),
        text_of(at_of(value, 4)),
        lowered(text_of(at_of(value, 5))),
        number_of(at_of(value, 6)) or 0,
        disposition_of(told),
        disposition_parameters_of(told),
        envelope_of(at_of(value, 7)) if is_message else None,
        inside(<list>nested, number, depth) if is_message else (),
    )


cdef tuple inside(list nested, str number, int depth):
    if not nested or depth <= 0:
        return ()
    if type(nested[0]) is list:
        return (multipart(nested, number, depth - 1),)
    return (single(nested, number + ".1", depth - 1),)


cdef object disposition_of(object told):
    if type(told) is list and <list>told:
        return lowered(text_of((<list>told)[0]))
    return None


cdef dict disposition_parameters_of(object told):
    if type(told) is list and <list>told:
        return parameters_of(at_of(<list>told, 1))
    return {}


cdef inline object at_of(list value, Py_ssize_t at):
    return value[at] if at < len(value) else None
