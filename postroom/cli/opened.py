"""The store for one command, whether the product runs or not.

With `EENGINE_REDIS` it is that server. Else the running product's socket is used; when nothing
answers there, the embedded store is started for the command and stopped after it, while the lock
of the data directory is held.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from postroom.clock import Clock
from postroom.config.options import Options
from postroom.crypto import Sealer
from postroom.store.connection import Store
from postroom.store.layout import check_layout
from postroom.supervisor.directories import DataDirectory, DirectoryBusy, data_directory
from postroom.supervisor.embedded_redis import EmbeddedStore, answers, socket_url

# A product that is starting holds the lock before its store answers.
WAIT_S = 10.0


@asynccontextmanager
async def opened(options: Options, clock: Clock) -> AsyncIterator[Store]:
    """The store, ready for use. Raises ConfigurationError, StoreUnavailable."""
    async with AsyncExitStack() as stack:
        url = options.redis_url or await _embedded(data_directory(options.data_dir), clock, stack)
        store = Store(url, options.redis_prefix)
        stack.push_async_callback(store.close)
        await check_layout(store)
        yield store


async def _embedded(directory: DataDirectory, clock: Clock, stack: AsyncExitStack) -> str:
    url = socket_url(directory.store_socket)
    directory.create()
    limit_s = clock.steady_s() + WAIT_S
    while True:
        with suppress(DirectoryBusy):
            stack.enter_context(directory.held())
            own = EmbeddedStore(directory, clock)
            await own.start()
            stack.push_async_callback(own.stop)
            return own.url
        if await answers(url):
            return url
        if clock.steady_s() > limit_s:
            raise DirectoryBusy(f"{directory.path} is in use, but its store does not answer")
        await clock.sleep(0.1)


def sealer_of(options: Options) -> Sealer:
    """The sealer of the configured secret."""
    return Sealer(options.secret.reveal() if options.secret else None)
