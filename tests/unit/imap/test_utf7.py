from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postroom.imap import utf7

# RFC 3501 5.1.3 and names seen in the field.
KNOWN = [
    ("INBOX", "INBOX"),
    ("~peter/mail/\u53f0\u5317/\u65e5\u672c\u8a9e", "~peter/mail/&U,BTFw-/&ZeVnLIqe-"),
    ("Entw\u00fcrfe", "Entw&APw-rfe"),
    ("A & B", "A &- B"),
    ("\U0001f4e7", "&2D3c5w-"),
]


@pytest.mark.parametrize(("path", "name"), KNOWN)
def test_known_names_go_both_ways(path: str, name: str) -> None:
    assert utf7.encode(path) == name
    assert utf7.decode(name) == path


@given(st.text())
def test_every_path_comes_back(path: str) -> None:
    assert utf7.decode(utf7.encode(path)) == path


@pytest.mark.parametrize(
    "name", ["Tom & Jerry", "&", "&AGE", "&!!!-", "R\u00e4um", "&AGEA-", "&2D0-"]
)
def test_a_name_that_breaks_the_rules_is_kept_so_that_it_can_be_selected(name: str) -> None:
    assert utf7.decode(name) == name
