"""What a filter costs: `POST /recommend` under filters that half, a hundredth and a thousandth of the items pass.

A real `aisle-serve` and a load generator of its own process take turns over one keep-alive connection, so that nothing
waits for anything else. Filters are ranges of the price, at places drawn at random, as wide as the share asks: `cold`
ones are all different, so that each mask is worked out anew; `cached` ones are one filter, again and again. A tree is
category, price and brand together. Facets, orders and groups are measured over all items and over half of them. The
requests come from known users. Measurements take turns over several rounds, so that a machine that slows down slows all
of them, and medians are told. The last line of the output is JSON: percentiles in milliseconds, microseconds of a core
that the service used a request, by the kernel's count, and mean microseconds of every stage in `Server-Timing`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import typer
from numpy.typing import NDArray
from serve_process import ServeProcess, running_service

from app.artifact.bundle_store import resolve
from app.artifact.filter_columns import read_filter_columns
from app.artifact.manifest import read_manifest

SHARES = (0.5, 0.01, 0.001)
DISTINCT = 20_000
K = 20
Tree = dict[str, Any]


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles, with prices.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1, help="Of all measurements.")] = 5,
    connections: Annotated[int, typer.Option(min=1, help="Kept alive, each asking anew when answered.")] = 1,
) -> None:
    """Measure filtered requests of a real `aisle-serve` beside unfiltered ones."""
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    columns = {column.entry.name: column for column in read_filter_columns(folder) if not column.entry.attribute}
    prices = columns["price"].numbers if "price" in columns else None
    if prices is None:
        raise typer.BadParameter("a bundle without prices cannot be filtered by them")
    users = manifest.sample_users or ["nobody"]
    wishes = {
        name: [{"k": K, "user_id": users[place % len(users)], **wish} for place, wish in enumerate(asked)]
        for name, asked in _wishes(np.asarray(prices), manifest.shapes.items, np.random.default_rng(0), len(users))
    }
    measured: dict[str, list[dict[str, Any]]] = {name: [] for name in wishes}
    with running_service(bundle, clock="bundle") as service:
        for round_ in range(rounds):
            for name, bodies in wishes.items():
                first = round_ * len(bodies) // rounds  # others than before, where there are others
                measured[name].append(_measure(service, bodies[first:] + bodies[:first], connections, seconds))
    found: dict[str, Any] = {"items": manifest.shapes.items, "dim": manifest.shapes.dim, "connections": connections}
    for name, each in measured.items():
        found[name] = _medians(each)
        print(f"{name:24}", json.dumps(found[name]), flush=True)
    print(json.dumps(found))


def _medians(measured: list[dict[str, Any]]) -> dict[str, Any]:
    stages = {name: [each["stages_us"].get(name, 0.0) for each in measured] for name in measured[0]["stages_us"]}
    return {
        **{name: round(median(each[name] for each in measured), 3) for name in ("p50_ms", "p99_ms", "cpu_us")},
        "stages_us": {name: round(median(values), 1) for name, values in stages.items()},
    }


def _wishes(
    prices: NDArray[np.float64], items: int, rng: np.random.Generator, users: int
) -> Iterator[tuple[str, list[Tree]]]:
    """What is asked beside the user, by the name of the measurement; `prices` ascend."""
    yield "no filter", [{}] * users
    for share in SHARES:
        trees = [_range(prices, share * items, rng) for _ in range(DISTINCT)]
        yield f"{share:g} cold", [{"filter": tree} for tree in trees]
        yield f"{share:g} cached", [{"filter": trees[0]}] * users
    half = _range(prices, items / 2, rng)
    tree = {"all": [half, {"field": "category", "exists": True}, {"not": {"field": "brand", "eq": "none of them"}}]}
    trees = [{"all": [_range(prices, items / 2, rng), *tree["all"][1:]]} for _ in range(DISTINCT)]
    yield "tree, cold", [{"filter": each} for each in trees]
    yield "tree, cached", [{"filter": tree}] * users
    for name, wish in (
        ("facets", {"facets": ["category", "brand", "price"]}),
        ("sort", {"sort": "price_asc"}),
        ("group by brand", {"group_by": "brand"}),
        ("group by category", {"group_by": "category"}),
    ):
        yield name, [wish] * users
        yield f"{name}, half", [{"filter": half, **wish}] * users


def _range(prices: NDArray[np.float64], count: float, rng: np.random.Generator) -> Tree:
    """A filter that about `count` items pass."""
    width = min(len(prices) - 1, max(1, round(count)))
    first = int(rng.integers(0, len(prices) - width))
    jitter = float(rng.uniform(0, 1e-6))  # so that no two filters are the same
    return {"field": "price", "gte": float(prices[first]) - jitter, "lt": float(prices[first + width])}


def _measure(service: ServeProcess, bodies: list[dict[str, Any]], connections: int, seconds: float) -> dict[str, Any]:
    where = urlsplit(service.address)
    asked = {
        "host": where.hostname,
        "port": where.port,
        "path": "/recommend",
        "bodies": [json.dumps(body) for body in bodies],
        "connections": connections,
        "seconds": seconds,
    }
    load = [sys.executable, str(Path(__file__).parent / "http_load.py")]
    before = _cpu_s(service)
    done = subprocess.run(load, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found | {"cpu_us": (_cpu_s(service) - before) / found["requests"] * 1e6}


def _cpu_s(service: ServeProcess) -> float:
    """Seconds of a core that the service has used."""
    words = Path(f"/proc/{service.process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    typer.run(main)
