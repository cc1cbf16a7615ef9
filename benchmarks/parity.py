"""Whether what is served is what was measured: `/recommend` over HTTP beside the offline evaluation, item for item.

The bundle is the measured one: runs/NAME/measured, which `--serve measured` also puts into runs/NAME/bundle. A version
that knows the whole log answers otherwise, as it should; how far is in `serving.json` of the run.

A real Redis is seeded by `aisle-offline publish`; a real `aisle-serve` answers from it. Users of the split are asked
for, with `exclude` as the set's first mask says; expected is the engine's ranking in the offline evaluation of the same
bundle. Users with events of a test session (context) are left out: the service has not been told them. The last line of
the output is JSON.
"""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import httpx
import numpy as np
import polars as pl
import typer
from redis_process import running_redis
from serve_process import running_service

from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.user_state import read_user_states
from app.engine.loading import load_snapshot
from app.engine.requests import ALL_STAGES
from offline.dataset.people import read_person
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.protocol import Cases, RowLists, load_cases
from offline.evaluation.ranked import rank_requests
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows

K = 200


def main(
    bundle: Annotated[Path, typer.Option(help="Measured bundle, or its store, runs/NAME/measured.")],
    split: Annotated[Path, typer.Option(help="The split that it was trained on, runs/NAME/split.")],
    users: Annotated[int, typer.Option(min=1, help="Test users asked for, drawn by seed.")] = 200,
    longest: Annotated[int, typer.Option(min=0, help="Besides, the users with the longest histories.")] = 0,
    mask: Annotated[str | None, typer.Option(help="seen or purchased; the set's first mask if left out.")] = None,
    seed: Annotated[int, typer.Option(help="Of the draw.")] = 0,
) -> None:
    """Compare answers over HTTP with the offline evaluation of the same bundle."""
    refuse_unmeasured(bundle)
    with running_redis() as server:
        publish(bundle, server.url)
        with running_service(bundle, server.url, clock="bundle") as service:
            print(json.dumps(compare(bundle, split, service.address, users, longest, mask, seed)))


def refuse_unmeasured(bundle: Path) -> None:
    """Return when the figures of the bundle are its own."""
    measured_as = read_manifest(resolve(bundle)).measured_as
    if measured_as is not None:
        raise typer.BadParameter(
            f"expected the measured version, {measured_as}, got one that knows the whole log: name runs/NAME/measured",
            param_hint="--bundle",
        )


def publish(bundle: Path, url: str) -> None:
    """Seed a Redis with the bundle, as an operator would."""
    command = "from offline.cli import cli; cli()"
    subprocess.run(
        [sys.executable, "-c", command, "publish", "--bundle", str(bundle), "--redis", url],
        check=True,
        stdout=subprocess.DEVNULL,
    )


def compare(
    bundle: Path, split: Path, address: str, users: int, longest: int, wanted_mask: str | None, seed: int
) -> dict[str, Any]:
    """How many of the answers are the same to the last item."""
    snapshot = load_snapshot(bundle, threads=0)
    cases = load_cases(split, "test")
    mask = wanted_mask or read_split_meta(split).mask[0]
    rows = bundle_rows(pl.read_parquet(split / "items.parquet").sort("row")["item_id"].to_list(), snapshot.items)
    requests, stored = batch_of_cases(cases, rows, read_user_states(snapshot.folder), snapshot.manifest.shapes.window)
    cut = snapshot.manifest.cut  # the service has one clock for all, at the newest event; cases may have one each
    requests = replace(requests, now=np.full(len(cases), np.nan if cut is None else cut))
    hidden = map_rows(cases.mask(mask), rows)
    expected = rank_requests(snapshot, requests, hidden, ALL_STAGES)
    chosen = _chosen(cases, hidden, stored, users, longest, np.random.default_rng(seed))
    same, different, shown = 0, [], 0
    with httpx.Client(base_url=address, timeout=30) as client:
        for case in chosen:
            came = _asked(client, cases.user_ids[case], mask)
            wanted = [snapshot.items.id_of(int(row)) for row in expected[case, :K] if row]
            past = {snapshot.items.id_of(int(row)) for row in hidden.of(case) if row}
            shown += len(past & set(came))
            if came == wanted:
                same += 1
            else:
                at = next((rank for rank, (a, b) in enumerate(zip(came, wanted, strict=False)) if a != b), len(came))
                different.append({"case": case, "first_difference_at": at})
    lengths = np.array([len(set(hidden.of(case).tolist()) - {0}) for case in chosen])
    return {
        "users": len(chosen),
        "same_to_the_last_item": same,
        "different": different[:10],
        "items_compared_each": K,
        "hidden_items_shown": shown,
        "mask": mask,
        "most_hidden_items_of_a_user": int(lengths.max(initial=0)),
        "users_with_at_least_1000_hidden": int((lengths >= 1000).sum()),
        "bundle": resolve(bundle).name,
        "dataset": snapshot.manifest.dataset,
    }


def _chosen(
    cases: Cases, hidden: RowLists, stored: np.ndarray, users: int, longest: int, rng: np.random.Generator
) -> list[int]:
    """Cases whose state the bundle knows whole."""
    able = np.flatnonzero(stored & (cases.context == 0))
    drawn = rng.choice(able, size=min(users, len(able)), replace=False)
    by_length = able[np.argsort(-hidden.lengths()[able], kind="stable")][:longest]
    return [int(case) for case in dict.fromkeys([*by_length.tolist(), *drawn.tolist()])]


def _asked(client: httpx.Client, user_id: str, mask: str) -> list[str]:
    person = read_person(user_id)
    response = client.post("/recommend", json={f"{person.kind}_id": person.id, "exclude": mask, "k": K})
    response.raise_for_status()
    answer = response.json()
    if answer["degraded"]:
        raise RuntimeError(f"expected a full answer, came one without {answer['degraded']}")
    return [item["item_id"] for item in answer["items"]]


if __name__ == "__main__":
    typer.run(main)
