"""How long a search takes, by stage: a query alone, with a user, and the same user without a query, in one run.

A real `aisle-serve` and a load generator of its own process take turns over one keep-alive connection, so that nothing
waits for anything else. Queries are words of titles, all different from each other, so that none is remembered from
before; `again` asks a few of them again and again. The last line of the output is JSON: percentiles in milliseconds,
and the mean microseconds of every stage in `Server-Timing`.
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import numpy as np
import typer
from serve_process import running_service

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.manifest import read_manifest

DISTINCT = 20_000
FEW = 10
K = 20


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 3.0,
    connections: Annotated[int, typer.Option(min=1, help="Kept alive, each asking anew when answered.")] = 1,
) -> None:
    """Measure searches of a real `aisle-serve` beside recommendations of it."""
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    titles = TextColumn.read(folder / names.CATALOGUE / "title")
    queries = _queries(titles, np.random.default_rng(0))
    users = manifest.sample_users or ["nobody"]
    kinds: dict[str, list[dict[str, Any]]] = {
        "user": [{"user_id": user} for user in users],
        "query": [{"query": query} for query in queries],
        "query, again": [{"query": query} for query in queries[:FEW]],
        "query and user": [
            {"query": query, "user_id": users[number % len(users)]} for number, query in enumerate(queries)
        ],
    }
    found: dict[str, Any] = {"items": manifest.shapes.items, "dim": manifest.shapes.dim, "connections": connections}
    with running_service(bundle, clock="bundle") as service:
        for name, bodies in kinds.items():
            _measure(service.address, bodies[-FEW:], connections, 0.5)
            found[name] = _measure(service.address, bodies, connections, seconds)
            print(f"{name:16}", json.dumps(found[name]), flush=True)
    print(json.dumps(found))


def _queries(titles: TextColumn, rng: np.random.Generator) -> list[str]:
    """One to three words of a title each, all different as far as there are enough."""
    found: dict[str, None] = {}
    for row in rng.integers(1, len(titles), 4 * DISTINCT):
        words = (titles[int(row)] or "").split()
        if words:
            count = int(rng.integers(1, 4))
            first = int(rng.integers(0, max(1, len(words) - count + 1)))
            found.setdefault(" ".join(words[first : first + count]))
        if len(found) == DISTINCT:
            break
    return list(found)


def _measure(address: str, bodies: list[dict[str, Any]], connections: int, seconds: float) -> dict[str, Any]:
    where = urlsplit(address)
    asked = {
        "host": where.hostname,
        "port": where.port,
        "path": "/recommend",
        "bodies": [json.dumps({"k": K, **body}) for body in bodies],
        "connections": connections,
        "seconds": seconds,
    }
    load = [sys.executable, str(Path(__file__).parent / "http_load.py")]
    done = subprocess.run(load, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    typer.run(main)
