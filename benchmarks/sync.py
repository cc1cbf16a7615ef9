"""How long `aisle-offline sync` takes on a made-up shop: dry run, first sync, again, and a night with some changes.

A real Redis, a real `aisle-serve` on it with any bundle of a made-up shop, and an export of `--items` items: those that
the bundle does not know are put, the others patched. In the night some items get another price. The last line of the
output is JSON: of each sync its wall and CPU seconds, and what it did.
"""

import json
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import numpy as np
import polars as pl
import typer
from redis_process import running_redis
from serve_process import running_service

from offline.synthetic.synthesize import synthesize

KEY = "sync-benchmark-key-of-its-own"


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle of a made-up shop, or its store, runs/NAME/bundle.")],
    items: Annotated[int, typer.Option(min=20, help="Items of the export.")] = 50_000,
    changed: Annotated[float, typer.Option(min=0, max=1, help="Share of the items that change overnight.")] = 0.02,
    through_redis: Annotated[bool, typer.Option(help="Write to Redis, rather than over HTTP.")] = False,
    seed: Annotated[int, typer.Option(help="Of the shop and of what changes.")] = 0,
) -> None:
    """Sync a made-up export with a live catalogue."""
    with TemporaryDirectory() as folder, running_redis("--appendonly", "yes") as server:
        shop = Path(folder) / "shop"
        synthesize(100, items, seed, shop)
        settings = {"admin_keys": KEY, "clock": "bundle"}
        with running_service(bundle, server.url, **settings) as service:
            target = ["--url", service.address, "--key", KEY]
            if through_redis:
                target = ["--redis", server.url, "--bundle", str(bundle)]
            figures = {
                "dry_run": sync(shop, *target, "--dry-run"),
                "first": sync(shop, *target),
                "again": sync(shop, *target),
            }
            raise_prices(shop / "items.parquet", changed, seed)
            figures["night"] = sync(shop, *target)
    print(json.dumps({"items": items, "changed": changed, "through_redis": through_redis, **figures}))


def raise_prices(path: Path, share: float, seed: int) -> None:
    """Give a share of the items another price."""
    rows = pl.read_parquet(path)
    dearer = np.random.default_rng(seed).random(rows.height) < share
    prices = pl.when(pl.Series(dearer)).then(pl.col("price") + 1).otherwise("price")
    rows.with_columns(prices.alias("price")).write_parquet(path)


def sync(shop: Path, *words: str) -> dict[str, Any]:
    """Run the command, and return what it did and its seconds."""
    before, start = cpu_s(), time.perf_counter()
    command = [sys.executable, "-c", "from offline.cli import cli; cli()", "sync", "--data", str(shop), *words]
    run = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    wall_s = time.perf_counter() - start
    document = json.loads(run.stdout.strip().splitlines()[-1])
    did = {name: document[name] for name in ("put", "patched", "deleted", "same")}
    return {**did, "refused": len(document["refused"]), "wall_s": round(wall_s, 1), "cpu_s": round(cpu_s() - before, 1)}


def cpu_s() -> float:
    """CPU seconds of all commands that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    typer.run(main)
