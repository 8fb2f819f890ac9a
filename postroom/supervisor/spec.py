"""What a worker process is told when it is started; crosses the process border by pickle."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from pathlib import Path

from postroom.config.options import Options


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """One worker process: `entry` is the `module:function` that is called with this value."""

    kind: str
    entry: str
    worker_id: str
    node: str
    store_url: str
    run_directory: str
    options: Options

    @property
    def socket_path(self) -> str:
        """Where the worker answers calls of the others, should it answer any."""
        return str(Path(self.run_directory) / f"{self.kind}-{self.worker_id[-8:]}.sock")


def new_worker_id(node: str, kind: str) -> str:
    """An id that no earlier process had: a restarted worker is another worker (fencing)."""
    return f"{node}-{kind}-{secrets.token_hex(4)}"
