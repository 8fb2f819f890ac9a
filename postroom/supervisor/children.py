"""Worker processes: forked from a preloaded server, one slot each, restarted when they end.

A slot keeps one worker of a kind alive. A dead worker comes back after the back-off RESTART
(contract U2: 1 s doubling to 60 s); one that keeps dying young, or says that starting it again
cannot help, stops the whole product with an exit code that tells why: a crash loop never spins.
"""

from __future__ import annotations

import asyncio
import importlib
import multiprocessing
import signal
from collections.abc import Awaitable, Callable
from contextlib import suppress
from multiprocessing.context import ForkServerContext, ForkServerProcess

from postroom.backoff import RESTART
from postroom.clock import Clock
from postroom.errors import PostroomError
from postroom.logs import get_logger
from postroom.supervisor import exits
from postroom.supervisor.spec import WorkerSpec

# A worker that lived this long was healthy: its death starts a new count.
STABLE_S = 30.0
# With the back-off between them these take about half a minute: enough for a passing trouble.
MAX_FAST_FAILURES = 6
# How long after SIGKILL the kernel may take to report the end.
KILL_GRACE_S = 1.0

log = get_logger("supervisor")


class WorkerFailed(PostroomError):
    """A worker cannot be kept alive: the product stops with `exit_code`."""

    def __init__(self, text: str, exit_code: int) -> None:
        super().__init__(text)
        self.exit_code = exit_code


def fork_context(preload: tuple[str, ...]) -> ForkServerContext:
    """The process context whose server has the given modules loaded."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(preload))
    return context


def call_entry(spec: WorkerSpec) -> None:
    """Runs in the new process: the function that the specification names."""
    module, _, function = spec.entry.partition(":")
    getattr(importlib.import_module(module), function)(spec)


class Child:
    """One worker process."""

    def __init__(self, context: ForkServerContext, spec: WorkerSpec) -> None:
        self.spec = spec
        self._process: ForkServerProcess = context.Process(
            target=call_entry, args=(spec,), name=spec.worker_id, daemon=True
        )
        self._ended = asyncio.Event()

    @property
    def pid(self) -> int | None:
        return self._process.pid

    async def start(self) -> None:
        """Start the process; the first start waits for the fork server's imports."""
        await asyncio.to_thread(self._process.start)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.sentinel, self._on_end)

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._ended.set()

    async def wait(self) -> int:
        """The exit code, negative for a signal, once the process has ended."""
        await self._ended.wait()
        code = self._process.exitcode
        return 255 if code is None else code

    def signal(self, number: int) -> None:
        """Send a signal; one that comes too late is dropped."""
        with suppress(ProcessLookupError, ValueError):
            if self._process.exitcode is None and number == signal.SIGTERM:
                self._process.terminate()
            elif self._process.exitcode is None:
                self._process.kill()

    async def stop(self, within_s: float) -> None:
        """Ask the worker to finish, and kill it when it has not within the given time."""
        self.signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(max(within_s, 0)):
                await self._ended.wait()
        except TimeoutError:
            log.warn("worker.killed", worker=self.spec.worker_id, after_s=within_s)
            self.signal(signal.SIGKILL)
            with suppress(TimeoutError):
                async with asyncio.timeout(KILL_GRACE_S):
                    await self._ended.wait()


class Slot:
    """Keeps one worker of a kind alive until told to stop.

    `on_death` is told of a worker that ended by itself, before the next one starts.
    """

    def __init__(
        self,
        context: ForkServerContext,
        clock: Clock,
        new_spec: Callable[[], WorkerSpec],
        on_death: Callable[[WorkerSpec], Awaitable[None]],
    ) -> None:
        self._context = context
        self._clock = clock
        self._new_spec = new_spec
        self._on_death = on_death
        self._stopping = asyncio.Event()
        self.child: Child | None = None

    async def keep(self) -> None:
        """Restart the worker whenever it ends; raises WorkerFailed when that is hopeless."""
        failures = 0
        while True:
            child = await self._spawn()
            born_s = self._clock.steady_s()
            code = await child.wait()
            self.child = None
            if self._stopping.is_set():
                return
            lived_s = self._clock.steady_s() - born_s
            failures = 1 if lived_s >= STABLE_S else failures + 1
            _judge(child.spec, code, failures)
            delay_ms = RESTART.delay_ms(failures)
            log.error(
                "worker.ended",
                worker=child.spec.worker_id,
                reason=exit_reason(code),
                restart_ms=delay_ms,
            )
            await self._on_death(child.spec)
            await self._pause(delay_ms / 1000)
            if self._stopping.is_set():
                return

    async def _pause(self, seconds: float) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(seconds))
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({sleep, stop}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            stop.cancel()

    async def _spawn(self) -> Child:
        child = Child(self._context, self._new_spec())
        await child.start()
        self.child = child
        log.debug("worker.started", worker=child.spec.worker_id, worker_pid=child.pid)
        if self._stopping.is_set():
            child.signal(signal.SIGTERM)
        return child

    async def stop(self, within_s: float) -> None:
        """End the worker, and do not start another."""
        self._stopping.set()
        if self.child is not None:
            await self.child.stop(within_s)


def exit_reason(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:
        return f"signal {-code}"


def _judge(spec: WorkerSpec, code: int, failures: int) -> None:
    if code == exits.CANNOT_START:
        raise WorkerFailed(f"The {spec.kind} worker cannot start", exits.USAGE)
    if failures >= MAX_FAST_FAILURES:
        raise WorkerFailed(
            f"The {spec.kind} worker ended {failures} times in a row soon after its start "
            f"(last: {exit_reason(code)})",
            exits.CRASH_LOOP,
        )
