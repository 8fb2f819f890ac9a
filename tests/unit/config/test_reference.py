"""The manual is made from the table; changing it is `make docs` and a reviewed diff."""

from __future__ import annotations

from pathlib import Path

from postroom.config.options import SECTIONS, declarations
from postroom.config.reference import help_text, manual

PAGE = Path(__file__).parents[3] / "docs" / "configuration.md"


def test_the_page_is_the_one_made_from_the_table() -> None:
    assert PAGE.read_text(encoding="ascii") == manual()


def test_help_and_manual_name_every_option() -> None:
    for option in declarations():
        assert option.section in SECTIONS
        assert f"### `{option.title}`" in manual()
        assert option.title in help_text()
