"""What one caller's dear requests cost the others: a quiet stream alone, and beside each kind of dear request.

A real `aisle-serve` (with `--redis`, a real Redis in its path) on the first core that this process may use, everything
else on the second. The quiet stream is what a storefront asks for most (recommendations, similar items, completions),
in an open loop: its latencies are counted from the time that each request was to leave at. Beside it, `--connections`
ask for one kind of dear request after another as fast as they are answered. The stream is alone at the beginning, in
the middle and at the end; it is compared with all of that.

Prints a table in Markdown; the last line of the output is JSON. The aim is a p99 at most 50 ms above that alone.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Final

import numpy as np
import typer
import uvloop
from dear_calls import KINDS, dear_calls
from http_connection import HttpConnection
from open_loop import Outcome, poisson_arrivals, send_openly
from serve_latency import PATIENCE_S, cpu, service_of_its_own
from shop_calls import shop_at, storefront_calls

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest

QUIET: Final = ("suggest", "recommend", "similar")
CALLS: Final = 5_000
SETTLE_S: Final = 1.0  # after a change of neighbours, before anything is counted
MOST_ABOVE_MS: Final = 50.0


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    rate: Annotated[float, typer.Option(min=1.0, help="Requests a second of the quiet stream.")] = 50.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of each measurement.")] = 15.0,
    connections: Annotated[int, typer.Option(min=1, help="That ask for dear requests, each one at a time.")] = 2,
    redis: Annotated[bool, typer.Option(help="With a real Redis in the path.")] = True,
    only: Annotated[str, typer.Option(help="Kinds whose name holds this; all by default.")] = "",
    seed: Annotated[int, typer.Option(help="Of requests and arrivals.")] = 0,
) -> None:
    """Measure a quiet stream alone and beside each kind of dear request."""
    kinds = [kind for kind in KINDS if only in kind]
    with service_of_its_own(bundle, redis) as address:
        shop = shop_at(address)
        calls = [call for call in storefront_calls(shop, CALLS, seed) if call.kind in QUIET]
        rng = np.random.default_rng(seed)

        def measure() -> Outcome:
            time.sleep(SETTLE_S)
            return uvloop.run(send_openly(address, calls, poisson_arrivals(rate, seconds, rng), PATIENCE_S))

        measure()  # caches fill
        alone, beside = [measure()], {}
        for number, kind in enumerate(kinds):
            with _neighbours(address, kind, connections, seed) as told:
                outcome = measure()
            beside[kind] = (outcome, told)
            print(f"{kind}: {_figures([outcome])}, {told}", flush=True)
            if number in {len(kinds) // 2, len(kinds) - 1}:
                alone.append(measure())
    quiet = _figures(alone)
    rows = {kind: _figures([outcome]) | told for kind, (outcome, told) in beside.items()}
    print(_table(quiet, rows))
    shapes = read_manifest(resolve(bundle)).shapes
    about = {"items": shapes.items, "redis": redis, "rate": rate, "seconds": seconds, "connections": connections}
    worst = max((row["p99_ms"] - quiet["p99_ms"] for row in rows.values()), default=0.0)
    is_kept = worst <= MOST_ABOVE_MS
    print(
        json.dumps(
            {"alone": quiet, "beside": rows, "most_above_ms": round(worst, 1), "is_kept": is_kept}
            | about
            | {"cpu": cpu(), "command": " ".join(sys.argv)}
        )
    )


@contextmanager
def _neighbours(address: str, kind: str, connections: int, seed: int) -> Iterator[dict[str, Any]]:
    """Another process that asks for dear requests while the body runs; at the end what it was answered is told."""
    told: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_ask_for_ever, args=(address, kind, connections, seed, theirs))
    process.start()
    ours.recv()  # it begins
    started = time.perf_counter()
    try:
        yield told
        ours.send("enough")
        told |= ours.recv() | {"seconds": round(time.perf_counter() - started, 1)}
        process.join()
    finally:
        process.kill()


def _ask_for_ever(address: str, kind: str, connections: int, seed: int, pipe: Any) -> None:
    """The other process."""
    uvloop.run(_ask(address, kind, connections, seed, pipe))


async def _ask(address: str, kind: str, connections: int, seed: int, pipe: Any) -> None:
    shop = await asyncio.to_thread(shop_at, address)
    statuses: Counter[str] = Counter()
    latencies: list[float] = []

    async def go_on(number: int) -> None:
        connection = await HttpConnection.open(address)
        for call in dear_calls(kind, shop, seed * connections + number):
            started = time.perf_counter()
            await connection.send(call.request)
            answer = await connection.read()
            latencies.append(time.perf_counter() - started)
            statuses["as expected" if answer.status == call.status else str(answer.status)] += 1
            await asyncio.sleep(0)

    pipe.send("ready")
    tasks = [asyncio.create_task(go_on(number)) for number in range(connections)]
    stop = asyncio.create_task(asyncio.to_thread(pipe.recv))
    await asyncio.wait([*tasks, stop], return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    failures = [repr(task.exception()) for task in tasks if task.done() and not task.cancelled() and task.exception()]
    p50 = float(np.median(latencies)) * 1e3 if latencies else None
    pipe.send({"dear": sum(statuses.values()), "statuses": dict(statuses), "dear_p50_ms": p50, "failures": failures})


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    latencies = np.concatenate([np.array(outcome.latencies) for outcome in outcomes]) * 1e3
    failed = sum(sum(outcome.is_failed) + outcome.unanswered + outcome.unsent for outcome in outcomes)
    p50, p99 = np.percentile(latencies, (50, 99))
    return {
        "requests": len(latencies),
        "failed": failed,
        "p50_ms": round(float(p50), 1),
        "p99_ms": round(float(p99), 1),
        "longest_ms": round(float(latencies.max()), 1),
        "late_ms": round(max(outcome.late_s for outcome in outcomes) * 1e3, 1),
    }


def _table(alone: dict[str, Any], rows: dict[str, dict[str, Any]]) -> str:
    lines = [
        "",
        "| beside it | dear requests a second | p50 ms | p99 ms | above alone, p50 and p99 | failed |",
        "|---|---|---|---|---|---|",
        f"| nothing | | {alone['p50_ms']} | {alone['p99_ms']} | | {alone['failed']} |",
    ]
    lines += [
        f"| {kind} | {row['dear'] / row['seconds']:.0f} | {row['p50_ms']} | {row['p99_ms']} | "
        f"{row['p50_ms'] - alone['p50_ms']:.1f}, {row['p99_ms'] - alone['p99_ms']:.1f} | {row['failed']} |"
        for kind, row in rows.items()
    ]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    typer.run(main)
