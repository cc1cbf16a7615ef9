"""Retrieval on a GPU while bundles are loaded beside it: no run may fail, no load may be refused, no answer may differ.

One thread answers batches of all sizes, depths and kinds of masks from a bundle on the device, as a service does;
another loads the same bundle onto the device again and again, runs its golden requests and drops it, as changes of
version do, only far more often. Answers are compared with those of int8 on the CPU.

The last line of the output is JSON. The exit status is 1 when a load was refused, the device was given up, or a list
shares less than `LEAST_SHARE` of its items with the CPU's.
"""

import json
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from app.engine.gpu_retriever import LARGEST_BATCH, Device, GpuRetriever
from app.engine.loading import load_snapshot, read_warmup
from app.engine.requests import ALL_ITEMS, ItemMask
from app.errors import AisleError

DEPTHS = (10, 50, 200, 1_000)
LEAST_SHARE = 0.8  # of ten items, two may lie so close to the eleventh that rounding decides
CHECK_EVERY = 7  # runs


@dataclass
class Loads:
    """What came of the bundles that were loaded meanwhile."""

    seconds: list[float] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)
    is_over: bool = False


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle, or store of bundles.")],
    device: Annotated[str, typer.Option(help="cuda, or cpu to try the program out.")] = "cuda",
    seconds: Annotated[float, typer.Option(min=1, help="How long.")] = 20.0,
) -> None:
    """Answer from a device while bundles are loaded onto it."""
    if device not in ("cuda", "cpu"):
        raise typer.BadParameter(f"expected cuda or cpu, got {device}", param_hint="--device")
    kind: Literal["cuda", "cpu"] = "cuda" if device == "cuda" else "cpu"
    loads = Loads()
    loader = threading.Thread(target=_load, args=(bundle, Device(kind), loads))
    report = {"device": kind} | _answer(bundle, Device(kind), seconds, loader, loads)
    report |= {
        "loads": len(loads.seconds),
        "refused": len(loads.refused),
        "first_refusal": (loads.refused or [None])[0],
    }
    report["load_p50_s"] = round(float(np.median(loads.seconds)), 3) if loads.seconds else None
    print(json.dumps(report))
    if loads.refused or report["gave_up"] or report["least_share"] < LEAST_SHARE:
        raise typer.Exit(1)


def _load(bundle: Path, device: Device, loads: Loads) -> None:
    while not loads.is_over:
        begin = time.perf_counter()
        try:
            load_snapshot(bundle, device=device)
        except AisleError as error:
            loads.refused.append(error.message)
        else:
            loads.seconds.append(time.perf_counter() - begin)


def _answer(
    bundle: Path, device: Device, seconds: float, loader: threading.Thread, loads: Loads
) -> dict[str, float | int | bool]:
    on_cpu, retriever = load_snapshot(bundle), load_snapshot(bundle, device=device).retriever
    assert isinstance(retriever, GpuRetriever)
    requests, selectable = read_warmup(on_cpu.folder), on_cpu.items.selectable
    rng = np.random.default_rng(0)
    times, shares = [], []
    loader.start()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        batch = requests.take(rng.integers(0, len(requests), rng.integers(1, LARGEST_BATCH + 1)))
        depth, masks = int(rng.choice(DEPTHS)), int(rng.choice([0, 1, len(batch)]))
        mask = ItemMask((rng.random((masks, selectable.shape[1])) < 0.5) & selectable) if masks else ALL_ITEMS
        begin = time.perf_counter()
        rows = retriever.run(batch, depth, mask).rows
        times.append(time.perf_counter() - begin)
        if len(times) % CHECK_EVERY == 0:
            pairs = zip(rows, on_cpu.retriever.run(batch, depth, mask).rows, strict=True)
            shares += [np.isin(expected[expected > 0], found).mean() for found, expected in pairs if expected.any()]
    loads.is_over = True
    loader.join()
    p50, p99 = (round(1e3 * float(value), 3) for value in np.percentile(times, [50, 99]))
    least, mean = round(float(np.min(shares)), 4), round(float(np.mean(shares)), 4)
    is_lost = retriever.has_failed
    return {
        "runs": len(times),
        "p50_ms": p50,
        "p99_ms": p99,
        "mean_share": mean,
        "least_share": least,
        "gave_up": is_lost,
    }


if __name__ == "__main__":
    typer.run(main)
