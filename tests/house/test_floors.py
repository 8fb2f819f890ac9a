"""A room imports lower floors only, and sideways only where ARCHITECTURE.md's table says so."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "postroom"
# What is not a room: the package itself and the way in (`python -m postroom`).
DOORS = {"__init__", "__main__"}


@dataclass
class Plan:
    """The table: the floor of each room, the single files of a floor, and the sideways arrows."""

    floors: dict[str, int] = field(default_factory=dict)
    files: set[str] = field(default_factory=set)
    sideways: set[tuple[str, str]] = field(default_factory=set)

    def allows(self, source: str, target: str) -> bool:
        """Whether `source` may import `target`."""
        if source == target or self.floors[target] < self.floors[source]:
            return True
        if self.floors[target] > self.floors[source]:
            return False
        # The single files of a floor (clock, logs, errors ...) serve the whole floor.
        return target in self.files or (source, target) in self.sideways


def read_plan(text: str) -> Plan:
    """The plan in the table of section 2."""
    plan = Plan()
    for floor, rooms, sideways in re.findall(r"^\| F(\d)[^|]*\|([^|]+)\|([^|]+)\|$", text, re.M):
        here = [name.removesuffix(".py") for name in re.findall(r"`([^`]+)`", rooms)]
        plan.floors.update(dict.fromkeys(here, int(floor)))
        plan.files |= {name.removesuffix(".py") for name in re.findall(r"`([^`]+\.py)`", rooms)}
        for left, right in re.findall(r"([\w, ]+) -> ([\w, ]+)", sideways):
            sources = here if left.strip() == "all" else _names(left)
            targets = here if right.strip() == "any" else _names(right)
            plan.sideways |= {(source, target) for source in sources for target in targets}
    return plan


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


PLAN = read_plan((ROOT / "ARCHITECTURE.md").read_text())


def room_of(module: str) -> str:
    """`postroom.store.keys` -> `store`."""
    return module.split(".")[1] if "." in module else "__init__"


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """Every `postroom` module that a file imports anywhere, with the line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} relative import"
            # `from postroom import store` imports a room by its name.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from ((name, node.lineno) for name in names)


FILES = sorted(PACKAGE.rglob("*.py"))


def test_the_table_is_read() -> None:
    assert PLAN.floors["model"] == 0
    assert PLAN.floors["workers"] == 5
    assert ("submit", "accounts") in PLAN.sideways
    assert PLAN.allows("store", "clock")
    assert not PLAN.allows("store", "queue")
    assert not PLAN.allows("net", "api")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_imports_only_what_its_floor_allows(path: Path) -> None:
    source = room_of(module_of(path))
    if source in DOORS:
        return
    assert source in PLAN.floors, f"{source} has no floor in ARCHITECTURE.md"
    wrong = [
        f"line {line}: {target}"
        for target, line in imports(path)
        if target.startswith("postroom.")
        and room_of(target) in PLAN.floors
        and not PLAN.allows(source, room_of(target))
    ]
    assert wrong == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_provider_imports_another_one(path: Path) -> None:
    parts = path.relative_to(PACKAGE).parts
    if parts[0] != "providers" or len(parts) < 3:
        return
    mine = f"postroom.providers.{parts[1]}"
    siblings = {entry.name for entry in (PACKAGE / "providers").iterdir() if entry.is_dir()}
    wrong = [
        f"line {line}: {target}"
        for target, line in imports(path)
        if target.startswith("postroom.providers.")
        and target.split(".")[2] in siblings
        and not f"{target}.".startswith(f"{mine}.")
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("source", "statement", "is_allowed"),
    [
        ("store", "from postroom.clock import Clock", True),
        ("store", "import postroom.queue.schedule", False),
        ("queue", "from postroom.store import wake", True),
        ("model", "from postroom.store.keys import Keys", False),
        ("webhooks", "from postroom import accounts", True),
    ],
)
def test_the_rule_itself_can_fail(
    tmp_path: Path, source: str, statement: str, is_allowed: bool
) -> None:
    file = tmp_path / "file.py"
    file.write_text(statement)
    ((target, _),) = imports(file)
    assert PLAN.allows(source, room_of(target)) == is_allowed
