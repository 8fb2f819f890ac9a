"""Reads what a server tells, other than FETCH, into the nouns of `types`: one table by name.

Every reader takes the tokens after the name and gives the value, or None when it makes no sense
of them: then the response is left unread and troubles nobody (RFC 9051 2.2.2 lets servers say
what they like). What is odd but clear is read: unquoted paths with spaces, a delimiter that is
none, numbers in quotes, sets with a broken item in them.

`is_utf8` readers are for connections where mailbox names are UTF-8, in which `&` is a character.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from postroom.imap import reading
from postroom.imap.sets import UidSet, from_numbers, parse_loosely
from postroom.imap.tokens import Token
from postroom.imap.types import (
    Found,
    Listed,
    ListedMailbox,
    MailboxStatus,
    NamespacePart,
    Namespaces,
    Quota,
    QuotaRoots,
    Sorted,
    Thread,
    Threaded,
    Told,
    Vanished,
)

# Threads nested deeper are cut: a mail thread of so many answers has been seen, not more (I28).
MOST_THREAD_DEPTH = 200
# RFC 5465 9, RFC 5258 6: extended data of a LIST response that is read.
_OLDNAME = "OLDNAME"

_COUNTERS: dict[str, str] = {
    "MESSAGES": "messages",
    "UNSEEN": "unseen",
    "UIDNEXT": "uid_next",
    "UIDVALIDITY": "uid_validity",
    "HIGHESTMODSEQ": "highest_modseq",
    "DELETED": "deleted",
    "SIZE": "size",
    "APPENDLIMIT": "append_limit",
    "DELETED-STORAGE": "deleted_storage",
}

Value = Found | Listed | Namespaces | Quota | QuotaRoots | Sorted | Threaded | Told | Vanished
PathOf = Callable[[Token], str]


def read_data(name: str, values: list[Token], *, is_utf8: bool = False) -> Value | None:
    """The value of the data response `name`; None when there is no reader or no sense in it."""
    with_path = _WITH_PATH.get(name)
    if with_path is not None:
        return with_path(values, _utf8_path if is_utf8 else reading.mailbox)
    reader = _READERS.get(name)
    return reader(values) if reader is not None else None


def _utf8_path(value: Token) -> str:
    path = reading.text(value) if not isinstance(value, list) else None
    if path is None:
        return "NIL"
    return "INBOX" if path.upper() == "INBOX" else path


def _listing(name: str) -> Callable[[list[Token], PathOf], Listed | None]:
    def read(values: list[Token], path_of: PathOf) -> Listed | None:
        if len(values) < 3 or not isinstance(values[0], list):
            return None
        words = [reading.text(value) for value in values[0]]
        delimiter = reading.text(values[1])
        named, extended = _named(values[2:])
        mailbox = ListedMailbox(
            path_of(named),
            # RFC 9051 7.3.1: one character, or NIL where there is no hierarchy.
            delimiter if delimiter is not None and len(delimiter) == 1 else None,
            frozenset(word for word in words if word),
            old_path=_old_path(extended, path_of),
        )
        return Listed(name, mailbox)

    return read


def _named(values: Sequence[Token]) -> tuple[Token, list[Token]]:
    """The mailbox name that stands before a list, and that list.

    Exchange has sent paths with spaces unquoted: their words are put together again.
    """
    at = next((at for at, value in enumerate(values) if isinstance(value, list)), len(values))
    words = values[:at]
    rest = values[at] if at < len(values) else None
    extended = rest if isinstance(rest, list) else []
    if len(words) <= 1:
        return (words[0] if words else None), extended
    return b" ".join(reading.raw(word) or b"NIL" for word in words), extended


def _old_path(extended: list[Token], path_of: PathOf) -> str | None:
    for at in range(0, len(extended) - 1, 2):
        value = extended[at + 1]
        if (reading.text(extended[at]) or "").upper() == _OLDNAME and isinstance(value, list):
            return path_of(value[0]) if value else None
    return None


def _told(values: list[Token], path_of: PathOf) -> Told | None:
    named, items = _named(values)
    if len(values) < 2 or not isinstance(values[-1], list):
        return None
    told = reading.pairs(items)
    counters = {
        field: count
        for name, field in _COUNTERS.items()
        if (count := reading.inner_number(told.get(name))) is not None
    }
    status = MailboxStatus(
        path_of(named), mailbox_id=reading.object_id(told.get("MAILBOXID")), **counters
    )
    return Told(status)


def _quota_roots(values: list[Token], path_of: PathOf) -> QuotaRoots | None:
    if not values:
        return None
    roots = (reading.text(value) for value in values[1:])
    return QuotaRoots(path_of(values[0]), tuple(root for root in roots if root is not None))


def _quota(values: list[Token]) -> Quota | None:
    if len(values) < 2 or not isinstance(values[1], list):
        return None
    told = values[1]
    resources = {}
    for at in range(0, len(told) - 2, 3):
        name = (reading.text(told[at]) or "").upper()
        used, limit = reading.number(told[at + 1]), reading.number(told[at + 2])
        if name and used is not None and limit is not None:
            resources[name] = (used, limit)
    return Quota(reading.text(values[0]) or "", resources)


def _namespaces(values: list[Token]) -> Namespaces:
    lists = [*values, None, None, None]
    return Namespaces(_parts(lists[0]), _parts(lists[1]), _parts(lists[2]))


def _parts(value: Token) -> tuple[NamespacePart, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(
        NamespacePart(
            reading.mailbox(part[0]) if part[0] is not None and part[0] != b"" else "",
            (reading.text(part[1]) or None) if len(part) > 1 else None,
        )
        for part in value
        if isinstance(part, list) and part
    )


def _found(values: list[Token]) -> Found:
    # `(MODSEQ n)` may end the line (RFC 7162 3.1.5); it is no message number.
    numbers = [number for value in values if (number := reading.number(value)) is not None]
    modseq = None
    if values and isinstance(values[-1], list):
        modseq = reading.number(reading.pairs(values[-1]).get("MODSEQ"))
    return Found(from_numbers(numbers), modseq=modseq)


def _found_more(values: list[Token]) -> Found:
    """ESEARCH (RFC 4731 3.1): `(TAG "a1") UID MIN 2 ALL 2,10:11`, each part optional."""
    words = list(values)
    tag = None
    if words and isinstance(words[0], list):
        tag = reading.text(reading.pairs(words.pop(0)).get("TAG"))  # type: ignore[arg-type] # a list, as asked
    if words and isinstance(words[0], str) and words[0].upper() == "UID":
        words.pop(0)
    pairs = reading.pairs(words)
    listed = pairs.get("ALL")
    partial = pairs.get("PARTIAL")
    if isinstance(partial, list):
        listed = partial[1] if len(partial) > 1 else None
    numbers, is_whole = parse_loosely(listed) if isinstance(listed, str) else (UidSet(), True)
    return Found(
        numbers,
        reading.message_number(pairs.get("MIN")),
        reading.message_number(pairs.get("MAX")),
        reading.number(pairs.get("COUNT")),
        reading.number(pairs.get("MODSEQ")),
        tag,
        is_whole,
    )


def _sorted(values: list[Token]) -> Sorted:
    numbers = (reading.message_number(value) for value in values)
    return Sorted(tuple(number for number in numbers if number is not None))


def _threaded(values: list[Token]) -> Threaded:
    return Threaded(tuple(_thread(value, MOST_THREAD_DEPTH) for value in values if value))


def _thread(value: Token, depth: int) -> Thread:
    """`(3 6 (4 23) (44 7))`: 6 answers 3; 4 and 44 answer 6."""
    items = value if isinstance(value, list) else [value]
    numbers: list[int | None] = []
    at = 0
    while at < len(items) and not isinstance(items[at], list):
        numbers.append(reading.message_number(items[at]))
        at += 1
    branches = [item for item in items[at:] if isinstance(item, list) and item]
    children = tuple(_thread(item, depth - 1) for item in branches) if depth > 0 else ()
    # Built from the last answer up to the first message, so that a long line needs no stack.
    for number in reversed(numbers[1:]):
        children = (Thread(number, children),)
    return Thread(numbers[0] if numbers else None, children)


def _vanished(values: list[Token]) -> Vanished | None:
    if not values or not isinstance(values[-1], str):
        return None
    # What can be read of a broken set is; that messages went is news in any case.
    uids, _ = parse_loosely(values[-1])
    return Vanished(uids, earlier=isinstance(values[0], list))


_WITH_PATH: dict[str, Callable[[list[Token], PathOf], Value | None]] = {
    "LIST": _listing("LIST"),
    "LSUB": _listing("LSUB"),
    "XLIST": _listing("XLIST"),
    "STATUS": _told,
    "QUOTAROOT": _quota_roots,
}
_READERS: dict[str, Callable[[list[Token]], Value | None]] = {
    "SEARCH": _found,
    "ESEARCH": _found_more,
    "SORT": _sorted,
    "THREAD": _threaded,
    "NAMESPACE": _namespaces,
    "VANISHED": _vanished,
    "QUOTA": _quota,
}
