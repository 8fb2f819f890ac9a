"""What can go wrong in an IMAP dialogue, split by whose fault it is.

A refusal is an answer: the server understood and said NO or BAD, the connection stays usable.
A violation means that the two ends no longer agree where a response starts: nothing read after it
can be believed, so the connection must be closed.
"""

from __future__ import annotations

from postroom.errors import PostroomError, Refused


class ProtocolViolation(PostroomError):
    """The peer sent bytes that are not IMAP, or beyond a limit; the connection must be closed."""

    status = 503
    code = "EPROTOCOL"
    is_temporary = True


class AnswerUnreadable(PostroomError):
    """The server did what was asked and answered it in a way that tells nothing.

    Only the one command is lost: the dialogue goes on.
    """

    status = 503
    code = "EPROTOCOL"
    is_temporary = True


class ImapRefused(Refused):
    """A tagged NO or BAD; the response code is the public code (contract E3)."""

    def __init__(self, server_text: str, *, response_code: str | None, is_bad: bool) -> None:
        super().__init__(
            server_text or "The mail server refused the command",
            code=response_code,
            log={"server_text": server_text, "is_bad": is_bad},
        )
        self.response_code = response_code
        self.is_bad = is_bad
        self.server_text = server_text
