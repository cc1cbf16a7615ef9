"""Whether a GPU answers as the CPU does: `/recommend` of two services over one bundle, request for request.

Both are real `aisle-serve` processes that keep user states in the process and take their time from the bundle. One runs
retrieval on `--device`, the other on the CPU. Half precision and int8 round differently, so two items with nearly equal
scores may change places. The comparison therefore counts the CPU's items that the device answers as well, and reports
the greatest difference between two scores of one item. Requests go out one by one first, then many at once, which the
service answers in batches.

The last line of the output is JSON. The exit status is 1 if a mean share is below `--at-least`, or if the service did
not load its bundle on the device.
"""

import json
import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import typer
from sample_bodies import sample_bodies
from serve_process import running_service

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest

AT_ONCE = 16
Answer = dict[str, float]  # item id -> score, best first


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle, or store of bundles.")],
    device: Annotated[
        str, typer.Option(help="cuda; or cpu, which compares the CPU with itself, to try the program without a GPU.")
    ] = "cuda",
    requests: Annotated[int, typer.Option(min=1, help="Requests, drawn by seed.")] = 200,
    k: Annotated[int, typer.Option(min=1, help="Items of an answer.")] = 10,
    at_least: Annotated[
        float, typer.Option(min=0.0, max=1.0, help="Mean share of items that both must answer.")
    ] = 0.99,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Compare a device's answers with those of the CPU."""
    folder = resolve(bundle)
    bodies = sample_bodies(folder, read_manifest(folder), requests, k, seed)
    with ExitStack() as services:
        on_device = services.enter_context(running_service(bundle, clock="bundle", device=device))
        on_cpu = services.enter_context(running_service(bundle, clock="bundle", device="cpu"))
        served_by = _served_by(on_device.address)
        expected = _answers(on_cpu.address, bodies, 1)
        found = {
            "alone": _compared(expected, _answers(on_device.address, bodies, 1)),
            "in_batches": _compared(expected, _answers(on_device.address, bodies, AT_ONCE)),
        }
    print(json.dumps({"device": served_by, "requests": requests, "k": k, "bundle": folder.name, **found}))
    if served_by != device or any(each["share"] < at_least for each in found.values()):
        raise typer.Exit(1)


def _served_by(address: str) -> str | None:
    """The device that the service names in its metrics."""
    shown = re.search(r'^aisle_bundle\{[^}]*device="([^"]*)"', httpx.get(f"{address}/metrics").text, re.MULTILINE)
    return None if shown is None else shown[1]


def _answers(address: str, bodies: list[dict[str, Any]], at_once: int) -> list[Answer]:
    with httpx.Client(base_url=address, timeout=30) as client, ThreadPoolExecutor(at_once) as pool:

        def ask(body: dict[str, Any]) -> Answer:
            response = client.post("/recommend", json=body)
            response.raise_for_status()
            answer = response.json()
            if answer["degraded"]:
                raise RuntimeError(f"expected a full answer, got one without {answer['degraded']}")
            return {item["item_id"]: item["score"] for item in answer["items"]}

        return list(pool.map(ask, bodies))


def _compared(expected: list[Answer], came: list[Answer]) -> dict[str, float]:
    shares = [len(a.keys() & b.keys()) / max(1, len(a)) for a, b in zip(expected, came, strict=True)]
    apart = [abs(a[item] - b[item]) for a, b in zip(expected, came, strict=True) for item in a.keys() & b.keys()]
    return {
        "share": round(float(np.mean(shares)), 4),
        "lowest_share": round(min(shares), 4),
        "same_order": sum(list(a) == list(b) for a, b in zip(expected, came, strict=True)),
        "greatest_score_difference": round(max(apart, default=0.0), 6),
    }


if __name__ == "__main__":
    typer.run(main)
