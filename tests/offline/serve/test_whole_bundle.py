"""The whole log in one part, the graph that reads like that of training, and what comes of a drift past a threshold."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.manifest import read_manifest
from app.artifact.rank_tables import read_rank_tables
from offline.dataset.spec import load_spec
from offline.dataset.split_meta import read_split_meta
from offline.errors import RunFolderError
from offline.evaluation import drift
from offline.evaluation.document import EvaluationDocument
from offline.evaluation.serving_document import (
    CalibrationShift,
    Drift,
    ScoreShift,
    ServingDocument,
    read_serving,
    serving_line,
)
from offline.graph.build import KnownGraph, build_graph, item_graph, read_graph
from offline.ingest.ingest import ingest
from offline.job import Options, run_stage
from offline.report.findings import Evidence, Weight
from offline.report.run_rules import drifted
from offline.serve.grow import grow
from offline.split.split import split
from offline.split.whole import PARTS, whole_split
from offline.training.item_bags import bucket_idf
from offline.training.trained import load_trained
from offline.workspace.run_folder import RunFolder

TOML = """name = "tiny"
[events]
path = "events.csv"
[evaluation]
task = "next_item"
mask = ["seen"]
metrics = ["hr@1"]
"""


def parts_of(tmp_path: Path, rows: str, how: str) -> tuple[Path, Path]:
    """The ingested tables and the split of a log."""
    data = tmp_path / "data"
    data.mkdir()
    (data / "events.csv").write_text(rows)
    (data / "dataset.toml").write_text(TOML)
    spec = load_spec(data)
    ingest(spec, tmp_path / "ingest")
    split(tmp_path / "ingest", tmp_path / "split", spec, 3, how)
    return tmp_path / "ingest", tmp_path / "split"


def histories(folder: Path) -> dict[str, list[str]]:
    """The items of each user, in order."""
    items = pl.read_parquet(folder / "items.parquet").select(pl.col("row").alias("item"), "item_id")
    users = pl.read_parquet(folder / "users.parquet").select("user", "user_id")
    table = pl.read_parquet(folder / "train.parquet").join(items, on="item").join(users, on="user")
    ordered = table.sort("user", "order").group_by("user_id", maintain_order=True).agg("item_id")
    return dict(ordered.iter_rows())


def test_the_whole_log_is_one_part_in_its_true_order(tmp_path: Path) -> None:
    # Validation by `last` moves the held-out events behind the target; here they stand where they happened.
    rows = "user_id,item_id,position\n" + "".join(
        f"u{user},{item},{place}\n"
        for user in range(6)
        for place, item in enumerate(["c", "a", "b", "a", f"new{user}"])
    )
    ingested, measured = parts_of(tmp_path, rows, "last")
    log = whole_split(ingested, measured, tmp_path / "whole")
    assert histories(tmp_path / "whole") == {f"u{user}": ["c", "a", "b", "a", f"new{user}"] for user in range(6)}
    assert (log.new_events, log.new_items, log.new_users) == (6, 6, 0)
    before, after = (pl.read_parquet(folder / "items.parquet").sort("row") for folder in (measured, tmp_path / "whole"))
    assert after.head(before.height).equals(before)
    assert sorted(after.tail(6)["item_id"]) == [f"new{user}" for user in range(6)]
    assert pl.read_parquet(tmp_path / "whole" / "users.parquet").equals(pl.read_parquet(measured / "users.parquet"))
    for part in ("valid", "context", "test"):
        assert pl.read_parquet(tmp_path / "whole" / f"{part}.parquet").is_empty()


def test_context_is_past_like_any_other_and_events_without_a_time_come_first(tmp_path: Path) -> None:
    rows = "user_id,item_id,position,split\n" + "".join(
        [
            *(f"u{user},{item},{place},train\n" for user in range(4) for place, item in enumerate("abc")),
            "late,a,0,context\nlate,b,1,context\nlate,c,2,test\n",
        ]
    )
    (tmp_path / "context").mkdir()
    log = whole_split(*parts_of(tmp_path / "context", rows, "column"), tmp_path / "whole")
    assert (log.context_events, log.new_events, log.new_users) == (2, 3, 1)
    assert histories(tmp_path / "whole")["late"] == ["a", "b", "c"]

    timed = "user_id,item_id,timestamp\n" + "".join(
        f"u{user},{item},{1_700_000_000 + 1_000 * place + user}\n"
        for user in range(4)
        for place, item in enumerate("abcd")
    )
    (tmp_path / "timed").mkdir()
    ingested, measured = parts_of(tmp_path / "timed", timed + "u0,lost,\nnobody,lost,\n", "time:0.7")
    assert read_split_meta(measured).dropped_without_time == 2
    log = whole_split(ingested, measured, tmp_path / "timed" / "whole")
    known = histories(tmp_path / "timed" / "whole")
    assert (known["u0"], known["nobody"]) == (["lost", "a", "b", "c", "d"], ["lost"])


@pytest.fixture
def folder(shop_run: Any, tmp_path: Path) -> RunFolder:
    shutil.copytree(shop_run.run, tmp_path / "run")
    return RunFolder(tmp_path / "run")


def test_the_graph_of_the_whole_log_reads_as_that_of_training(folder: RunFolder, tmp_path: Path) -> None:
    before = folder.refit / "graph"
    graph = item_graph(read_graph(before))
    trained = load_trained(folder.split, graph, folder.refit / "final")
    idf = bucket_idf(graph)
    whole_split(folder.ingested, folder.split, tmp_path / "whole")
    known = KnownGraph.read(before, folder.split, trained.record["parts"], idf)
    build_graph(tmp_path / "whole", tmp_path / "graph", parts=PARTS, known=known)
    for relation in ("bucket__spells__item", "attribute__describes__item"):
        assert pl.read_parquet(tmp_path / "graph" / f"{relation}.parquet").equals(
            pl.read_parquet(before / f"{relation}.parquet")
        )
    now = item_graph(read_graph(tmp_path / "graph"))
    assert (now.attributes, now.text_buckets) == (graph.attributes, graph.text_buckets)
    assert now.queries > graph.queries
    # A query of training has the same n-grams with the same weights.
    assert graph.query_text is not None
    assert now.query_text is not None
    rows = {tuple(np.round(row.numpy(), 5)) for row in now.query_text.matrix.to_dense()}
    assert all(tuple(np.round(row.numpy(), 5)) in rows for row in graph.query_text.matrix.to_dense())

    # The weights are the same, and a further item takes the way of an unknown id.
    weights = {name: value.clone() for name, value in trained.network.state_dict().items()}
    columns = pl.read_parquet(tmp_path / "graph" / "item__co_occurs__item.parquet")
    assert columns.height > pl.read_parquet(before / "item__co_occurs__item.parquet").height
    grown = grow(trained, now)
    for name, value in grown.network.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert torch.equal(grown.known, trained.known)
    with pytest.raises(RunFolderError, match="run all stages again"):
        grow(
            grown,
            item_graph(read_graph(folder.graph)).__class__(
                items=3, attributes=0, text_buckets=0, text=None, item_attributes=None, item_items=None
            ),
        )


@pytest.mark.parametrize("is_past", [False, True])
def test_counts_are_brought_to_the_measured_scale_where_scores_drifted(
    folder: RunFolder, shop: Path, quiet: Any, monkeypatch: pytest.MonkeyPatch, is_past: bool
) -> None:
    if is_past:
        monkeypatch.setattr(drift, "MAX_DISTANCE", -1.0)
    results = run_stage("serve", shop, folder, Options(seed=1), quiet)
    document = read_serving(folder.serving)
    measured, served = resolve(folder.measured), resolve(folder.bundles)
    before, now = (read_rank_tables(bundle).counts for bundle in (measured, served))
    assert results["is_past"] == document.is_past == is_past
    assert document.drift is not None
    assert document.drift.queries > 10
    assert 0.5 < (document.drift.query_overlap_at_10 or 0.0) <= 1.0
    assert (now > 0).sum() > (before > 0).sum()
    if is_past:
        assert document.count_scales is not None
        assert document.drift_before is not None
        assert set(document.count_scales) == {"view", "cart", "purchase"}
        assert all(0 < scale < 1 for scale in document.count_scales.values())
        np.testing.assert_allclose(now.sum(axis=0), before.sum(axis=0), rtol=1e-4)
    else:
        assert document.count_scales is None
        assert document.drift_before is None
        assert (now.sum(axis=0) > before.sum(axis=0)).all()
    # What the catalogue alone says is the same file.
    of_measured, of_served = (read_manifest(bundle).files for bundle in (measured, served))
    for name in (names.TEXT_IDF, names.TEXT_VECTORS, names.RANK_GRAPH, names.HALF_GRAPH, names.ITEM_CODES):
        assert of_measured[name] == of_served[name], name
    assert json.loads((folder.path / "run.json").read_text())["serve"]["results"]["version"] == document.version


def document_of(**changes: Any) -> Drift:
    base: dict[str, Any] = {
        "requests": 500,
        "without_news": True,
        "scores": [ScoreShift(name="order", measured=1.0, served=1.1, distance=0.1)],
        "cases": 500,
        "calibration": [
            CalibrationShift(
                behaviour="view", observed=0.1, measured=0.1, served=0.1, measured_ece=0.01, served_ece=0.02
            )
        ],
        "overlap_at_10": 0.8,
        "excesses": [],
    }
    return Drift(**(base | changes))


def test_each_threshold_is_said_in_words() -> None:
    assert drift.excesses_of(document_of()) == []
    moved = ScoreShift(name="P(view)", measured=0.1, served=0.3, distance=0.4)
    off = document_of().calibration[0].model_copy(update={"served_ece": 0.2})
    for changes, words in (
        ({"scores": [moved]}, "P(view) of the ten best moved by 0.40"),
        ({"calibration": [off]}, "P(view) is off by 0.200"),
        ({"overlap_at_10": 0.3}, "30% of the ten best are the same"),
        ({"queries": 9, "query_overlap_at_10": 0.2}, "20% of the ten best of a query are the same"),
    ):
        (excess,) = drift.excesses_of(document_of(**changes))
        assert words in excess
    assert drift.excesses_of(document_of(overlap_at_10=None)) == []


def test_the_distance_of_two_samples_is_that_of_kolmogorov_and_smirnov() -> None:
    first, second = np.array([1.0, 2.0, 3.0, 4.0]), np.array([3.5, 4.5, 5.5, 6.5])
    assert drift.distance_of(first, first) == 0.0
    assert drift.distance_of(first, second) == 0.75
    assert drift.distance_of(first, first + 10) == 1.0


@pytest.mark.parametrize(("excesses", "weight"), [(["scores moved"], Weight.LOOK), ([], Weight.GOOD)])
def test_a_drift_past_its_threshold_asks_for_a_closer_look_and_says_what_to_do(
    excesses: list[str], weight: Weight
) -> None:
    serving = ServingDocument(
        how="whole",
        version="b",
        measured_as="a",
        drift=document_of(excesses=excesses),
        seconds=1.0,
        own_mb=1.0,
        linked_mb=2.0,
        measured_mb=3.0,
    )
    evidence = Evidence(EvaluationDocument.of({}), serving=serving)
    (finding,) = drifted(evidence)
    assert finding.weight == weight
    assert ("scores moved" in finding.sentence) == bool(excesses)
    assert ("--serve measured" in finding.next_step) == bool(excesses)
    assert serving_line(serving).startswith("served: b knows 0 more events")
    alone = serving.model_copy(update={"how": "measured", "reason": "as it is", "drift": None})
    assert list(drifted(replace(evidence, serving=alone))) == []
    assert "the measured version (as it is)" in serving_line(alone)


def test_a_catalogue_without_events_is_served_as_it_was_measured(catalogue_run: Any) -> None:
    folder = RunFolder(catalogue_run.run)
    document = read_serving(folder.serving)
    assert (document.how, document.reason) == ("measured", "no event was held back from it")
    assert document.version == resolve(folder.measured).name == resolve(folder.bundles).name
    assert (document.own_mb < 1, document.linked_mb > 0) == (True, True)
    assert "no event was held back" in folder.page.read_text("utf-8")
