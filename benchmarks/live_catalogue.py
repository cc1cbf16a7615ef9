"""What a live catalogue costs: requests beside changes of items, beside the same requests without any.

Two real `aisle-serve`, each with a Redis of its own and on the first core that this process may use; everything else
on the second. One of them has `--live` items more, which came by one batch and by single calls, and while it is
measured `--changes` a second come in groups of ten: prices and stock for most, new words, new items and deleted ones
for the others. The same open-loop stream (recommendations and searches of a storefront) goes to both by turns, so that
a slow minute of the machine falls on both. After that: single `PUT`s beside a quiet stream, a batch of 10,000, and
what a live item takes of memory.

Prints a table in Markdown; the last line of the output is JSON.
"""

import asyncio
import json
import multiprocessing
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import httpx
import numpy as np
import typer
import uvloop
from http_connection import HttpConnection
from open_loop import Outcome, poisson_arrivals, send_openly
from serve_latency import PATIENCE_S, cpu, pinned_service
from shop_calls import shop_at, storefront_calls

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest

KINDS: Final = ("recommend", "search")
CALLS: Final = 5_000
SETTLE_S: Final = 1.0
GROUP: Final = 10
BATCH: Final = 10_000
PUTS: Final = 200
MOST_TIMES: Final = 1.15
WAIT_S: Final = 120.0
NDJSON: Final = {"content-type": "application/x-ndjson"}
SHARES: Final = {"price": 0.7, "words": 0.1, "new": 0.1, "delete": 0.1}


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    live: Annotated[int, typer.Option(min=1, help="Items that the bundle does not know.")] = 5_000,
    changes: Annotated[float, typer.Option(min=1.0, help="Changes a second, in groups of ten.")] = 50.0,
    rate: Annotated[float, typer.Option(min=1.0, help="Requests a second.")] = 60.0,
    seconds: Annotated[float, typer.Option(min=1.0, help="Length of each measurement.")] = 10.0,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each.")] = 4,
    redis: Annotated[bool, typer.Option(help="With a real Redis in the path.")] = True,
    seed: Annotated[int, typer.Option(help="Of requests, changes and arrivals.")] = 0,
) -> None:
    """Measure requests with and without a live catalogue."""
    with pinned_service(bundle, redis) as plain, pinned_service(bundle, redis) as changing:
        calls = [call for call in storefront_calls(shop_at(plain.address), CALLS, seed) if call.kind in KINDS]
        rng = np.random.default_rng(seed)

        def measure(address: str) -> Outcome:
            time.sleep(SETTLE_S)
            return uvloop.run(send_openly(address, calls, poisson_arrivals(rate, seconds, rng), PATIENCE_S))

        before_mb = _resident_mb(changing.process.pid)
        with httpx.Client(base_url=changing.address, timeout=WAIT_S) as client:
            known = [item["item_id"] for item in client.get("/items", params={"limit": 1_000}).json()["items"]]
            first_s = _send_batch(client, range(live))
        after_mb = _resident_mb(changing.process.pid)
        for service in (plain, changing):
            measure(service.address)  # caches fill
        outcomes: dict[str, list[Outcome]] = {"without": [], "live": [], "changing": []}
        told: dict[str, Any] = {}
        for _ in range(rounds):
            outcomes["without"].append(measure(plain.address))
            outcomes["live"].append(measure(changing.address))
            with _changing(changing.address, known, live, changes, seed) as of_round:
                outcomes["changing"].append(measure(changing.address))
            told = of_round
        puts = uvloop.run(_puts(changing.address, calls, rate / 4, seed))
        with httpx.Client(base_url=changing.address, timeout=WAIT_S) as client:
            batch_s = _send_batch(client, range(1_000_000, 1_000_000 + BATCH))
        last_mb = _resident_mb(changing.process.pid)
    figures = {name: _figures(of_name) for name, of_name in outcomes.items()}
    times = {
        kind: {
            name: [
                round(figures[name][kind][part] / figures["without"][kind][part], 3) for part in ("p50_ms", "p99_ms")
            ]
            for name in ("live", "changing")
        }
        for kind in KINDS
    }
    print(_table(figures))
    print(
        json.dumps(
            {
                "requests": figures,
                "times_without": times,
                "is_kept": all(max(of_kind["changing"]) <= MOST_TIMES for of_kind in times.values()),
                "changes": told,
                "put_ms": puts,
                "batch_10000_s": round(batch_s, 2),
                "batch_of_live_s": round(first_s, 2),
                "kb_a_live_item": round(1e3 * (last_mb - before_mb) / (live + BATCH), 2),
                "mb": [round(before_mb), round(after_mb), round(last_mb)],
                "live": live,
                "items": read_manifest(resolve(bundle)).shapes.items,
                "redis": redis,
                "rate": rate,
                "cpu": cpu(),
                "command": " ".join(sys.argv),
            }
        )
    )


def _times(figures: dict[str, dict[str, Any]], name: str, kind: str, part: str) -> float:
    return round(figures[name][kind][part] / figures["without"][kind][part], 3)


def _item(number: int, rng: Random) -> dict[str, Any]:
    """A made-up item with some words that others have, and some of its own."""
    words = ("trail", "city", "rain", "summer", "wool", "light", "pro", "kids", "classic", "soft")
    things = ("shoe", "jacket", "bottle", "lamp", "chair", "bag", "knife", "tent", "cap", "scarf")
    return {
        "item_id": f"live-{number}",
        "title": f"{rng.choice(words)} {rng.choice(things)} {rng.choice(words)} Zyx{number % 977}",
        "brand": f"Brand{number % 97}",
        "category": f"{rng.choice(things)}s > {rng.choice(words)}",
        "price": round(rng.uniform(1, 200), 2),
        "in_stock": rng.random() < 0.9,
        "description": " ".join(rng.choices(words + things, k=20)),
    }


def _send_batch(client: httpx.Client, numbers: range) -> float:
    rng = Random(numbers.start)
    lines = "\n".join(json.dumps({"put": _item(number, rng)}) for number in numbers)
    started = time.perf_counter()
    answer = client.post("/items/batch", content=lines, headers=NDJSON).json()
    assert answer["applied"] == len(numbers), answer
    return time.perf_counter() - started


@contextmanager
def _changing(address: str, known: list[str], live: int, changes: float, seed: int) -> Iterator[dict[str, Any]]:
    """Another process that changes items while the body runs; at the end what it was answered is told."""
    told: dict[str, Any] = {}
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_change_for_ever, args=(address, known, live, changes, seed, theirs))
    process.start()
    theirs.close()  # so that an end of the other process is an error here
    ours.recv()
    try:
        yield told
        ours.send("enough")
        told |= ours.recv()
        process.join()
    finally:
        process.kill()


def _change_for_ever(address: str, known: list[str], live: int, changes: float, seed: int, pipe: Any) -> None:
    """The other process."""
    uvloop.run(_change(address, known, live, changes, seed, pipe))


async def _change(address: str, known: list[str], live: int, changes: float, seed: int, pipe: Any) -> None:
    rng = Random(seed)
    connection = await HttpConnection.open(address)
    latencies: list[float] = []
    applied = 0
    pipe.send("ready")
    stop = asyncio.create_task(asyncio.to_thread(pipe.recv))
    due = time.perf_counter()
    while not stop.done():
        operations = [operation(known, live, rng) for _ in range(GROUP)]
        started = time.perf_counter()
        answer = await connection.ask("POST", "/items/batch", {"operations": operations})
        latencies.append(time.perf_counter() - started)
        if answer.status != HTTPStatus.OK:
            raise RuntimeError(f"expected 200, got {answer.status}: {answer.body.decode()}")
        applied += answer.document["applied"]
        due += GROUP / changes
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
    p50, p99 = np.percentile(np.array(latencies) * 1e3, (50, 99)).tolist()
    pipe.send({"groups": len(latencies), "applied": applied, "p50_ms": round(p50, 1), "p99_ms": round(p99, 1)})


def operation(known: list[str], live: int, rng: Random) -> dict[str, Any]:
    """A change of an item: of one that the bundle knows, or of one of twice `live` others."""
    item_id = rng.choice(known) if rng.random() < 0.5 else f"live-{rng.randrange(live)}"
    match rng.choices(list(SHARES), weights=list(SHARES.values()))[0]:
        case "price":
            return {
                "patch": {"item_id": item_id, "price": round(rng.uniform(1, 200), 2), "in_stock": rng.random() < 0.9}
            }
        case "words":
            return {"patch": {"item_id": item_id, "title": _item(rng.randrange(live), rng)["title"]}}
        case "new":
            return {"put": _item(live + rng.randrange(live), rng)}
        case _:
            return {"delete": f"live-{live + rng.randrange(live)}"}


async def _puts(address: str, calls: list[Any], rate: float, seed: int) -> dict[str, float]:
    """Latencies of single `PUT`s beside a quiet stream."""
    rng = Random(seed)
    connection = await HttpConnection.open(address)
    arrivals = poisson_arrivals(rate, PUTS * 0.05, np.random.default_rng(seed))
    stream = asyncio.create_task(send_openly(address, calls, arrivals, PATIENCE_S))
    latencies = []
    for number in range(PUTS):
        item = _item(2_000_000 + number, rng)
        started = time.perf_counter()
        answer = await connection.ask("PUT", f"/items/{item.pop('item_id')}", item)
        latencies.append(time.perf_counter() - started)
        assert answer.status == 200, answer.body
        await asyncio.sleep(0.05)
    await stream
    p50, p99 = np.percentile(np.array(latencies) * 1e3, (50, 99)).tolist()
    return {"p50": round(p50, 2), "p99": round(p99, 2), "longest": round(max(latencies) * 1e3, 2)}


def _figures(outcomes: list[Outcome]) -> dict[str, Any]:
    kinds = np.concatenate([np.array(outcome.kinds) for outcome in outcomes])
    latencies = np.concatenate([np.array(outcome.latencies) for outcome in outcomes]) * 1e3
    failed = sum(sum(outcome.is_failed) + outcome.unanswered + outcome.unsent for outcome in outcomes)
    by_kind = {}
    for kind in KINDS:
        p50, p99 = np.percentile(latencies[kinds == kind], (50, 99)).tolist()
        by_kind[kind] = {"p50_ms": round(p50, 2), "p99_ms": round(p99, 2), "requests": int((kinds == kind).sum())}
    return by_kind | {"failed": failed}


def _table(figures: dict[str, dict[str, Any]]) -> str:
    lines = ["", "| | recommendations p50, p99 ms | searches p50, p99 ms | failed |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {of_name['recommend']['p50_ms']}, {of_name['recommend']['p99_ms']} | "
        f"{of_name['search']['p50_ms']}, {of_name['search']['p99_ms']} | {of_name['failed']} |"
        for name, of_name in figures.items()
    ]
    return "\n".join([*lines, ""])


def _resident_mb(process: int) -> float:
    status = Path(f"/proc/{process}/status").read_text("ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1e3


if __name__ == "__main__":
    typer.run(main)
