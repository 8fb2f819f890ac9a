"""COMPRESS (RFC 4978): after the tagged OK both directions are DEFLATE streams (RFC 1951).

Only the connection may use this, as with STARTTLS: it has to put the streams in between. Unlike
there, bytes that come right behind the OK are good: they are compressed data already.
"""

from __future__ import annotations

from dataclasses import dataclass

from postroom.imap.commands.exchange import Command, Exchange, done
from postroom.imap.encode import Line, Offered


@dataclass(frozen=True, slots=True)
class Compress(Command[None]):
    """Ask for compression; needs the COMPRESS=DEFLATE capability."""

    def start(self, offered: Offered) -> Exchange[None]:
        return Exchange(Line(offered).raw("COMPRESS DEFLATE").end(), done, is_last=True)
