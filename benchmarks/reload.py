"""What a change of version costs requests: the latency of `/recommend` in steady state, and while versions change.

A real `aisle-serve` on a real Redis, in which copies of one bundle are published under three names. Connections ask
without a pause throughout. Between two steady parts another version is activated every second: first two versions in
turn, of which the one before is still loaded, then three in turn, so that each must be loaded anew. The first round of
each is left out, since some versions are loaded by then and some are not. A request belongs to a swap when it was under
way at any time between the call that activates and `AFTER_S` past its answer.

The last line of the output is JSON; `failed` must be 0.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from time import perf_counter
from typing import Annotated, Any, Final

import numpy as np
import typer
import uvloop
from http_connection import HttpConnection, request_of
from published_copies import published_copies
from serve_process import running_service

from app.artifact.bundle_store import resolve
from app.artifact.manifest import Manifest, read_manifest

VERSIONS: Final = 3  # served, kept for a rollback, and one that must be loaded
EVERY_S: Final = 1.0  # from swap to swap; one that takes longer is followed by the next at once
AFTER_S: Final = 0.1
WARM_S: Final = 1.0
K: Final = 20


@dataclass
class Load:
    """What the connections saw."""

    begins: list[float] = field(default_factory=list)  # of each answered request, on the clock of `perf_counter`
    ends: list[float] = field(default_factory=list)
    failed: int = 0
    first_failure: str = ""
    versions: set[str] = field(default_factory=set)  # that answered
    is_over: bool = False


@dataclass(frozen=True)
class Swap:
    """One change of version."""

    begin: float
    end: float


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle, or store of bundles; it is copied.")],
    seconds: Annotated[float, typer.Option(min=1, help="Length of each part.")] = 10.0,
    connections: Annotated[int, typer.Option(min=1, help="Connections that ask.")] = 16,
) -> None:
    """Swap versions of a real `aisle-serve` under load."""
    manifest = read_manifest(resolve(bundle))
    with (
        published_copies(bundle, VERSIONS) as (store, url, versions),
        running_service(store, url, clock="bundle") as service,
    ):
        report = uvloop.run(_measure(service.address, versions, manifest, seconds, connections))
    about = {"items": manifest.shapes.items, "users": manifest.shapes.users, "dim": manifest.shapes.dim}
    print(json.dumps(report | about | {"connections": connections, "command": " ".join(sys.argv)}))
    if report["failed"]:
        raise typer.Exit(1)


async def _measure(
    address: str, versions: Sequence[str], manifest: Manifest, seconds: float, connections: int
) -> dict[str, Any]:
    load = Load()
    asking = [asyncio.create_task(_ask(address, manifest, place, load)) for place in range(connections)]
    await asyncio.sleep(WARM_S)
    steady = [await _pause(seconds)]
    kept = await _swap(address, versions[:2], seconds, load)
    loaded = await _swap(address, versions, seconds, load)
    steady.append(await _pause(seconds))
    load.is_over = True
    await asyncio.gather(*asking)
    times = np.array([load.begins, load.ends])
    return {
        "failed": load.failed,
        "first_failure": load.first_failure,
        "versions_served": len(load.versions),
        "steady": _figures(times, steady),
        "swaps_to_a_loaded_version": _figures(times, kept, AFTER_S) | _lengths(kept),
        "swaps_that_load": _figures(times, loaded, AFTER_S) | _lengths(loaded),
    }


async def _pause(seconds: float) -> Swap:
    """A while in which nothing is changed."""
    begin = perf_counter()
    await asyncio.sleep(seconds)
    return Swap(begin, perf_counter())


async def _swap(address: str, versions: Sequence[str], seconds: float, load: Load) -> list[Swap]:
    """Activate one version after another for a while."""
    swaps: list[Swap] = []
    connection = await HttpConnection.open(address)
    until = perf_counter() + seconds
    for version in cycle(versions):
        begin = perf_counter()
        if begin >= until:
            break
        answer = await connection.ask("POST", f"/models/{version}/activate")
        swaps.append(Swap(begin, perf_counter()))
        if answer.status != 200 or answer.document["model_version"] != version:
            load.failed += 1
            load.first_failure = load.first_failure or f"{version}: {answer}"
        await asyncio.sleep(max(0.0, begin + EVERY_S - perf_counter()))
    connection.leave()
    return swaps[len(versions) :]


async def _ask(address: str, manifest: Manifest, place: int, load: Load) -> None:
    """One request after another."""
    users = manifest.sample_users
    requests = cycle(
        [request_of("POST", "/recommend", {"user_id": user, "k": K}) for user in users[place % len(users) :] + users]
    )
    connection = await HttpConnection.open(address)
    while not load.is_over:
        begin = perf_counter()
        try:
            await connection.send(next(requests))
            answer = await connection.read()
        except (OSError, EOFError) as error:
            load.failed += 1
            load.first_failure = load.first_failure or repr(error)
            connection = await HttpConnection.open(address)
            continue
        end = perf_counter()
        document = answer.document
        if answer.status != 200 or len(document["items"]) != K or document["degraded"]:
            load.failed += 1
            load.first_failure = load.first_failure or repr(answer)
            continue
        load.begins.append(begin)
        load.ends.append(end)
        load.versions.add(document["model_version"])
    connection.leave()


def _figures(times: np.ndarray, spans: Sequence[Swap], after_s: float = 0.0) -> dict[str, float]:
    """Of the requests that were under way at any time in the spans."""
    inside = np.zeros(times.shape[1], dtype=bool)
    for span in spans:
        inside |= (times[0] <= span.end + after_s) & (times[1] >= span.begin)
    milliseconds = (times[1] - times[0])[inside] * 1e3
    p50, p99, most = np.percentile(milliseconds, [50, 99, 100]) if len(milliseconds) else (np.nan,) * 3
    return {
        "requests": len(milliseconds),
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
        "longest_ms": round(float(most), 2),
    }


def _lengths(swaps: Sequence[Swap]) -> dict[str, float]:
    seconds = [swap.end - swap.begin for swap in swaps] or [float("nan")]
    longest = round(max(seconds), 3)
    return {"swaps": len(swaps), "swap_median_s": round(float(np.median(seconds)), 3), "swap_longest_s": longest}


if __name__ == "__main__":
    typer.run(main)
