"""What the events of an account say, replayed in their order and held against the truth.

Lost: a message or mailbox that is there was not told of, or one that went was not told to have
gone. Doubled: told twice. Wrong: told, and never true; flags other than the true ones at the end;
gone before it came.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from postroom.model.event import Event
from tests.fakes.person import Fact, Place, Standing, Truth


@dataclass
class Retold:
    """The mailboxes as somebody knows them who heard every event."""

    truth: Truth
    mailboxes: dict[str, int]
    state: dict[Place, frozenset[str]]
    # The mailboxes that the account watches; None for all.
    watched: frozenset[str] | None = None
    doubled: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    told: int = 0
    _seen: set[str] = field(default_factory=set)
    # What was announced in the present life of each mailbox.
    _announced: set[Place] = field(default_factory=set)

    @classmethod
    def before(cls, truth: Truth, watched: frozenset[str] | None) -> Retold:
        """What is known before the first event: what is true now."""
        known = cls(truth, {}, {}, watched)
        known.mailboxes = known._true_mailboxes()
        known.state = {place: fact.flags for place, fact in known._present().items()}
        return known

    def hear(self, events: Iterable[Event]) -> None:
        for event in events:
            if event.event_id in self._seen:
                self.doubled.append(f"the same event: {event.event_id}")
                continue
            self._seen.add(event.event_id)
            if taker := _TAKERS.get(event.event):
                self.told += 1
                taker(self, event.path or "", event.data)

    def lost(self) -> list[str]:
        """What is true and was not told."""
        present, mailboxes = self._present(), self._true_mailboxes()
        return [
            *(f"mailbox {path}" for path in mailboxes.keys() - self.mailboxes.keys()),
            *(f"end of mailbox {path}" for path in self.mailboxes.keys() - mailboxes.keys()),
            *(
                f"message {place}"
                for place, fact in present.items()
                if place not in self.state and fact.standing is Standing.MUST
            ),
            *(f"end of message {place}" for place in self.state.keys() - present.keys()),
        ]

    def differing(self) -> list[str]:
        """Flags that are others than the true ones, and UIDVALIDITY values."""
        present = self.truth.present()
        return [
            *(
                f"flags of {place}: {sorted(flags)} for {sorted(present[place].flags)}"
                for place, flags in self.state.items()
                if place in present and present[place].flags != flags
            ),
            *(
                f"UIDVALIDITY of {path}: {validity} for {self.truth.mailboxes[path]}"
                for path, validity in self.mailboxes.items()
                if self.truth.mailboxes.get(path, validity) != validity
            ),
        ]

    def is_true(self) -> bool:
        return not self.lost() and not self.differing()

    def new(self, path: str, data: dict[str, Any]) -> None:
        place = self._place(path, data)
        fact = self.truth.facts.get(place)
        if place in self.state or place in self._announced:
            self.doubled.append(f"new {place}")
        if fact is None:
            self.wrong.append(f"new, never there: {place}")
        elif fact.standing is Standing.NEVER:
            self.wrong.append(f"old mail announced: {place}")
        self._announced.add(place)
        self.state[place] = self._flags(place, data.get("flags") or ())

    def updated(self, path: str, data: dict[str, Any]) -> None:
        place = self._place(path, data)
        changes = data["changes"].get("flags")
        if changes is None:
            # Labels only, of which the truth is not kept.
            return
        fact = self.truth.facts.get(place)
        value = self._flags(place, changes["value"])
        if place in self.state:
            before = self.state[place]
            if before == value:
                self.doubled.append(f"flags {place} {sorted(value)}")
            moved = (before | set(changes.get("added", ()))) - set(changes.get("deleted", ()))
            if moved != value:
                self.wrong.append(f"flags of {place} from {before} to {value} by {changes}")
        elif fact is None or fact.standing is Standing.MUST:
            self.wrong.append(f"updated, not known: {place}")
        self.state[place] = value

    def deleted(self, path: str, data: dict[str, Any]) -> None:
        place = self._place(path, data)
        fact = self.truth.facts.get(place)
        is_known = place in self.state
        if fact is None or fact.is_there:
            self.wrong.append(f"deleted, is there: {place}")
        elif not is_known and (fact.standing is Standing.MUST or place in self._announced):
            self.wrong.append(f"deleted, not known: {place}")
        self.state.pop(place, None)

    def missing(self, path: str, data: dict[str, Any]) -> None:
        place = self._place(path, data)
        fact = self.truth.facts.get(place)
        if fact is None or fact.is_there:
            self.wrong.append(f"missing, is there: {place}")

    def mailbox_new(self, path: str, data: dict[str, Any]) -> None:
        if path in self.mailboxes:
            self.doubled.append(f"mailbox {path}")
        self._begin(path, int(data["uidValidity"]))

    def mailbox_reset(self, path: str, data: dict[str, Any]) -> None:
        if path not in self.mailboxes:
            self.wrong.append(f"reset, not known: mailbox {path}")
        if data["reason"] != "uidValidityChange":
            self.wrong.append(f"reset for {data['reason']}: mailbox {path}")
        self._begin(path, int(data["uidValidity"]))

    def mailbox_deleted(self, path: str, _data: dict[str, Any]) -> None:
        if path not in self.mailboxes:
            self.doubled.append(f"end of mailbox {path}")
        if path not in self.truth.gone:
            self.wrong.append(f"mailbox deleted, never gone: {path}")
        self._forget(path)
        self.mailboxes.pop(path, None)

    def _present(self) -> dict[Place, Fact]:
        present = self.truth.present().items()
        return {place: fact for place, fact in present if self._is_watched(place[0])}

    def _true_mailboxes(self) -> dict[str, int]:
        mailboxes = self.truth.mailboxes.items()
        return {path: validity for path, validity in mailboxes if self._is_watched(path)}

    def _is_watched(self, path: str) -> bool:
        return self.watched is None or path in self.watched

    def _begin(self, path: str, validity: int) -> None:
        if (path, validity) not in self.truth.ever:
            self.wrong.append(f"mailbox {path} never had UIDVALIDITY {validity}")
        self._forget(path)
        self.mailboxes[path] = validity

    def _forget(self, path: str) -> None:
        self.state = {place: flags for place, flags in self.state.items() if place[0] != path}
        self._announced = {place for place in self._announced if place[0] != path}

    def _place(self, path: str, data: dict[str, Any]) -> Place:
        return path, self.mailboxes.get(path, 0), data["uid"]

    def _flags(self, place: Place, told: Iterable[str]) -> frozenset[str]:
        """The told flags, which the message must have had at some time."""
        flags = frozenset(told) - {"\\Recent"}
        fact = self.truth.facts.get(place)
        if fact is not None and flags not in fact.past:
            self.wrong.append(f"flags {sorted(flags)} of {place}, never true")
        return flags


_TAKERS = {
    "messageNew": Retold.new,
    "messageUpdated": Retold.updated,
    "messageDeleted": Retold.deleted,
    "messageMissing": Retold.missing,
    "mailboxNew": Retold.mailbox_new,
    "mailboxReset": Retold.mailbox_reset,
    "mailboxDeleted": Retold.mailbox_deleted,
}
