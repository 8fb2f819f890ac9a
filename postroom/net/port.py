"""The listening socket of our own HTTP server (floor F1; workers and the supervisor call it)."""

from __future__ import annotations

import errno
import socket

from postroom.errors import ConfigurationError

ListeningSocket = socket.socket
# Connections the kernel holds while every worker is busy; it cuts this to its own limit.
BACKLOG = 2048


def bind(host: str, port: int, *, is_shared: bool = False) -> ListeningSocket:
    """A listening TCP socket; `is_shared` lets several processes bind it (SO_REUSEPORT).

    Raises ConfigurationError, with a line for a person, when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        sock.bind((host, port))
        sock.listen(BACKLOG)
    except OSError as error:
        sock.close()
        raise ConfigurationError(_reason(host, port, error)) from error
    sock.setblocking(False)
    return sock


def ensure_free(host: str, port: int) -> None:
    """Raise ConfigurationError when somebody else listens there already."""
    bind(host, port).close()


def _reason(host: str, port: int, error: OSError) -> str:
    address = f"{host}:{port}"
    if error.errno == errno.EADDRINUSE:
        return f"{address} is in use by another program: choose another EENGINE_PORT"
    if error.errno == errno.EACCES:
        return f"{address} is not ours to listen on: ports below 1024 need a privilege"
    return f"Cannot listen on {address}: {error.strerror or error}"
