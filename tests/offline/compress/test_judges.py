"""Searches judge compression where the log has them, through the graph that would be served."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from offline.compress.judges import LEAST_USERS, MOST_USERS, judge_name, load_judges, users_within
from offline.compress.outcomes import Outcome, Outcomes
from offline.compress.recipe import Recipe
from offline.compress.variant_session import open_variant, top_rows, tower_model
from offline.dataset.split_events import read_events
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.metrics import parse_metric, table_of
from offline.graph.build import item_graph, read_graph
from offline.training.trained import load_trained
from offline.training.validation import DEPTH, load_search_validation, validate
from offline.workspace.budget import Allowance


def test_a_search_is_judged_with_its_words_as_training_validates_it(shop_run: Any, tmp_path: Path) -> None:
    split = shutil.copytree(shop_run.split, tmp_path / "split")
    meta = json.loads((split / "meta.json").read_text())
    (split / "meta.json").write_text(json.dumps(meta | {"task": "search"}))
    trained = load_trained(split, item_graph(read_graph(shop_run.graph)), shop_run.train)
    searches, users = load_judges(split, trained.graph, 1_000, seed=1)
    assert searches.words is not None
    assert users.words is None
    variant = open_variant(trained, tower_model(trained), 32, tmp_path / "tower.onnx")
    rows = top_rows(variant, searches, DEPTH)
    value = table_of([parse_metric(searches.metric, DEPTH)], rows, searches.cases.targets)[:, 0].mean()
    scale = trained.settings.text_scale
    window = trained.settings.window
    expected = validate(trained.network, trained.graph, trained.known, searches, window, scale)
    assert value == pytest.approx(expected, rel=0.02)
    without_words = validate(trained.network, trained.graph, trained.known, users, window, scale)
    assert abs(expected - without_words) > 0.02 * expected


def test_every_log_with_searches_is_judged_by_them_and_a_set_to_be_searched_by_nothing_else(
    shop_run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    split = shutil.copytree(shop_run.split, tmp_path / "split")
    graph = item_graph(read_graph(shop_run.graph))
    searched = read_events(split, ("valid",), ("user", "query")).drop_nulls("query").height

    def judges_of(task: str, least: int = 1) -> list[str]:
        monkeypatch.setattr("offline.compress.judges.LEAST_SEARCHES", least)
        meta = json.loads((split / "meta.json").read_text())
        (split / "meta.json").write_text(json.dumps(meta | {"task": task}))
        return [judge_name(judge) for judge in load_judges(split, graph, 10_000, seed=1)]

    assert judges_of("next_item") == ["users", "searches"]
    assert judges_of("graded_search", least=searched + 1) == ["users", "searches"]
    assert judges_of("next_item", least=searched + 1) == ["users"]
    everything = load_search_validation(split, graph, 10_000, seed=1)
    assert everything is not None
    assert len(everything.cases.targets.rows) > read_split_meta(split).counts["valid"].users / 10
    valid = pl.read_parquet(split / "valid.parquet").with_columns(query=pl.lit(None, pl.String))
    valid.write_parquet(split / "valid.parquet")
    assert judges_of("next_item") == ["users"]
    assert judges_of("graded_search") == judges_of("search") == []


def test_what_variants_came_to_is_read_as_it_was_written(tmp_path: Path) -> None:
    outcomes = Outcomes(tmp_path / "tried")
    outcome = Outcome(
        "int8, 8 + 8 units", Recipe(hidden=8, feed=8), 1.5, (np.ones(3), np.zeros(2)), np.eye(3, 10, dtype=int)
    )
    assert outcomes.read(outcome.name) is None
    outcomes.write(outcome)
    again = Outcomes(tmp_path / "tried").read(outcome.name)
    assert again is not None
    assert (again.name, again.recipe, again.megabytes) == (outcome.name, outcome.recipe, 1.5)
    assert all(np.array_equal(*pair) for pair in zip(again.values, outcome.values, strict=True))
    assert np.array_equal(again.top, outcome.top)


def test_more_users_judge_where_there_is_time_and_the_same_after_a_stop(tmp_path: Path) -> None:
    seconds = [0.0]

    def probe(users: int) -> None:
        seconds[0] += 0.01 * users

    def users_in(folder: str, budget_s: float | None, items: int = 10_000) -> int:
        allowance = Allowance.of(budget_s, now=lambda: seconds[0])
        return users_within(allowance, items, Outcomes(tmp_path / folder), probe)

    assert users_in("no budget", None) == MOST_USERS
    assert users_in("many items", None, items=1_000_000) == 10_000
    assert users_in("short", 10.0) == LEAST_USERS
    assert users_in("long", 1_002.0) == 5_000
    assert users_in("long", 10.0) == 5_000
