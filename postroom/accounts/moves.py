"""Telling moves: a message gone here and new there is the same one if its stable id says so.

Optional (setting notifyMoved) and besides messageDeleted and messageNew. Remembered is, of messages
that were announced while it was on, the stable id (OBJECTID, X-GM-MSGID) by message id, and by
stable id a `Trace`: where the message stands, where it left from, where it turned up before it
left. Both orders of seeing a move end in one event, written with the step that completes the pair.
Pure but for `Moves.of`; the recorder's turn keeps two steps of an account from crossing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from postroom.model.event import EventDraft, EventType
from postroom.model.value import Value
from postroom.model.wire import encode
from postroom.providers.interface import MailboxChange
from postroom.store.mailboxes import Mailboxes

_ID, _TRACE = "i", "e"


class Place(Value, frozen=True, kw_only=True):
    """A message in a mailbox."""

    id: str
    uid: int | None = None
    path: str
    special_use: str | None = None


class Trace(Value, frozen=True, kw_only=True):
    """What is known of the places of one message."""

    here: Place | None = None
    # It left from here, and was not seen elsewhere since.
    gone: Place | None = None
    # It turned up here while it still stood there.
    came: Place | None = None


@dataclass(slots=True)
class Moves:
    """The moves that one step proves, and what to remember with it; empty bytes forget."""

    email_ids: dict[str, str] = field(default_factory=dict)
    traces: dict[str, Trace] = field(default_factory=dict)
    drafts: list[EventDraft] = field(default_factory=list)
    notes: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    async def of(cls, account: str, change: MailboxChange, mailboxes: Mailboxes) -> Moves:
        """The moves of a step, from what is remembered of its messages."""
        ids = [f"{_ID}{gone.id}" for gone in change.removed]
        known = await mailboxes.moved_notes(account, ids)
        moves = cls({name[1:]: raw.decode() for name, raw in known.items()})
        added = {one.email_id for one in change.added if one.email_id}
        wanted = sorted(added.union(moves.email_ids.values()))
        raw = await mailboxes.moved_notes(account, [f"{_TRACE}{one}" for one in wanted])
        moves.traces = _read(raw)
        moves.take(change)
        return moves

    def take(self, change: MailboxChange) -> None:
        """Follow the messages of a step."""
        path, use = change.cursor.path, change.cursor.special_use
        for gone in change.removed:
            self._left(Place(id=gone.id, uid=gone.uid, path=path, special_use=use))
        for new in change.added:
            if new.email_id:
                place = Place(id=new.id, uid=new.uid, path=path, special_use=use)
                self._came(new.email_id, place)

    def _left(self, place: Place) -> None:
        email_id = self.email_ids.pop(place.id, None)
        if email_id is None:
            return
        self.notes[_ID + place.id] = b""
        trace = self.traces.get(email_id, Trace())
        if trace.here is not None and trace.here.id == place.id:
            if trace.came is not None:
                self._tell(email_id, place, trace.came)
                self._note(email_id, Trace(here=trace.came))
            else:
                self._note(email_id, Trace(gone=place))
        elif trace.came is not None and trace.came.id == place.id:
            self._note(email_id, Trace(here=trace.here))

    def _came(self, email_id: str, place: Place) -> None:
        self.email_ids[place.id] = email_id
        self.notes[_ID + place.id] = email_id.encode()
        trace = self.traces.get(email_id, Trace())
        if trace.gone is not None:
            self._tell(email_id, trace.gone, place)
            self._note(email_id, Trace(here=place))
        elif trace.here is not None and trace.here.id != place.id:
            self._note(email_id, Trace(here=trace.here, came=place))
        else:
            self._note(email_id, Trace(here=place))

    def _note(self, email_id: str, trace: Trace) -> None:
        self.traces[email_id] = trace
        self.notes[_TRACE + email_id] = encode(trace)

    def _tell(self, email_id: str, before: Place, after: Place) -> None:
        data = {
            "id": after.id,
            "uid": after.uid,
            "path": after.path,
            "emailId": email_id,
            "previous": {"id": before.id, "uid": before.uid, "path": before.path},
        }
        self.drafts.append(
            EventDraft(
                event=EventType.MESSAGE_MOVED,
                data=data,
                path=after.path,
                special_use=after.special_use,
            )
        )


def _read(raw: Mapping[str, bytes]) -> dict[str, Trace]:
    return {name[1:]: msgspec.json.decode(value, type=Trace) for name, value in raw.items()}
