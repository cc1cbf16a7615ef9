"""A service under a steady load for minutes, with events and changes of version: failed requests, and growth of memory.

A real `aisle-serve` on a real Redis, in which copies of one bundle are published under three names. Requests like those
of a storefront arrive in an open loop at `--rate`; every `--reload-every` seconds another version is activated, which
must be loaded anew. Memory is the resident set of the service, read every second. Its growth is the median of the last
fifth of the run less that of the second fifth: caches are full by then, and every fifth has several changes of version.

Every `--write-every` seconds ten items are changed: prices, words, new items and deleted ones.

With `--attack-every` every kind of `attacks.py` is sent that often meanwhile, from a process of its own.

The last line of the output is JSON. The status is 1 when a request failed, or memory grew by more than `--max-growth`.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from random import Random
from time import perf_counter
from typing import Annotated, Any, Final

import numpy as np
import typer
import uvloop
from http_connection import HttpConnection
from live_catalogue import GROUP, operation
from open_loop import Call, Outcome, poisson_arrivals, send_openly
from published_copies import published_copies
from serve_process import running_service
from shop_calls import SHARES, shop_at, storefront_calls

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest

VERSIONS: Final = 3  # served, kept for a rollback, and one that must be loaded
CALLS: Final = 20_000
PATIENCE_S: Final = 10.0
ATTACKS: Final = Path(__file__).with_name("attacks.py")
FIFTHS: Final = 5
LIVE: Final = 200  # items that the bundle does not know: few, so that memory comes to rest


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle, or store of bundles; it is copied.")],
    minutes: Annotated[float, typer.Option(min=0.1, help="Length of the run.")] = 10.0,
    rate: Annotated[float, typer.Option(min=1.0, help="Requests a second.")] = 150.0,
    reload_every: Annotated[float, typer.Option(min=0.5, help="Seconds between changes of version.")] = 10.0,
    max_growth: Annotated[float, typer.Option(min=0.0, help="Of memory, as a share of the second fifth's.")] = 0.05,
    attack_every: Annotated[float, typer.Option(min=0.0, help="Seconds between two of each attack; 0 for none.")] = 0.0,
    write_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between changes of ten items; 0 for none.")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="Of requests and arrivals.")] = 0,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="A setting of the service, such as online_memory_mb=0.")
    ] = None,
) -> None:
    """Keep a real `aisle-serve` busy, and watch it."""
    given: dict[str, Any] = dict(_named(setting) for setting in settings or ())
    shapes = read_manifest(resolve(bundle)).shapes
    with (
        published_copies(bundle, VERSIONS) as (store, url, versions),
        running_service(store, url, **{"clock": "bundle", "follow_s": 0.5} | given) as service,
    ):
        calls = storefront_calls(shop_at(service.address), CALLS, seed)
        arrivals = poisson_arrivals(rate, minutes * 60, np.random.default_rng(seed))
        with _attackers(service.address, minutes * 60, attack_every) as attacks:
            report = uvloop.run(
                _soak(service.address, service.process.pid, versions, calls, arrivals, reload_every, write_every)
            )
    report |= {"attacks": attacks} if attacks else {}
    grown = report["rss_mb"]["growth"] / report["rss_mb"]["second_fifth"]
    about = {"items": shapes.items, "dim": shapes.dim, "rate": rate, "minutes": minutes, "shares": SHARES}
    print(json.dumps(report | about | {"command": " ".join(sys.argv)}))
    if report["failed"] or report["failed_changes"] or grown > max_growth:
        raise typer.Exit(1)


@contextmanager
def _attackers(address: str, seconds: float, every: float) -> Iterator[dict[str, Any]]:
    """Attacks meanwhile; what they met is in the dictionary at the end."""
    met: dict[str, Any] = {}
    if not every:
        yield met
        return
    command = [sys.executable, str(ATTACKS), address, "--seconds", str(seconds), "--every", str(every)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield met
            met |= json.loads(process.communicate()[0].splitlines()[-1])
        finally:
            process.kill()


def _named(setting: str) -> tuple[str, str]:
    name, is_there, value = setting.partition("=")
    if not is_there:
        raise typer.BadParameter(f"--set: expected NAME=VALUE, got {setting!r}")
    return name, value


async def _soak(
    address: str,
    process: int,
    versions: Sequence[str],
    calls: Sequence[Call],
    arrivals: np.ndarray,
    reload_every: float,
    write_every: float,
) -> dict[str, Any]:
    resident: list[float] = []
    changes: list[float] = []
    failures: list[str] = []
    watching = asyncio.create_task(_watch(process, resident))
    changing = asyncio.create_task(_change(address, versions, reload_every, changes, failures))
    writes: list[float] = []
    writing = asyncio.create_task(_write(address, write_every, writes, failures))
    outcome = await send_openly(address, calls, arrivals, PATIENCE_S)
    for task in (watching, changing, writing):
        task.cancel()
    await asyncio.gather(watching, changing, writing, return_exceptions=True)
    return _figures(outcome) | {
        "changes_of_version": len(changes),
        "failed_changes": len(failures),
        "first_failed_change": failures[0] if failures else "",
        "longest_change_s": round(max(changes, default=0.0), 2),
        "writes": len(writes),
        "longest_write_s": round(max(writes, default=0.0), 2),
        "rss_mb": _memory(resident),
    }


async def _watch(process: int, resident: list[float]) -> None:
    """Note the resident set, in MB, every second."""
    while True:
        resident.append(_resident_mb(process))
        await asyncio.sleep(1.0)


async def _change(
    address: str, versions: Sequence[str], every_s: float, changes: list[float], failures: list[str]
) -> None:
    """Activate one version after another."""
    connection = await HttpConnection.open(address)
    for version in cycle(versions):
        await asyncio.sleep(every_s)
        begin = perf_counter()
        try:
            answer = await connection.ask("POST", f"/models/{version}/activate")
        except (OSError, EOFError) as error:
            failures.append(repr(error))
            connection = await HttpConnection.open(address)
            continue
        changes.append(perf_counter() - begin)
        if answer.status != 200:
            failures.append(repr(answer))


async def _write(address: str, every_s: float, writes: list[float], failures: list[str]) -> None:
    """Change ten items again and again."""
    if not every_s:
        return
    rng = Random(0)
    connection = await HttpConnection.open(address)
    listed = await connection.ask("GET", "/items?limit=200")
    known = [item["item_id"] for item in listed.document["items"]]
    while True:
        await asyncio.sleep(every_s)
        operations = [operation(known, LIVE, rng) for _ in range(GROUP)]
        begin = perf_counter()
        answer = await connection.ask("POST", "/items/batch", {"operations": operations})
        writes.append(perf_counter() - begin)
        wrong = [entry for entry in answer.document.get("rejected", []) if entry["code"] != "item_not_found"]
        if answer.status != 200 or wrong:
            failures.append(repr(answer))


def _resident_mb(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text("ascii").splitlines()
    found = next(line for line in lines if line.startswith("VmRSS:"))
    return int(found.split()[1]) / 1024


def _memory(resident: Sequence[float]) -> dict[str, Any]:
    fifths = [float(np.median(part)) for part in np.array_split(np.array(resident), FIFTHS)]
    return {
        "first": round(resident[0], 1),
        "second_fifth": round(fifths[1], 1),
        "last_fifth": round(fifths[-1], 1),
        "growth": round(fifths[-1] - fifths[1], 1),
        "highest": round(max(resident), 1),
        "by_fifth": [round(each, 1) for each in fifths],
    }


def _figures(outcome: Outcome) -> dict[str, Any]:
    p50, p99, p999, longest = np.percentile(np.array(outcome.latencies) * 1e3, [50, 99, 99.9, 100]).round(2).tolist()
    return {
        "requests": len(outcome.latencies),
        "failed": int(sum(outcome.is_failed)) + outcome.unanswered + outcome.unsent,
        "first_failure": outcome.first_failure,
        "p50_ms": p50,
        "p99_ms": p99,
        "p99.9_ms": p999,
        "longest_ms": longest,
    }


if __name__ == "__main__":
    typer.run(main)
