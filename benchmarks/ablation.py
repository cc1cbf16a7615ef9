"""What each piece of the retrieval network is worth: the same training without it, by validation and by test.

The data is ingested and split once; graph, training, export and evaluation follow for the whole network and for each
switch that the data allows, with one seed. Validation is the training's own metric in full precision; test is scored
through the exported bundle. A run of one seed tells large pieces from small ones, no more. The last line of the output
is JSON.

    python benchmarks/ablation.py DATA --out runs/ablation --epochs 4
"""

import json
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from offline.commands.durations import seconds_of
from offline.dataset.spec import load_spec
from offline.dataset.split_meta import SplitMeta
from offline.evaluation.evaluate import evaluate
from offline.export.bundle import export_bundle
from offline.export.inputs import ExportInputs
from offline.graph.build import build_graph, item_graph, read_graph
from offline.ingest.ingest import ingest
from offline.job import choose_device
from offline.split.split import split as cut
from offline.training.settings import SWITCHES, choose_settings, has_content
from offline.training.train import train
from offline.training.train_data import TrainInputs
from offline.workspace.budget import Allowance

WHOLE = "nothing"


def main(
    data: Annotated[Path, typer.Argument(help="dataset.toml, or the folder that holds it.")],
    out: Annotated[Path, typer.Option(help="Folder for splits, trainings and bundles.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Most passes over the data, for each training.")] = None,
    budget: Annotated[str | None, typer.Option(help="Time for each training, such as 60s or 10m.")] = None,
    dim: Annotated[int | None, typer.Option(min=8, help="Numbers in a vector.")] = None,
    switch: Annotated[list[str] | None, typer.Option(help="Only these switches; may be given several times.")] = None,
    seed: Annotated[int, typer.Option(help="Of every draw.")] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
) -> None:
    """Train, export and evaluate the network whole, and without each of its pieces."""
    spec = load_spec(data)
    ingest(spec, out / "ingest")
    meta = cut(out / "ingest", out / "split", spec, seed, None)
    overrides = {name: value for name, value in (("epochs", epochs), ("dim", dim)) if value is not None}
    budget_s = None if budget is None else seconds_of(budget)
    build_graph(out / "split", out / WHOLE / "graph")
    wanted = [name for name in applicable(meta, out / WHOLE / "graph") if not switch or name in switch]
    rows = []
    for name in (WHOLE, *wanted):
        rows.append(measure(name, out, meta, overrides, budget_s, seed, device))
        print(line_of(rows[-1], rows[0]), flush=True)
    print(json.dumps({"dataset": meta.dataset, "how": meta.how, "seed": seed, "without": rows}))


def applicable(meta: SplitMeta, graph_folder: Path) -> list[str]:
    """The switches that take something out of a network on this data."""
    graph = item_graph(read_graph(graph_folder))
    there = {
        "graph": True,
        "aggregation": meta.has_order,
        "attention": meta.has_order,
        "text": graph.text is not None,
        "attributes": graph.item_attributes is not None,
        "behaviours": len(meta.behaviours) > 1,
    }
    return [name for name in SWITCHES if there[name]]


def measure(
    name: str,
    out: Path,
    meta: SplitMeta,
    overrides: dict[str, Any],
    budget_s: float | None,
    seed: int,
    device: str,
) -> dict[str, Any]:
    """One training without the piece of that name, and its figures."""
    folder, without = out / name, () if name == WHOLE else (name,)
    started = time.monotonic()
    build_graph(out / "split", folder / "graph", without=without)
    graph = item_graph(read_graph(folder / "graph"))
    settings = choose_settings(meta, seed, overrides, content=has_content(graph), without=without)
    trained = train(
        TrainInputs(out / "split", graph, settings),
        folder / "train",
        device=choose_device(device),
        allowance=Allowance.of(budget_s),
    )
    export_bundle(ExportInputs(trained, out / "split", folder / "graph"), folder / "bundle")
    document = evaluate(folder / "bundle", out / "split", seed=seed, baselines=False)
    return {
        "without": name,
        "valid": {trained.record["metric"]: trained.record["best"]},
        "test": {report["protocol"]: report["metrics"] for report in document["reports"]},
        "epochs": len(trained.record["epochs"]),
        "seconds": round(time.monotonic() - started, 1),
    }


def line_of(row: dict[str, Any], whole: dict[str, Any]) -> str:
    """One line of the table: each figure, and how far it is from the whole network's."""
    cells = [f"without {row['without']:<12}"]
    for part in ("valid", "test"):
        for name, value, other in _pairs(row[part], whole[part]):
            cells.append(f"{part} {name} {value:.4f} ({(value - other) / max(other, 1e-9):+.1%})")
    return " | ".join([*cells, f"{row['seconds']:.0f} s"])


def _pairs(figures: dict[str, Any], others: dict[str, Any]) -> list[tuple[str, float, float]]:
    found = []
    for name, value in figures.items():
        if isinstance(value, dict):
            found += [(f"{name} {inner}", number, other) for inner, number, other in _pairs(value, others[name])]
        else:
            found.append((name, value, others[name]))
    return found


if __name__ == "__main__":
    typer.run(main)
