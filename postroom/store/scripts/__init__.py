"""The atomic writes: one Lua file each, loaded once, with typed wrappers in the nouns' files.

A file may begin with lines `-- include: name` that put `name.lua` (a `_` file: functions only)
before it; Redis itself knows no modules. Conventions: KEYS are all of one hash tag; a script
that writes account state calls `fence(owners_key, account, owner)` first, which ends it with the
error `FENCED` when another worker owns the account (invariant I22); times come from the caller.
"""

from __future__ import annotations

import enum
import functools
import hashlib
import re
from dataclasses import dataclass
from pathlib import Path

_INCLUDE = re.compile(r"^-- include: (\w+)$", re.MULTILINE)


class Script(enum.StrEnum):
    """Every script by its file name."""

    CLAIM = "claim"
    RENEW = "renew"
    RELEASE = "release"
    EXPIRE = "expire"
    IDEMPOTENCY_CLAIM = "idempotency_claim"
    IDEMPOTENCY_FREE = "idempotency_free"
    OUTBOX_PUT = "outbox_put"
    OUTBOX_MARK = "outbox_mark"
    OUTBOX_RETRY = "outbox_retry"
    OUTBOX_FINISH = "outbox_finish"
    OUTBOX_FAIL = "outbox_fail"
    OUTBOX_DELETE = "outbox_delete"
    OUTBOX_SWEEP = "outbox_sweep"
    CREATE_ACCOUNT = "create_account"
    REPLACE_ACCOUNT = "replace_account"
    DELETE_ACCOUNT = "delete_account"
    SET_STATE = "set_state"
    SET_SMTP_STATUS = "set_smtp_status"
    NUMBER_MAILBOX = "number_mailbox"
    COMMIT_MAILBOX = "commit_mailbox"
    COUNT_TRIAL = "count_trial"
    DROP_MAILBOX = "drop_mailbox"
    APPEND_PROTOCOL_LOG = "append_protocol_log"
    PUT_TOKEN = "put_token"
    TOUCH_TOKEN = "touch_token"
    DROP_TOKENS = "drop_tokens"
    ASSIGN_ACCOUNTS = "assign_accounts"
    DISOWN_ACCOUNTS = "disown_accounts"
    HOLD_LOCK = "hold_lock"
    DROP_LOCK = "drop_lock"
    TRIM_LOG = "trim_log"
    DISPATCH_READ = "dispatch_read"
    DISPATCH_PUSH = "dispatch_push"
    LANE_READ = "lane_read"
    LANE_POP = "lane_pop"
    LANE_RETRY = "lane_retry"
    LANE_TAKE = "lane_take"


@dataclass(frozen=True, slots=True)
class Source:
    text: str
    sha: str


@functools.cache
def load(script: Script) -> Source:
    """The script's text with its includes, and its SHA-1 as EVALSHA wants it."""
    text = _expand(_read(script.value))
    return Source(text, hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest())


def _read(name: str) -> str:
    return (Path(__file__).parent / f"{name}.lua").read_text(encoding="ascii")


def _expand(text: str) -> str:
    return _INCLUDE.sub(lambda found: _read(f"_{found.group(1)}"), text)
