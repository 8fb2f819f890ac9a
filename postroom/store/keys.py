"""Every key, declared once: its shape, its owner and how long it lives (invariant I21).

An account belongs to one of 16 partitions; all its keys and the partition's event log share the
hash tag `{pNN}`, so a script touches one slot of a Redis Cluster (architecture, decision 9).
Keys that belong to no account carry the tag `{g}`. `Keys` puts the configured prefix before each.
Account ids are the caller's text: they stand last or are looked up as hash fields, and never
become part of a pattern (invariant I27).
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

PARTITIONS = 16
# Raised when the meaning of stored data changes; a store of another layout is refused at start.
LAYOUT = 1


@dataclass(frozen=True, slots=True)
class KeyShape:
    """One kind of key: `owner` is the room that writes it, `retention` when it goes away."""

    name: str
    kind: str
    owner: str
    retention: str
    holds: str


SHAPES: tuple[KeyShape, ...] = (
    KeyShape("{g}:layout", "string", "store", "for ever", "layout version of the data"),
    KeyShape("{g}:settings", "hash", "store.settings", "for ever", "setting name -> JSON"),
    KeyShape("{g}:tokens", "zset", "store.tokens", "until deleted", "token id by creation time"),
    KeyShape("{g}:token:<id>", "string", "store.tokens", "until deleted or expired", "token JSON"),
    KeyShape("{g}:account-tokens:<account>", "set", "store.tokens", "account", "its token ids"),
    KeyShape("{g}:rate:<token id>:<window>", "string", "store.rates", "window", "calls so far"),
    KeyShape("{g}:coordinator", "string", "cluster", "15 s", "node that assigns accounts"),
    KeyShape("{g}:members", "hash", "cluster", "silent members are swept", "worker id -> JSON"),
    KeyShape("{g}:queues-paused", "set", "queue", "for ever", "names of paused queues"),
    KeyShape("{g}:health", "string", "store", "10 s", "probe of the health check"),
    KeyShape("{pNN}:accounts", "zset", "store.accounts", "account", "account ids, all score 0"),
    KeyShape("{pNN}:owners", "hash", "cluster", "account", "account -> `worker:epoch`"),
    KeyShape("{pNN}:owners-version", "string", "cluster", "for ever", "the last epoch given"),
    KeyShape("{pNN}:events", "stream", "events", "capped, never past a lane", "the event log"),
    KeyShape("{pNN}:schedule:<queue>", "zset", "queue", "item", "item by due time in ms"),
    KeyShape("{pNN}:leases:<queue>", "hash", "queue", "item", "item -> lease token"),
    KeyShape("{pNN}:failed:<queue>", "zset", "queue", "500 items, 7 days", "item by failure time"),
    KeyShape(
        "{pNN}:account:<account>",
        "hash",
        "store.accounts",
        "account",
        "record, state, lastError, syncTime, counters `n:<event>`, ...",
    ),
    KeyShape("{pNN}:mailboxes:<account>", "hash", "store.mailboxes", "account", "path -> cursor"),
    KeyShape(
        "{pNN}:numbers:<account>",
        "hash",
        "store.mailboxes",
        "account",
        "folder number both ways (contract A2)",
    ),
    KeyShape(
        "{pNN}:index:<number>:<account>",
        "hash",
        "store.mailboxes",
        "account or reset",
        "block number -> packed block",
    ),
    KeyShape(
        "{pNN}:seen:<account>",
        "zset",
        "store.mailboxes",
        "account, capped",
        "hash of Message-ID by first sight (contract C11)",
    ),
    KeyShape(
        "{pNN}:moves:<account>",
        "hash",
        "store.mailboxes",
        "account, capped",
        "stable ids by message id and places by stable id (setting notifyMoved)",
    ),
    KeyShape(
        "{pNN}:moves-order:<account>",
        "zset",
        "store.mailboxes",
        "account, capped",
        "fields of moves by age",
    ),
    KeyShape(
        "{pNN}:trials:<account>",
        "hash",
        "store.mailboxes",
        "account, or until the message was read",
        "folder number:uid -> readings that their worker did not survive (invariant I13)",
    ),
    KeyShape(
        "{pNN}:protocol-log:<account>",
        "list",
        "store.protocol_log",
        "account, capped, 7 days after its last line",
        "what was said on its connections, one JSON object a line (contract Z2)",
    ),
    KeyShape(
        "{pNN}:outbox:<queue id>",
        "hash",
        "store.outbox",
        "until delivered or failed",
        "record, MIME bytes",
    ),
    KeyShape("{pNN}:outboxes:<account>", "set", "store.outbox", "account", "its queue ids"),
    KeyShape(
        "{pNN}:idempotency:<day>:<account>",
        "hash",
        "store.outbox",
        "48 h",
        "idempotency key -> stored answer",
    ),
    KeyShape(
        "{pNN}:lane:<lane>",
        "list",
        "store.lanes",
        "until delivered or dead",
        "event log ids waiting for one destination of one account",
    ),
    KeyShape(
        "{pNN}:lane-state:<lane>",
        "hash",
        "store.lanes",
        "lane",
        "account, destination, attempts of the head",
    ),
    KeyShape("{pNN}:lanes:<account>", "set", "store.lanes", "account", "its lanes"),
    KeyShape(
        "{pNN}:dispatched",
        "string",
        "store.lanes",
        "for ever",
        "log id up to which every event is on its lanes",
    ),
)


def partition_of(account: str) -> int:
    """The partition (0 to 15) that an account's keys live in."""
    return zlib.crc32(account.encode()) % PARTITIONS


class Keys:
    """The keys of one store, with its prefix."""

    def __init__(self, prefix: str = "") -> None:
        self.prefix = f"{prefix}:" if prefix else ""

    def shared(self, name: str) -> str:
        """A key that belongs to no account: `shared("settings")` -> `{g}:settings`."""
        return f"{self.prefix}{{g}}:{name}"

    def part(self, partition: int, name: str) -> str:
        """A key of a partition: `part(3, "events")` -> `{p03}:events`."""
        return f"{self.prefix}{{p{partition:02d}}}:{name}"

    def of(self, account: str, name: str) -> str:
        """A key of the account's partition that is not the account's alone."""
        return self.part(partition_of(account), name)

    def account(self, account: str, name: str = "account") -> str:
        """A key of one account: `account("a1", "mailboxes")` -> `{p07}:mailboxes:a1`."""
        return self.of(account, f"{name}:{account}")

    def index(self, account: str, number: int) -> str:
        """The index blocks of one mailbox."""
        return self.of(account, f"index:{number}:{account}")

    def partitions(self) -> Iterator[int]:
        return iter(range(PARTITIONS))
