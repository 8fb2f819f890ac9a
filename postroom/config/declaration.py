"""What is known of one start-up option."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from postroom.config.kinds import Kind


@dataclass(frozen=True, slots=True)
class Declaration:
    """One option: `env` in order of precedence, `key` as in TOML and `--key=value`."""

    name: str
    kind: Kind
    default: Any
    section: str
    prose: str
    env: tuple[str, ...] = ()
    key: str | None = None
    # Whether `<ENV>_FILE` may name a file that holds the value.
    has_file: bool = True
    seeds: str | None = None
    # The default as a person reads it, when it is not simply the value.
    shown: str | None = None

    @property
    def title(self) -> str:
        """The name a person knows it by."""
        return self.env[0] if self.env else f"--{self.key}"
