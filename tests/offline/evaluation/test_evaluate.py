"""Evaluation: a bundle is asked as the service would ask it, and the document says what came."""

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from rich.console import Console

from app.artifact.hashing import stable_hashes
from app.artifact.user_state import UserStates, read_user_states
from app.engine.loading import load_snapshot
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.snapshot import Snapshot
from offline.errors import DatasetError
from offline.evaluation import evaluate as evaluation
from offline.evaluation.causality import NOT_CAUSAL
from offline.evaluation.document import EvaluationDocument
from offline.evaluation.evaluate import evaluate
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import Cases, load_cases
from offline.evaluation.ranked import rank_requests
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows
from offline.evaluation.table import report_table
from offline.split.split import PARTS

Write = Callable[..., Path]

DIM, WINDOW = 2, 3
SAME = np.arange(11, dtype=np.int32)


def states_of(histories: dict[str, list[tuple[int, int]]]) -> UserStates:
    """Stored states: the last `WINDOW` (row, type) of each user, and a long vector of (user's place, 1)."""
    hashes = stable_hashes(histories)
    order = np.argsort(hashes)
    lists = [list(histories.values())[place][-WINDOW:] for place in order]
    events = [event for events in lists for event in events]
    return UserStates(
        hashes=hashes[order],
        long_vectors=np.array([[place + 1, 1] for place in order], dtype=np.int8).reshape(-1, DIM),
        long_scales=np.ones(len(order), dtype=np.float32),
        long_weights=np.full(len(order), 2.5, dtype=np.float32),
        event_offsets=np.concatenate([[0], np.cumsum([len(events) for events in lists])]).astype(np.int64),
        event_rows=np.array([row for row, _ in events], dtype=np.int32),
        event_types=np.array([kind for _, kind in events], dtype=np.uint8),
        event_times=np.full(len(events), np.nan),
        seen_offsets=np.zeros(len(order) + 1, dtype=np.int64),
        seen_rows=np.zeros(0, dtype=np.int32),
        seen_purchased=np.zeros(0, dtype=bool),
    )


def requests_of(folder: Path, states: UserStates, rows: NDArray[np.int32] = SAME) -> tuple[RequestBatch, list[bool]]:
    batch, stored = batch_of_cases(load_cases(folder, "test"), rows, states, WINDOW)
    return batch, stored.tolist()


def test_a_request_is_the_stored_state_and_the_context_that_came_since(write_split: Write, tmp_path: Path) -> None:
    train = [(0, row, 1, float(row)) for row in (1, 2, 3, 4, 5)] + [(1, 6, 3, 1.0)]
    context = [(0, 8, 2, 50.0), (2, 9, 1, 60.0)]
    test = [(user, 10, 1, 99.0) for user in (0, 1, 2)]
    folder = write_split(tmp_path, train=train, context=context, test=test)
    stored = states_of({"u0": [(3, 1), (4, 1), (5, 1)], "u1": [(6, 3)]})
    batch, used = requests_of(folder, stored)
    assert used == [True, True, False]
    assert batch.event_rows.tolist() == [[4, 5, 8], [0, 0, 6], [0, 0, 9]]
    assert batch.event_types.tolist() == [[1, 1, 2], [0, 0, 3], [0, 0, 1]]
    np.testing.assert_array_equal(batch.event_times[0], [4.0, 5.0, 50.0])
    assert batch.long_vector.tolist() == [[1, 1], [2, 1], [0, 0]]
    assert batch.long_weight.tolist() == [2.5, 2.5, 0.0]
    assert batch.now.tolist() == [99.0, 99.0, 99.0]
    assert batch.exclude_rows.shape == (3, 0)


@pytest.mark.parametrize(
    "told", [[(4, 1), (5, 1), (10, 1)], [(4, 1), (5, 1)], [(3, 1), (4, 1), (5, 3)], [(5, 1), (4, 1), (3, 1)]]
)
def test_a_state_that_is_not_of_this_history_is_not_used(
    write_split: Write, tmp_path: Path, told: list[tuple[int, int]]
) -> None:
    train = [(0, row, 1, float(row)) for row in (1, 2, 3, 4, 5)]
    folder = write_split(tmp_path, train=train, test=[(0, 10, 1, 99.0)])
    batch, used = requests_of(folder, states_of({"u0": told}))
    assert used == [False]
    assert batch.event_rows.tolist() == [[3, 4, 5]]
    assert not batch.long_weight.any()
    assert not batch.long_vector.any()


def test_items_are_those_of_the_bundle_and_events_on_others_are_left_out(write_split: Write, tmp_path: Path) -> None:
    train = [(0, row, 1, float(row)) for row in (1, 2, 3, 4, 5)]
    folder = write_split(tmp_path, train=train, test=[(0, 10, 1, 99.0)])
    rows = np.array([0, 7, 0, 5, 9, 0, 1, 1, 1, 1, 3], dtype=np.int32)
    batch, used = requests_of(folder, states_of({"u0": [(7, 1), (5, 1), (9, 1)]}), rows)
    assert used == [True]
    assert batch.event_rows.tolist() == [[7, 5, 9]]
    assert map_rows(load_cases(folder, "test").targets, rows).rows.tolist() == [3]


def test_a_user_whom_nobody_knows_has_no_signal(write_split: Write, tmp_path: Path) -> None:
    folder = write_split(tmp_path, train=[(0, 1, 1, 1.0)], test=[(1, 2, 1, 2.0)])
    batch, used = requests_of(folder, states_of({"u0": [(1, 1)]}))
    assert used == [False]
    assert not batch.has_signal().any()
    assert requests_of(folder, states_of({}))[1] == [False]


@pytest.fixture(scope="module")
def snapshot(shop_run: object) -> Snapshot:
    return load_snapshot(shop_run.bundle)  # type: ignore[attr-defined]


@pytest.fixture(scope="module")
def split(shop_run: object) -> Path:
    return shop_run.split  # type: ignore[attr-defined,no-any-return]


@pytest.fixture(scope="module")
def asked(snapshot: Snapshot, split: Path) -> tuple[Cases, RequestBatch, NDArray[np.int32]]:
    cases = load_cases(split, "test")
    rows = bundle_rows(pl.read_parquet(split / "items.parquet").sort("row")["item_id"].to_list(), snapshot.items)
    states = read_user_states(snapshot.folder)
    batch, stored = batch_of_cases(cases, rows, states, snapshot.manifest.shapes.window)
    assert (stored == (cases.history.lengths() > 0)).all()
    return cases, batch, rows


Asked = tuple[Cases, RequestBatch, NDArray[np.int32]]


def test_rows_of_the_split_are_found_in_the_bundle_by_id(snapshot: Snapshot, asked: Asked) -> None:
    rows = asked[2]
    assert rows.tolist() == list(range(snapshot.items.last_row + 1))
    assert bundle_rows(["no such item"], snapshot.items).tolist() == [0, 0]


@pytest.mark.parametrize("mask", ["seen", "purchased", "none"])
def test_hidden_items_are_never_ranked_and_no_item_twice(snapshot: Snapshot, asked: Asked, mask: str) -> None:
    cases, batch, rows = asked
    hidden = map_rows(cases.mask(mask), rows)
    found = rank_requests(snapshot, batch, hidden, ALL_STAGES)
    assert found.shape == (len(cases), 200)
    for line in range(len(cases)):
        shown = found[line][found[line] > 0].tolist()
        assert len(set(shown)) == len(shown) == min(200, snapshot.items.count - len(hidden.of(line)))
        assert not set(shown) & set(hidden.of(line).tolist())


def test_a_user_is_ranked_alone_as_among_others(snapshot: Snapshot, asked: Asked) -> None:
    cases, batch, rows = asked
    hidden = map_rows(cases.mask("seen"), rows)
    together = rank_requests(snapshot, batch, hidden, ALL_STAGES)
    for line in range(0, len(cases), 9):
        only = type(hidden)(np.array([0, len(hidden.of(line))]), hidden.of(line))
        alone = rank_requests(snapshot, batch.take(np.array([line])), only, ALL_STAGES)
        np.testing.assert_array_equal(alone[0], together[line])


def test_without_retrieval_everybody_gets_what_is_popular(snapshot: Snapshot, asked: Asked) -> None:
    cases, batch, rows = asked
    found = rank_requests(snapshot, batch, map_rows(cases.mask("none"), rows), Stages(retrieval=False))
    assert (found == snapshot.items.popular_rows[:200]).all()


def test_the_bundle_ranks_about_as_well_as_the_network_that_it_was_made_of(
    snapshot: Snapshot, split: Path, shop_run: object, asked: Asked
) -> None:
    from offline.dataset.histories import Histories
    from offline.graph.build import item_graph, read_graph
    from offline.training.refit import FINAL, GRAPH
    from offline.training.scoring import query_vectors, rank_items
    from offline.training.trained import load_trained

    cases, batch, rows = asked
    refitted = shop_run.run / "refit"  # type: ignore[attr-defined]
    graph = item_graph(read_graph(refitted / GRAPH))
    trained = load_trained(split, graph, refitted / FINAL)
    units, lengths = trained.network.item_vectors(graph, trained.known)
    histories = Histories(cases.history.offsets, cases.history.rows, cases.history_types, cases.history_times)
    window = snapshot.manifest.shapes.window
    queries = query_vectors(trained.network.queries, units, histories, cases.now, window)
    hidden = cases.mask("seen")
    exact = rank_items(queries, units * lengths[:, None], hidden.lines(), hidden.rows, 200)
    exact[cases.history.lengths() == 0] = 0
    served = rank_requests(snapshot, batch, map_rows(hidden, rows), ALL_STAGES)
    served[cases.history.lengths() == 0] = 0
    overlap = np.mean([len(set(one[:10]) & set(other[:10])) / 10 for one, other in zip(exact, served, strict=True)])
    assert overlap > 0.95
    values = [table_of([Metric("ndcg", 10)], found, cases.targets).mean() for found in (exact, served)]
    assert abs(values[0] - values[1]) < 0.02


def test_the_document_has_what_the_contract_names(shop_run: object, snapshot: Snapshot, split: Path) -> None:
    heard: list[tuple[int, int, str]] = []
    document = evaluate(snapshot.folder, split, seed=3, progress=lambda *told: heard.append(told))
    assert document == evaluate(shop_run.bundle, split, seed=3)  # type: ignore[attr-defined]
    assert json.loads(json.dumps(document)) == document
    figures = {"reports", "baselines", "variants", "slices", "candidates", "behaviours"}
    assert set(document) == {"dataset", "bundle", "notes"} | figures
    assert document["bundle"]["version"] == snapshot.manifest.version
    assert document["dataset"]["part"] == "test"
    assert list(document["baselines"]) == ["popularity", "item_knn", "item_knn_window"]
    (report,) = document["reports"]
    assert report["protocol"] == "seen"
    assert list(report["metrics"]) == list(report["ci95"]) == ["hr@10", "ndcg@10", "mrr@200"]
    assert report["n"] == len(load_cases(split, "test"))
    assert 0 <= report["targets_on_unknown_items"] <= report["targets"]
    for metric, value in report["metrics"].items():
        low, high = report["ci95"][metric]
        assert 0 <= low <= value <= high <= 1
        for name, by_mask in document["baselines"].items():
            theirs, lift = by_mask["seen"], report[f"lift_over_{name}"][metric]
            assert theirs["ci95"][metric][0] <= theirs[metric] <= theirs["ci95"][metric][1]
            assert lift["difference"] == pytest.approx(value - theirs[metric])
            assert lift["ci95"][0] <= lift["difference"] <= lift["ci95"][1]
    assert {(done <= total, bool(what)) for done, total, what in heard} == {(True, True)}


def test_every_mask_of_the_split_has_its_report(snapshot: Snapshot, split: Path, tmp_path: Path) -> None:
    folder = copied(split, tmp_path, mask=["none", "seen"], metrics=["recall@20", "mrr@5"], how="column")
    document = evaluate(snapshot.folder, folder, baselines=False)
    assert [report["protocol"] for report in document["reports"]] == ["none", "seen"]
    assert all(list(report["metrics"]) == ["recall@20", "mrr@5"] for report in document["reports"])
    assert document["baselines"] == {}
    assert {key for report in document["reports"] for key in report if key.startswith("lift")} == {"lift_over_vector"}
    assert document["notes"] == []  # the column cuts by time, as the rows' own times show


def test_targets_among_what_is_known_are_told(snapshot: Snapshot, split: Path, tmp_path: Path) -> None:
    folder = copied(split, tmp_path, how="column")
    test = pl.read_parquet(folder / "test.parquet")
    test.with_columns(pl.col("time") - 90 * 86_400.0).write_parquet(folder / "test.parquet")
    assert evaluate(snapshot.folder, folder, baselines=False)["notes"] == [NOT_CAUSAL]


def test_a_split_with_its_items_in_another_order_is_scored_the_same(
    snapshot: Snapshot, split: Path, tmp_path: Path
) -> None:
    folder = copied(split, tmp_path)
    items = pl.read_parquet(folder / "items.parquet")
    number = np.concatenate([[0], 1 + np.random.default_rng(0).permutation(items.height)]).astype(np.uint32)
    items.with_columns(row=pl.Series(number[items["row"].to_numpy()])).write_parquet(folder / "items.parquet")
    for part in PARTS:
        rows = pl.read_parquet(folder / f"{part}.parquet")
        rows.with_columns(item=pl.Series(number[rows["item"].to_numpy()])).write_parquet(folder / f"{part}.parquet")
    reports = [evaluate(snapshot.folder, parts, baselines=False)["reports"] for parts in (split, folder)]
    assert reports[0] == reports[1]


def test_validation_does_not_read_states_that_know_its_targets(snapshot: Snapshot, split: Path) -> None:
    document = evaluate(snapshot.folder, split, part="valid", baselines=False)
    assert document["bundle"]["users_with_stored_state"] == 0
    assert document["dataset"]["part"] == "valid"
    with pytest.raises(DatasetError, match="got 'train'"):
        evaluate(snapshot.folder, split, part="train")


def test_targets_that_the_bundle_does_not_have_are_counted_and_missed(
    snapshot: Snapshot, split: Path, tmp_path: Path
) -> None:
    folder = copied(split, tmp_path)
    test = pl.read_parquet(folder / "test.parquet")
    test.with_columns(item=pl.lit(0, pl.UInt32)).write_parquet(folder / "test.parquet")
    (report,) = evaluate(snapshot.folder, folder, baselines=False)["reports"]
    assert report["targets_on_unknown_items"] == report["targets"]
    assert set(report["metrics"].values()) == {0.0}


def test_the_table_shows_every_figure_and_note(snapshot: Snapshot, split: Path) -> None:
    document = evaluate(snapshot.folder, split)
    console = Console(width=140, record=True, file=io.StringIO())
    console.print(report_table(EvaluationDocument.of(document | {"notes": ["mind this"]})))
    text = console.export_text()
    report = document["reports"][0]
    for metric, value in report["metrics"].items():
        assert metric in text
        assert f"{value:.4f}" in text
        assert all(
            f"{report[f'lift_over_{name}'][metric]['difference']:+.4f}" in text for name in document["baselines"]
        )
    assert "mind this" in text
    assert f"{report['n']} users" in text


def copied(split: Path, out: Path, **meta: object) -> Path:
    for path in split.iterdir():
        if path.name == "meta.json":
            (out / path.name).write_text(json.dumps(json.loads(path.read_text()) | meta))
        else:
            (out / path.name).write_bytes(path.read_bytes())
    return out


class Backwards:
    """The graph of a ranker, with its order turned round."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def run(self, outputs: Any, feeds: Any) -> Any:
        order, *others = self._session.run(outputs, feeds)
        return -order, *others


def test_a_bundle_with_a_ranker_is_set_beside_itself_without_it(
    snapshot: Snapshot, split: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranker = snapshot.ranker
    assert ranker is not None
    turned = replace(
        ranker,
        session=Backwards(ranker.session),
        order=Backwards(ranker.session),
        spec=ranker.spec.model_copy(update={"orders": True}),
    )
    plain = evaluate(snapshot.folder, split, baselines=False, stages=Stages(ranking=False))
    monkeypatch.setattr(evaluation, "load_snapshot", lambda *_, **__: replace(snapshot, ranker=turned))
    document = evaluate(snapshot.folder, split, baselines=False)
    (report,), vector = document["reports"], document["variants"]["vector"]["seen"]
    assert {name: vector[name] for name in report["metrics"]} == plain["reports"][0]["metrics"]
    assert vector["more"]["metrics"] == plain["reports"][0]["more"]["metrics"]
    assert report["metrics"]["ndcg@10"] < vector["ndcg@10"]
    for metric, lift in report["lift_over_vector"].items():
        assert lift["difference"] == pytest.approx(report["metrics"][metric] - vector[metric])
    assert not document["baselines"]
    without = evaluate(snapshot.folder, split, baselines=False, stages=Stages(ranking=False))
    assert not without["variants"]


def test_slices_and_further_figures_stand_beside_the_main_ones(snapshot: Snapshot, split: Path) -> None:
    document = evaluate(snapshot.folder, split)
    (report,) = document["reports"]
    histories = [part for part in document["slices"]["seen"] if part["group"] == "history"]
    assert sum(part["n"] for part in histories) == report["n"]
    for metric, value in report["metrics"].items():
        assert sum(part["n"] * part["metrics"][metric] for part in histories) / report["n"] == pytest.approx(value)
    assert all(list(part["baselines"]) == ["popularity", "item_knn"] for part in document["slices"]["seen"])
    for entry in (report["more"], *(by_mask["seen"]["more"] for by_mask in document["baselines"].values())):
        assert set(entry["metrics"]).isdisjoint(report["metrics"])
        assert {"coverage@10", "coverage@20", "gini@10", "popularity_percentile@10"} <= set(entry)
