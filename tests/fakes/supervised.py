"""A supervisor of fake workers in its own process: `python -m tests.fakes.supervised <json>`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys

from postroom import logs
from postroom.clock import SystemClock
from postroom.config.options import Options
from postroom.errors import PostroomError
from postroom.supervisor import children
from postroom.supervisor.kinds import WorkerKind
from postroom.supervisor.main import Limits, Supervisor


async def main() -> int:
    told = json.loads(sys.argv[1])
    logs.configure("debug")
    # A whole crash loop takes half a minute with the real back-off.
    children.RESTART = children.RESTART.__class__(**told.get("restart", {"first_ms": 50}))
    kinds = [
        WorkerKind(name, f"tests.fakes.workers:{name}", lambda options, n=count: n)
        for name, count in told["kinds"].items()
    ]
    supervisor = Supervisor(
        Options(data_dir=told["data_dir"], redis_url=told.get("redis_url")),
        SystemClock(),
        kinds=kinds,
        preload=("tests.fakes.workers",),
        limits=Limits(**told.get("limits", {})),
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, supervisor.request_stop)
    return await supervisor.run()


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except PostroomError as error:
        print(f"postroom: {error}", file=sys.stderr)
        sys.exit(1)
