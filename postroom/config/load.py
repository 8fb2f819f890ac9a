"""Merges the sources of the start-up options: environment, arguments, TOML file, default.

Environment wins over `--section.key=value`, which wins over the TOML file of `--config=<path>`,
which wins over the default. A `.env` file in the working directory fills variables that are not
set; `<NAME>_FILE` names a file that holds the value of `<NAME>` where the table allows it. An
empty variable counts as unset, as compose files leave them. Whatever does not parse raises
ConfigurationError with one line that names the option and its source.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from postroom.config.declaration import Declaration
from postroom.config.dotenv import parse_dotenv
from postroom.config.options import Options, declarations
from postroom.config.tls import LISTENERS, ListenerTls
from postroom.errors import ConfigurationError

CONFIG_KEY = "config"
# A value in an error line is shown up to this length.
MAX_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Found:
    """A value before parsing, and where it came from."""

    value: Any
    source: str


def load(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    directory: Path,
    complain: Callable[[str], None] = lambda line: None,
) -> Options:
    """The options of this run; `complain` takes lines about what was ignored."""
    variables = {**_dotenv(directory), **{k: v for k, v in environment.items() if v != ""}}
    given = parse_arguments(arguments)
    path = given.pop(CONFIG_KEY, None)
    table = _read_toml(directory / path) if path else {}
    values: dict[str, Any] = {}
    for option in declarations():
        # All are asked, so that what remains of arguments and file is unknown.
        sources = (
            _from_environment(option, variables, complain),
            _from_arguments(option, given),
            _from_toml(option, table),
        )
        for found in sources:
            if found is not None:
                values[option.name] = _parse(option, found)
                break
    _refuse_unknown(given)
    for key in _leaves(table):
        complain(f"{path}: {key} is not an option of Postroom; ignored")
    return _build(values)


def load_process(
    arguments: Sequence[str], complain: Callable[[str], None] = lambda line: None
) -> Options:
    """The options from this process's own environment and working directory."""
    return load(arguments, os.environ, Path.cwd(), complain)


def parse_arguments(arguments: Sequence[str]) -> dict[str, str]:
    """`--key=value` and `--key value` pairs; a key without value is `true`."""
    pairs: dict[str, str] = {}
    words = list(arguments)
    while words:
        word = words.pop(0)
        if not word.startswith("--") or len(word) == 2:
            raise ConfigurationError(
                f"Unexpected argument {word}: options look like --api.port=3000"
            )
        key, equals, value = word[2:].partition("=")
        if not equals:
            value = words.pop(0) if words and not words[0].startswith("-") else "true"
        pairs[key] = value
    return pairs


def _dotenv(directory: Path) -> dict[str, str]:
    try:
        return parse_dotenv((directory / ".env").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f".env cannot be read: {error}") from error


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"--config: {path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"--config: {path} is not valid TOML: {error}") from error


def _from_environment(
    option: Declaration, variables: Mapping[str, str], complain: Callable[[str], None]
) -> Found | None:
    for name in option.env:
        if variables.get(name):
            return Found(variables[name], f"environment variable {name}")
        path = variables.get(f"{name}_FILE") if option.has_file else None
        if path:
            return _from_file(f"{name}_FILE", path, complain)
    return None


def _from_file(name: str, path: str, complain: Callable[[str], None]) -> Found | None:
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        complain(f"{name}: {path} cannot be read ({error}); the option is left empty")
        return None
    return Found(text.removesuffix("\n").removesuffix("\r"), f"file of {name}")


def _from_arguments(option: Declaration, given: dict[str, str]) -> Found | None:
    if option.key is None or option.key not in given:
        return None
    return Found(given.pop(option.key), f"argument --{option.key}")


def _from_toml(option: Declaration, table: dict[str, Any]) -> Found | None:
    """Takes the option's value out of the table, so that what remains is unknown."""
    if option.key is None:
        return None
    *path, last = option.key.split(".")
    here: Any = table
    for word in path:
        here = here.get(word) if isinstance(here, dict) else None
    if not isinstance(here, dict) or last not in here:
        return None
    if isinstance(here[last], dict) and option.kind.name != "JSON":
        return None
    return Found(here.pop(last), f"config file, {option.key}")


def _parse(option: Declaration, found: Found) -> Any:
    value = found.value
    if isinstance(value, dict):
        return value
    if isinstance(value, list):
        value = ",".join(str(item) for item in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    try:
        return option.kind.parse(text)
    except ValueError as error:
        raise ConfigurationError(_wrong(option, found, text)) from error


def _wrong(option: Declaration, found: Found, text: str) -> str:
    shown = text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."
    # Prepared settings and store addresses may hold passwords (invariant I26).
    value = "the value" if option.kind.name in ("JSON", "address") else repr(shown)
    return f"Option {option.title} ({found.source}): {value} is not {option.kind.expects}"


def _refuse_unknown(given: Mapping[str, str]) -> None:
    for key in given:
        raise ConfigurationError(f"Unknown option --{key}: `postroom help` lists all options")


def _leaves(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}"


def _build(values: dict[str, Any]) -> Options:
    plain = {name: value for name, value in values.items() if "." not in name}
    for listener in LISTENERS:
        own = {
            name.partition(".")[2]: value
            for name, value in values.items()
            if name.startswith(f"{listener.field}.")
        }
        plain[listener.field] = ListenerTls(**own)
    return Options(**plain)
