"""Latency of a storefront's requests at fixed rates, in an open loop: p50 to p99.9, from the time each was to leave at.

A real `aisle-serve` (with `--redis`, a real Redis in its path) on the first core that this process may use, the
generator and Redis on the second; with `--processes` it has so many processes, and all share all cores. First the
highest rate that is sustained is looked for: doubling, then halving the interval. A rate is sustained when every
request of a few seconds is answered, and 99 of 100 within `--p99-ms`. Then come 25, 50 and 75 % of that rate, and
those of `--rates`. `late_ms` says how late the generator itself was, at most: where that is
much, the figures are its own.

The last line of the output is JSON.
"""

import json
import os
import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
import uvloop
from kernels_used import warn_without_kernels
from open_loop import Call, Outcome, poisson_arrivals, send_openly
from redis_process import running_redis
from serve_process import ServeProcess, running_service
from shop_calls import SHARES, shop_at, storefront_calls

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish

PERCENTILES: Final = (50, 90, 99, 99.9)
PARTS: Final = (0.25, 0.50, 0.75)
CALLS: Final = 20_000
FIRST_RATE: Final = 100.0
HIGHEST_RATE: Final = 50_000.0
HALVINGS: Final = 4
TRIES: Final = 2  # a machine that others use, too, may stall once
PROBE_S: Final = 4.0
PATIENCE_S: Final = 10.0
_CORES: Final = sorted(os.sched_getaffinity(0))  # before anything is pinned


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of the measurement at each rate.")] = 20.0,
    rates: Annotated[str, typer.Option(help="Further rates, requests a second, separated by commas.")] = "",
    p99_ms: Annotated[float, typer.Option(min=0.1, help="Of a rate that counts as sustained.")] = 100.0,
    redis: Annotated[bool, typer.Option(help="With a real Redis in the path.")] = True,
    processes: Annotated[int, typer.Option(min=1, help="Of the service; several share all cores.")] = 1,
    seed: Annotated[int, typer.Option(help="Of requests and arrivals.")] = 0,
) -> None:
    """Measure the latency of a real `aisle-serve` at fixed rates."""
    fixed = [float(rate) for rate in rates.split(",") if rate.strip()]
    with service_of_its_own(bundle, redis, processes) as address:
        calls = storefront_calls(shop_at(address), CALLS, seed)
        rng = np.random.default_rng(seed)
        _run(address, calls, FIRST_RATE, PROBE_S, rng)  # caches fill
        highest = _highest(address, calls, p99_ms, rng)
        wanted = [(f"{part:.0%} of the highest", highest * part) for part in PARTS]
        wanted += [("fixed", rate) for rate in fixed]
        figures = []
        for name, rate in wanted:
            figures.append({"what": name, "rate": round(rate, 1)} | _figures(_run(address, calls, rate, seconds, rng)))
            print(figures[-1], flush=True)
    shapes = read_manifest(resolve(bundle)).shapes
    about = {
        "items": shapes.items,
        "dim": shapes.dim,
        "redis": redis,
        "processes": processes,
        "shares": SHARES,
        "cpu": cpu(),
    }
    told = {"highest_rate": round(highest, 1), "sustained_p99_ms": p99_ms, "rates": figures}
    print(json.dumps(told | about | {"seconds": seconds, "command": " ".join(sys.argv)}))


@contextmanager
def service_of_its_own(bundle: Path, redis: bool, processes: int = 1) -> Iterator[str]:
    """The address of a service on a core of its own, where there are two; of several processes, on all of them."""
    with pinned_service(bundle, redis, processes) as service:
        yield service.address


@contextmanager
def pinned_service(bundle: Path, redis: bool, processes: int = 1) -> Iterator[ServeProcess]:
    """A service on a core of its own, where there are two; several share it. One of several processes has all cores."""
    warn_without_kernels()
    cores = _CORES if processes == 1 else _CORES[:1]  # of one core nothing is pinned
    if not redis:
        with running_service(bundle, clock="bundle") as service:
            _pin(service.process.pid, cores[0], cores)
            yield service
        return
    with running_redis() as store:
        with store.client() as client:
            publish(bundle, client, Keys(), config=PublishConfig(force="for a benchmark"))
        with running_service(bundle, store.url, clock="bundle", processes=processes) as service:
            _pin(service.process.pid, cores[0], cores)
            _pin(store.pid, cores[-1], cores)
            yield service


def _pin(process: int, core: int, cores: Sequence[int]) -> None:
    if len(cores) < 2:
        return
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), {core})
    os.sched_setaffinity(0, {cores[-1]})


def _run(address: str, calls: Sequence[Call], rate: float, seconds: float, rng: np.random.Generator) -> Outcome:
    arrivals = poisson_arrivals(rate, seconds, rng)
    start = int(rng.integers(len(calls)))
    return uvloop.run(send_openly(address, [*calls[start:], *calls[:start]], arrivals, PATIENCE_S))


def _highest(address: str, calls: Sequence[Call], p99_ms: float, rng: np.random.Generator) -> float:
    """The highest rate that is sustained; 0 where not even the first one is."""

    def is_sustained(rate: float) -> bool:
        outcome = _run(address, calls, rate, PROBE_S, rng)
        latencies = np.array(outcome.latencies) * 1e3
        found = float(np.percentile(latencies, 99)) if len(latencies) else float("inf")
        holds = not (any(outcome.is_failed) or outcome.unanswered or outcome.unsent) and found <= p99_ms
        print(f"{rate:8.1f}/s  p99 {found:8.1f} ms  {'sustained' if holds else 'too much'}", flush=True)
        return holds

    def holds_once(rate: float) -> bool:
        return any(is_sustained(rate) for _ in range(TRIES))

    low, high = 0.0, FIRST_RATE
    while high < HIGHEST_RATE and holds_once(high):
        low, high = high, high * 2
    for _ in range(HALVINGS if low else 0):
        middle = (low + high) / 2
        low, high = (middle, high) if holds_once(middle) else (low, middle)
    return low


def _figures(outcome: Outcome) -> dict[str, Any]:
    latencies = np.array(outcome.latencies) * 1e3
    kinds = np.array(outcome.kinds)
    by_kind = {kind: _percentiles(latencies[kinds == kind]) for kind in SHARES if (kinds == kind).any()}
    return {
        "requests": len(latencies),
        "per_s": round(len(latencies) / outcome.took_s, 1),
        "failed": int(sum(outcome.is_failed)) + outcome.unanswered + outcome.unsent,
        "first_failure": outcome.first_failure,
        **_percentiles(latencies),
        "longest_ms": round(float(latencies.max()), 2) if len(latencies) else None,
        "late_ms": round(outcome.late_s * 1e3, 2),
        "by_kind": by_kind,
    }


def _percentiles(milliseconds: np.ndarray) -> dict[str, float]:
    if not len(milliseconds):
        return {}
    found = np.percentile(milliseconds, PERCENTILES)
    return {f"p{each:g}_ms": round(float(value), 2) for each, value in zip(PERCENTILES, found, strict=True)}


def cpu() -> str:
    """The processor, and how many cores of it there are."""
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines() if Path("/proc/cpuinfo").is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{names[0] if names else platform.processor()}, {len(os.sched_getaffinity(0))} cores"


if __name__ == "__main__":
    typer.run(main)
