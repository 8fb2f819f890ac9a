"""The manual is complete and true: every option, setting, event and route has its place, links
lead somewhere, examples name real routes, and what has no effect yet is said to have none."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from postroom.api.routes import ROUTES
from postroom.cli.main import COMMANDS
from postroom.cli.manual import PAGES
from postroom.config.options import declarations
from postroom.events.catalogue import EVENTS
from postroom.model.settings import SETTINGS

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MANUAL = sorted([*DOCS.glob("*.md"), ROOT / "README.md"])
# The tables of names; a name that stands nowhere else in the product is not obeyed.
TABLES = {
    ROOT / "postroom/config/options.py",
    ROOT / "postroom/events/catalogue.py",
    ROOT / "postroom/model/event.py",
    ROOT / "postroom/model/settings.py",
}
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]*)(#[^)\s]+)?\)")
CURL = re.compile(r"curl [^`]*?http://127\.0\.0\.1:3000(/[^\s\"'?<]*)", re.DOTALL)
OPEN_PATHS = {"/health", "/swagger.json", "/admin/reference"}


def _text(path: Path) -> str:
    return path.read_text(encoding="ascii")


def _anchors(text: str) -> set[str]:
    """The ends of links to the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _section(page: str, heading: str) -> set[str]:
    """The names in code marks under a heading."""
    text = _text(DOCS / page).split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"`([^`]+)`", text))


@pytest.fixture(scope="module")
def source() -> str:
    files = {*(ROOT / "postroom").rglob("*.py"), *(ROOT / "postroom").rglob("*.lua")} - TABLES
    return "\n".join(file.read_text() for file in sorted(files))


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_the_one_of_the_tables(name: str) -> None:
    assert _text(DOCS / name) == PAGES[name](), "run `make docs`"


def test_every_option_setting_and_event_has_a_heading() -> None:
    options = _anchors(_text(DOCS / "configuration.md"))
    missing = [o.title for o in declarations() if not _anchors(f"# `{o.title}`") <= options]
    settings = _anchors(_text(DOCS / "settings.md"))
    missing += [s.name for s in SETTINGS.values() if s.is_public and s.name.lower() not in settings]
    events = _anchors(_text(DOCS / "events.md"))
    missing += [event.value for event in EVENTS if event.value.lower() not in events]
    assert missing == []


def test_every_route_and_command_is_told() -> None:
    api = _text(DOCS / "api.md")
    assert [r for r in ROUTES if f"`{r.method} {r.path}`" not in api] == []
    everything = "".join(map(_text, MANUAL))
    assert [c.name for c in COMMANDS if f"postroom {c.name}" not in everything] == []


def test_no_page_names_a_route_that_is_not_there() -> None:
    known = {f"{r.method} {r.path}" for r in ROUTES} | {"GET /health", "GET /swagger.json"}
    for page in MANUAL:
        if page.name != "compatibility.md":
            told = set(re.findall(r"`((?:GET|POST|PUT|DELETE) /[^`?]*)[`?]", _text(page)))
            assert told - known == set(), page.name


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in LINK.findall(_text(page)):
        if "://" in target:
            continue
        file = page.parent / target if target else page
        assert file.exists(), target
        if anchor:
            assert anchor[1:] in _anchors(_text(file)), f"{target}{anchor}"


@pytest.mark.parametrize("page", MANUAL, ids=lambda page: page.name)
def test_examples_call_real_paths(page: Path) -> None:
    patterns = [re.sub(r"\\\{[^}]+\\\}", "[^/]+", re.escape(route.path)) for route in ROUTES]
    for path in CURL.findall(_text(page)):
        known = path in OPEN_PATHS or any(re.fullmatch(one, path) for one in patterns)
        assert known, f"{page.name}: {path}"


def test_the_index_names_every_page() -> None:
    index = {target for target, _ in LINK.findall(_text(DOCS / "index.md"))}
    assert {page.name for page in DOCS.glob("*.md")} - {"index.md"} == index


def test_settings_that_nothing_reads_are_said_to_have_no_effect(source: str) -> None:
    unread = {s.name for s in SETTINGS.values() if s.is_public and f'"{s.name}"' not in source}
    assert _section("compatibility.md", "Settings without effect yet") == unread


def test_events_that_nothing_raises_are_said_not_to_occur(source: str) -> None:
    unraised = {e.value for e in EVENTS if not re.search(rf"EventType\.{e.name}\b", source)}
    assert _section("compatibility.md", "Events that do not occur yet") == unraised


def test_options_that_nothing_reads_are_said_to_have_no_effect(source: str) -> None:
    # One that seeds a setting is as good as the setting.
    unread = {
        option.title
        for option in declarations()
        if option.seeds is None and not re.search(rf"\.{option.name.split('.')[0]}\b", source)
    }
    assert _section("compatibility.md", "Options without effect yet") == unread
