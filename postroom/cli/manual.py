"""The pages of the manual that are printed from the tables: `make docs` writes them.

`python -m postroom.cli.manual <directory>` writes `PAGES` there; a test compares them with what is
checked in, so that no option, setting or event is without its place.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from postroom.config import reference
from postroom.events.catalogue import EVENTS, EventEntry
from postroom.model.settings import SETTINGS, Setting

_SETTINGS_INTRO = """# Settings

Settings are changed while Postroom runs: `POST /v1/settings` writes those that are given, and
`GET /v1/settings?webhooks=true&webhookEvents=true` shows those that are asked for. A change takes
effect within a second. Secrets are sealed in the store and shown as `******`. `null` clears a
setting that may be null. What is set at the start of the process is in
[configuration](configuration.md).

Settings of features that are not built yet are kept but have no effect: see
[compatibility](compatibility.md#settings-without-effect-yet).

This page is generated from `postroom/model/settings.py` by `make docs`.
"""

_EVENTS_INTRO = """# Events

What a webhook can announce, by the field `event` of its body. [Webhooks](webhooks.md) tells how
they are delivered. `data` lists the fields of the object `data`; those with a question mark may be
missing. Events of features that are not built yet do not occur: see
[compatibility](compatibility.md#events-that-do-not-occur-yet).

This page is generated from `postroom/events/catalogue.py` by `make docs`.
"""

_KINDS = {"imap": "IMAP", "gmailApi": "Gmail API", "msGraph": "Microsoft Graph"}


def settings_page() -> str:
    """The page docs/settings.md."""
    entries = [_setting(setting) for setting in SETTINGS.values() if setting.is_public]
    return "\n".join([_SETTINGS_INTRO, *entries])


def _setting(setting: Setting) -> str:
    facts = [_type(setting.schema), f"default {_value(setting.default)}"]
    if setting.is_nullable:
        facts.append("may be null")
    if setting.is_secret:
        facts.append("secret")
    return f"## `{setting.name}`\n\n{setting.meaning} ({'; '.join(facts)})\n"


def _type(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return "one of " + ", ".join(f"`{word}`" for word in schema["enum"])
    if "$ref" in schema:
        return "object"
    kind = str(schema["type"])
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    if "x-uri-schemes" in schema:
        return f"URL ({', '.join(schema['x-uri-schemes'])})"
    return kind + _range(schema)


def _range(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if most is not None:
        return f", {least} to {most}"
    if least:
        return f", at least {least}"
    return f", at most {schema['maxLength']} characters" if "maxLength" in schema else ""


def _value(default: Any) -> str:
    return "unset" if default is None else f"`{json.dumps(default)}`"


def events_page() -> str:
    """The page docs/events.md."""
    return "\n".join([_EVENTS_INTRO, *map(_event, EVENTS.values())])


def _event(entry: EventEntry) -> str:
    lines = [f"## `{entry.event.value}`", "", entry.when, ""]
    if entry.has_path:
        lines += ["The body names the mailbox: `path`, and `specialUse` where it has one.", ""]
    lines += ["`data`: " + ", ".join(f"`{field}`" for field in entry.data) + ".", ""]
    if set(entry.accounts) != set(_KINDS):
        lines += [f"Accounts: {', '.join(_KINDS[kind] for kind in entry.accounts)}.", ""]
    return "\n".join(lines)


PAGES: Mapping[str, Callable[[], str]] = {
    "configuration.md": reference.manual,
    "settings.md": settings_page,
    "events.md": events_page,
}


def main(directory: str) -> None:
    """Write every generated page."""
    for name, page in PAGES.items():
        (Path(directory) / name).write_text(page(), encoding="ascii")


if __name__ == "__main__":
    main(sys.argv[1])
