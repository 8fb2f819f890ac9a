"""From draft to log entry and back."""

from __future__ import annotations

import uuid
import zlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.events.catalogue import EVENTS
from postroom.events.emit import COMPRESS_ABOVE_BYTES, prepare
from postroom.events.log import decode_payload
from postroom.model.account import Credentials
from postroom.model.event import EventDraft, EventType
from postroom.model.message import MessageSummary
from postroom.model.secret import Secret

NOW_MS = 1_795_000_000_123


def draft(data: object, **fields: str) -> EventDraft:
    return EventDraft(event=EventType.MESSAGE_NEW, data=data, **fields)  # type: ignore[arg-type]


def test_a_prepared_event_holds_the_whole_event() -> None:
    (prepared,) = prepare(
        "a:{1}", [draft({"id": "x"}, path="INBOX", special_use="\\Inbox")], NOW_MS
    )
    assert uuid.UUID(prepared.event_id).version == 4
    assert prepared.event == "messageNew"
    assert msgspec.json.decode(prepared.payload) == {
        "eventId": prepared.event_id,
        "account": "a:{1}",
        "date": "2026-11-18T11:06:40.123Z",
        "event": "messageNew",
        "path": "INBOX",
        "specialUse": "\\Inbox",
        "data": {"id": "x"},
    }


def test_every_event_has_its_own_id() -> None:
    prepared = prepare("a", [draft({})] * 50, NOW_MS)
    assert len({one.event_id for one in prepared}) == 50


def test_a_model_value_is_written_as_the_interface_shows_it() -> None:
    (prepared,) = prepare("a", [draft(MessageSummary(id="x", thread_id="t"))], NOW_MS)
    assert decode_payload(prepared.payload).data == {"id": "x", "threadId": "t"}


def test_a_large_payload_is_compressed_and_read_back() -> None:
    text = "word " * COMPRESS_ABOVE_BYTES
    small, large = prepare("a", [draft({"t": "x"}), draft({"t": text})], NOW_MS)
    assert small.payload[:1] == b"{"
    assert large.payload[:1] == b"\x78"
    assert len(large.payload) < len(text) // 4
    assert decode_payload(large.payload).data == {"t": text}


@given(st.dictionaries(st.text(), st.text() | st.integers(-(2**53), 2**53) | st.booleans()))
def test_any_data_comes_back(data: dict[str, object]) -> None:
    (prepared,) = prepare("\u4e2d", [draft(data)], NOW_MS)
    event = decode_payload(prepared.payload)
    assert (event.account, event.data, event.event_id) == ("\u4e2d", data, prepared.event_id)


def test_a_secret_in_the_data_is_masked() -> None:
    data = {"auth": Credentials(user="u", password=Secret("canary"))}
    (prepared,) = prepare("a", [draft(data)], NOW_MS)
    assert b"canary" not in prepared.payload


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"\x78", b"\x78\x9c1234", b"[]", zlib.compress(b"no"), b'{"event":"x"}']
)
def test_a_damaged_entry_is_told(payload: bytes) -> None:
    with pytest.raises(ValueError, match="damaged"):
        decode_payload(payload)


def test_the_catalogue_knows_every_event() -> None:
    assert set(EVENTS) == set(EventType)
    for entry in EVENTS.values():
        assert entry.when.endswith(".")
        assert len(set(entry.data)) == len(entry.data) > 0
