from __future__ import annotations

import pytest

from postroom.imap.commands import Copy, Move, Search, move
from postroom.imap.encode import Offered
from postroom.imap.types import Copied, Expunged
from tests.unit.imap.dialogue import play


def test_copies_are_paired_in_the_order_told() -> None:
    found, _ = play(Copy("1:3", "b"), b"P1 OK [COPYUID 38505 304,319:320 3956:3958] done\r\n")
    assert found == Copied(38505, (304, 319, 320), (3956, 3957, 3958))
    assert play(Copy("1", "b"), b"P1 OK [COPYUID 1 1:2 5] x\r\n")[0] == Copied()
    assert play(Copy("1", "b"), b"P1 OK done\r\n")[0] == Copied()
    answer = b"* OK [COPYUID 432 42:43 1202:1203] x\r\n* 22 EXPUNGE\r\n* 22 EXPUNGE\r\nP1 OK\r\n"
    found, news = play(Move("42:43", "b"), answer)
    assert found.destination == (1202, 1203)
    assert news == [Expunged(22), Expunged(22)]


@pytest.mark.parametrize(
    ("capabilities", "marked", "names"),
    [
        ("MOVE", (), ["UID MOVE"]),
        ("UIDPLUS", (), ["UID COPY", "UID STORE", "UID EXPUNGE"]),
        ("", (1, 2), ["UID COPY", "UID STORE", "UID SEARCH", "EXPUNGE"]),
        ("", (1, 9), ["UID COPY", "UID STORE", "UID SEARCH"]),
    ],
)
async def test_move_uses_what_there_is_and_expunges_nobody_elses_messages(
    capabilities: str, marked: tuple[int, ...], names: list[str]
) -> None:
    offered = Offered(frozenset(capabilities.split()))
    ran: list[str] = []

    async def run(command: object) -> object:
        written = command.start(offered).segments[0].decode()  # type: ignore[attr-defined]
        ran.append(next(name for name in (*names, "?") if written.startswith(name)))
        return marked if isinstance(command, Search) else Copied()

    await move(run, offered, "1:2", "Trash")
    assert ran == names


@pytest.mark.parametrize("code", [b"[COPYUID 7 x 2]", b"[COPYUID 7 1 1:99999999999]"])
def test_a_copy_with_malformed_uids_is_a_copy_all_the_same(code: bytes) -> None:
    result, _ = play(Copy("1", "Archive"), b"P1 OK " + code + b" done\r\n")
    assert result == Copied()
