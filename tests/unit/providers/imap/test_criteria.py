from __future__ import annotations

from typing import Any

import pytest

from postroom.errors import InvalidInput, Unprocessable
from postroom.imap.commands.search import Key, Search
from postroom.imap.encode import Offered
from postroom.providers.imap.criteria import Server, search_criteria

NOW_MS = 1_800_000_000_000


def server(*capabilities: str) -> Server:
    return Server(capabilities.__contains__, NOW_MS)


def line(search: dict[str, Any], *capabilities: str) -> bytes:
    """What is sent for a search, literals put in one line."""
    criteria = search_criteria(search, server(*capabilities))
    offered = Offered(frozenset(("LITERAL+",)))
    return b"".join(Search(criteria).start(offered).segments).removesuffix(b"\r\n")


@pytest.mark.parametrize(
    ("search", "sent"),
    [
        ({}, b"UID SEARCH ALL"),
        ({"seq": "1:3,9"}, b"UID SEARCH 1:3,9"),
        ({"uid": "1:*"}, b"UID SEARCH UID 1:*"),
        ({"answered": True, "deleted": False}, b"UID SEARCH ANSWERED UNDELETED"),
        ({"draft": False, "flagged": True}, b"UID SEARCH UNDRAFT FLAGGED"),
        ({"seen": False, "unseen": True}, b"UID SEARCH UNSEEN UNSEEN"),
        ({"unseen": False}, b"UID SEARCH SEEN"),
        ({"larger": 10, "smaller": 20}, b"UID SEARCH LARGER 10 SMALLER 20"),
        ({"since": "2026-11-20T23:59:00Z"}, b"UID SEARCH SINCE 20-Nov-2026"),
        ({"before": "2026-01-05"}, b"UID SEARCH BEFORE 5-Jan-2026"),
        ({"sentBefore": "2026-01-05"}, b"UID SEARCH SENTBEFORE 5-Jan-2026"),
        # A zone carries the moment out of the years that can be written.
        ({"since": "0001-01-01T00:00:00+14:00"}, b"UID SEARCH SINCE 1-Jan-0001"),
        ({"sentBefore": "9999-12-31T23:59:59-14:00"}, b"UID SEARCH SENTBEFORE 31-Dec-9999"),
        ({"from": None}, b"UID SEARCH ALL"),
    ],
)
def test_fields_become_criteria(search: dict[str, Any], sent: bytes) -> None:
    assert line(search) == sent


@pytest.mark.parametrize(
    ("search", "sent"),
    [
        # One hour and one second before now; now is 2027-01-15T08:00:00Z.
        ({"since": "2027-01-15T06:59:59.000Z"}, b"UID SEARCH YOUNGER 3601"),
        ({"before": "2027-01-15T07:00:00.000Z"}, b"UID SEARCH OLDER 3600"),
        ({"before": "2027-01-15T08:00:00+01:00"}, b"UID SEARCH OLDER 3600"),
        ({"since": "2027-01-15"}, b"UID SEARCH SINCE 15-Jan-2027"),
        ({"since": "2027-01-15T00:00:00Z"}, b"UID SEARCH SINCE 15-Jan-2027"),
        ({"since": "2027-01-15T09:00:00Z"}, b"UID SEARCH SINCE 15-Jan-2027"),
        ({"before": "1850-01-15T09:00:00Z"}, b"UID SEARCH BEFORE 15-Jan-1850"),
        ({"sentSince": "2027-01-15T07:00:00Z"}, b"UID SEARCH SENTSINCE 15-Jan-2027"),
    ],
)
def test_a_time_of_day_is_exact_where_the_server_can(search: dict[str, Any], sent: bytes) -> None:
    assert line(search, "WITHIN") == sent


def test_text_is_always_quoted_or_a_literal() -> None:
    assert line({"subject": 'a"b'}).endswith(b'SUBJECT "a\\"b"')
    assert line({"body": "x) ALL"}).endswith(b'BODY "x) ALL"')
    assert b"CHARSET UTF-8" in line({"from": "\u00fc"})
    assert b"{6+}\r\na\r\nALL" in line({"to": "a\r\nALL"})


def test_headers_are_searched_by_value_or_presence() -> None:
    assert line({"header": {"X-Id": "7"}}).startswith(b"UID SEARCH HEADER")
    assert line({"header": {"X-Id": True}}).endswith(b'""')
    with pytest.raises(InvalidInput):
        line({"header": {"X Id:": "7"}})


@pytest.mark.parametrize(
    "search",
    [
        {"seq": "1 OR 2"},
        {"uid": "a"},
        {"uid": "1,,2"},
        {"since": "soon"},
        {"larger": "big"},
        {"header": "x"},
        {"colour": "red"},
        {"labels": ["x"]},
    ],
)
def test_wrong_fields_are_named(search: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput) as refused:
        line(search, "X-GM-EXT-1")
    (field,) = refused.value.extra["fields"]
    assert field["key"] == f"search.{next(iter(search))}"


@pytest.mark.parametrize(
    "search",
    [
        {"gmailRaw": "is:unread"},
        {"labels": {"has": ["x"]}},
        {"emailId": "1"},
        {"threadId": "1"},
        {"modseq": 5},
    ],
)
def test_a_missing_extension_is_refused_and_not_left_out(search: dict[str, Any]) -> None:
    with pytest.raises(Unprocessable) as refused:
        line(search)
    assert refused.value.public_code == "MissingServerExtension"


def test_gmail_and_object_ids_use_their_extension() -> None:
    assert search_criteria({"emailId": "7"}, server("OBJECTID")) == (Key("EMAILID"), "7")
    found = search_criteria({"threadId": "7"}, server("X-GM-EXT-1"))
    assert found == (Key("X-GM-THRID"), "7")
    found = search_criteria({"labels": {"has": ["a"], "not": ["b"]}}, server("X-GM-EXT-1"))
    label = Key("X-GM-LABELS")
    assert found == (label, "a", Key("NOT"), label, "b")
    search = {"labels": {"has": ["\u00e4"]}}
    assert search_criteria(search, server("X-GM-EXT-1")) == (label, "&AOQ-")
    utf8 = Server({"X-GM-EXT-1"}.__contains__, NOW_MS, is_utf8=True)
    assert search_criteria(search, utf8) == (label, "\u00e4")


def test_terms_of_api_accounts_are_unsupported() -> None:
    with pytest.raises(InvalidInput) as refused:
        line({"emailIds": ["x"]})
    assert refused.value.public_code == "UnsupportedSearchTerm"
