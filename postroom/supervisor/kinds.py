"""The kinds of workers: what runs where, and how many of each (architecture, section 4)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from postroom.config.options import Options

# Imported once in the fork server, so that all workers share these pages (decision 4).
PRELOAD = ("postroom.workers.preload", "postroom.cli.main")


@dataclass(frozen=True, slots=True)
class WorkerKind:
    """One kind.

    `stops_first` takes part in the first step of a shutdown; `announces` tells itself that
    the product is up and what to try, so that the supervisor does not.
    """

    name: str
    entry: str
    count: Callable[[Options], int]
    stops_first: bool = False
    announces: bool = False


KINDS = (
    WorkerKind("imap", "postroom.workers.imap:run", lambda options: options.workers),
    WorkerKind("webhooks", "postroom.workers.webhooks:run", lambda o: o.workers_webhooks),
    WorkerKind("submit", "postroom.workers.submit:run", lambda options: options.workers_submit),
    # The API goes first: no new request comes in while the others finish what they have.
    WorkerKind("api", "postroom.workers.api:run", lambda o: o.workers_api, stops_first=True),
)
