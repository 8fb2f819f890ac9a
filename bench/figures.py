"""Printing figures: one JSON line each, and the medians of several runs."""

from __future__ import annotations

import json
import statistics
from collections import defaultdict

Figure = float | int | str

_seen: defaultdict[str, list[dict[str, Figure]]] = defaultdict(list)


def report(name: str, **figures: Figure) -> None:
    """Print one figure line."""
    _seen[name].append(figures)
    _print(name, figures)


def report_medians() -> None:
    """Print the median of each number reported more than once, and forget them all."""
    for name, runs in _seen.items():
        if len(runs) < 2:
            continue
        numbers = {
            key: [run[key] for run in runs if isinstance(run.get(key), int | float)]
            for key in runs[0]
        }
        medians: dict[str, Figure] = {
            key: statistics.median(values)  # type: ignore[type-var] # texts were left out above
            for key, values in numbers.items()
            if values
        }
        _print(name, {"median_of": len(runs), **medians})
    _seen.clear()


def spread(seconds: list[float]) -> dict[str, Figure]:
    """p50 and p95 in milliseconds."""
    ordered = sorted(seconds)
    return {
        "p50_ms": 1000 * statistics.median(ordered),
        "p95_ms": 1000 * ordered[int(len(ordered) * 0.95) - 1],
    }


def _print(name: str, figures: dict[str, Figure]) -> None:
    rounded = {k: round(v, 4) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps({"bench": name, **rounded}), flush=True)
