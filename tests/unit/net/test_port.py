"""The listening socket of our own HTTP server."""

from __future__ import annotations

import pytest

from postroom.errors import ConfigurationError
from postroom.net.port import bind, ensure_free


def test_a_port_in_use_is_one_clear_line() -> None:
    held = bind("127.0.0.1", 0)
    port = held.getsockname()[1]
    with pytest.raises(ConfigurationError, match=f":{port} is in use"):
        ensure_free("127.0.0.1", port)
    held.close()
    ensure_free("127.0.0.1", port)


def test_sharing_processes_bind_the_same_port() -> None:
    first = bind("127.0.0.1", 0, is_shared=True)
    second = bind("127.0.0.1", first.getsockname()[1], is_shared=True)
    assert first.getsockname() == second.getsockname()
    first.close()
    second.close()


def test_an_address_that_is_not_ours_is_one_clear_line() -> None:
    with pytest.raises(ConfigurationError, match=r"Cannot listen on 192\.0\.2\.1:0"):
        bind("192.0.2.1", 0)
