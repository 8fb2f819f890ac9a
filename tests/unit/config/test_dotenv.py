"""Lines of a `.env` file."""

from __future__ import annotations

from postroom.config.dotenv import parse_dotenv


def test_names_values_quotes_and_comments() -> None:
    text = """
    # a comment
    A=1
    export B = two words # tail
    C="kept # here\\nnext"  # tail
    D='raw\\n'
    E=
    F=a#b
    not a line
    """
    assert parse_dotenv(text) == {
        "A": "1",
        "B": "two words",
        "C": "kept # here\nnext",
        "D": "raw\\n",
        "F": "a#b",
    }


def test_json_keeps_its_quotes() -> None:
    assert parse_dotenv('EENGINE_SETTINGS={"a": "b"}') == {"EENGINE_SETTINGS": '{"a": "b"}'}
