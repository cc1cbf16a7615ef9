"""What a filter costs: `POST /recommend` under filters that half, a hundredth and a thousandth of the items pass.

A real `aisle-serve` and a load generator of its own process take turns over one keep-alive connection, so that nothing
waits for anything else. Filters are ranges of the price, at places drawn at random, as wide as the share asks: `cold`
ones are all different, so that each mask is worked out anew; `cached` ones are one filter, again and again. A tree is
category, price and brand together. Facets, orders and groups are measured over all items and over half of them. The
requests come from known users. The last line of the output is JSON: percentiles in milliseconds, and the mean
microseconds of every stage in `Server-Timing`.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import typer
from numpy.typing import NDArray
from serve_process import running_service

from app.artifact.bundle_store import resolve
from app.artifact.filter_columns import read_filter_columns
from app.artifact.manifest import read_manifest

SHARES = (0.5, 0.01, 0.001)
DISTINCT = 20_000
K = 20
Tree = dict[str, Any]


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles, with prices.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 3.0,
    connections: Annotated[int, typer.Option(min=1, help="Kept alive, each asking anew when answered.")] = 1,
) -> None:
    """Measure filtered requests of a real `aisle-serve` beside unfiltered ones."""
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    columns = {column.entry.name: column for column in read_filter_columns(folder) if not column.entry.attribute}
    prices = columns["price"].numbers
    if prices is None:
        raise typer.BadParameter("a bundle without prices cannot be filtered by them")
    users = manifest.sample_users or ["nobody"]
    wishes = dict(_wishes(np.asarray(prices), manifest.shapes.items, np.random.default_rng(0)))
    found: dict[str, Any] = {"items": manifest.shapes.items, "dim": manifest.shapes.dim, "connections": connections}
    with running_service(bundle, clock="bundle") as service:
        for name, asked in wishes.items():
            bodies = [{"k": K, "user_id": users[place % len(users)], **wish} for place, wish in enumerate(asked)]
            _measure(service.address, bodies[-len(users) :], connections, 0.5)
            found[name] = _measure(service.address, bodies, connections, seconds)
            shown = {key: round(found[name][key], 3) for key in ("p50_ms", "p99_ms")}
            print(f"{name:18}", json.dumps(shown | found[name]["stages_us"]), flush=True)
    print(json.dumps(found))


def _wishes(prices: NDArray[np.float64], items: int, rng: np.random.Generator) -> Iterator[tuple[str, list[Tree]]]:
    """What is asked beside the user, by the name of the measurement; `prices` ascend."""
    yield "no filter", [{}]
    for share in SHARES:
        trees = [_range(prices, share * items, rng) for _ in range(DISTINCT)]
        yield f"{share:g} cold", [{"filter": tree} for tree in trees]
        yield f"{share:g} cached", [{"filter": trees[0]}]
    half = _range(prices, items / 2, rng)
    tree = {"all": [half, {"field": "category", "exists": True}, {"not": {"field": "brand", "eq": "none of them"}}]}
    trees = [{"all": [_range(prices, items / 2, rng), *tree["all"][1:]]} for _ in range(DISTINCT)]
    yield "tree, cold", [{"filter": each} for each in trees]
    yield "tree, cached", [{"filter": tree}]
    for name, wish in (
        ("facets", {"facets": ["category", "brand", "price"]}),
        ("sort", {"sort": "price_asc"}),
        ("group by brand", {"group_by": "brand"}),
        ("group by category", {"group_by": "category"}),
    ):
        yield name, [wish]
        yield f"{name}, half", [{"filter": half, **wish}]


def _range(prices: NDArray[np.float64], count: float, rng: np.random.Generator) -> Tree:
    """A filter that about `count` items pass."""
    width = min(len(prices) - 1, max(1, round(count)))
    first = int(rng.integers(0, len(prices) - width))
    jitter = float(rng.uniform(0, 1e-6))  # so that no two filters are the same
    return {"field": "price", "gte": float(prices[first]) - jitter, "lt": float(prices[first + width])}


def _measure(address: str, bodies: list[dict[str, Any]], connections: int, seconds: float) -> dict[str, Any]:
    where = urlsplit(address)
    asked = {
        "host": where.hostname,
        "port": where.port,
        "path": "/recommend",
        "bodies": [json.dumps(body) for body in bodies],
        "connections": connections,
        "seconds": seconds,
    }
    load = [sys.executable, str(Path(__file__).parent / "http_load.py")]
    done = subprocess.run(load, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    typer.run(main)
