"""Baselines of searches: they count what followed a query before the cut, and back off to its words."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from search_shop import write_search_shop

from offline.dataset.spec import load_spec
from offline.evaluation.baselines import baseline_rankings
from offline.evaluation.metrics import DEPTH
from offline.evaluation.query_baselines import query_rankings
from offline.evaluation.search_cases import load_search_cases
from offline.ingest.ingest import ingest
from offline.split.split import split


def rows_of(folder: Path) -> list[tuple[str, str, str, str, str]]:
    log = [("a", "tent", "Red Tent"), ("b", "tent", "red tent"), ("c", "rope", "red rope"), ("d", "mat", "blue mat")]
    log += [("e", "rope", "rope"), ("f", "lamp", "lamp"), ("g", "lamp", "lamp"), ("h", "lamp", "lamp")]
    train = [(user, item, "purchase", query, "train") for user, item, query in log]
    test = [("a", "rope", "purchase", "RED  rope", "test"), ("b", "mat", "purchase", "blue tent", "test")]
    return [*train, *test]


def made_split(folder: Path, rows: list[Any], items: pl.DataFrame | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    columns = ["user_id", "item_id", "event_type", "query", "split"]
    pl.DataFrame(rows, schema=columns, orient="row").write_parquet(folder / "events.parquet")
    toml = 'name = "camp"\n[events]\npath = "events.parquet"\n'
    if items is not None:
        items.write_parquet(folder / "items.parquet")
        toml += '[items]\npath = "items.parquet"\n'
    (folder / "dataset.toml").write_text(toml + '[evaluation]\ntask = "search"\nmask = ["none"]\nmetrics = ["mrr"]\n')
    spec = load_spec(folder)
    ingest(spec, folder / "ingest")
    split(folder / "ingest", folder / "split", spec, 0, "column")
    return folder / "split"


def answers(split_folder: Path, name: str) -> dict[str, list[str]]:
    """By query, the item ids that the baseline answers with, best first."""
    pairs = load_search_cases(split_folder, "test")
    of_user = baseline_rankings(split_folder, pairs.cases, ["none"], DEPTH, 0)
    ranked = query_rankings(split_folder, pairs, ["none"], of_user)[name]["none"]
    ids = dict(pl.read_parquet(split_folder / "items.parquet").select("row", "item_id").iter_rows())
    return {query: [ids[int(row)] for row in line if row] for query, line in zip(pairs.queries, ranked, strict=True)}


def test_what_followed_the_query_comes_first_then_its_words_then_what_is_popular(tmp_path: Path) -> None:
    found = answers(made_split(tmp_path, rows_of(tmp_path)), "query_counts")
    assert found["RED  rope"][:2] == ["rope", "tent"]
    assert found["RED  rope"][2] == "lamp"
    assert set(found["blue tent"][:2]) == {"mat", "tent"}


def test_nothing_that_is_held_out_is_counted(tmp_path: Path) -> None:
    """A query that test alone holds, with an item that train never saw with any of its words."""
    rows = [*rows_of(tmp_path), *[(user, "mat", "purchase", "yellow", "test") for user in "cdefgh"]]
    found = answers(made_split(tmp_path, rows), "query_counts")
    assert found["yellow"][0] == "lamp"  # what is popular


def test_words_of_the_items_are_a_baseline_where_items_have_any(tmp_path: Path) -> None:
    items = pl.DataFrame({"item_id": ["tent", "rope", "mat", "lamp"], "title": ["Zelt", "Seil", "blue tent", "Lampe"]})
    found = answers(made_split(tmp_path, rows_of(tmp_path), items), "tf_idf")
    assert found["blue tent"][0] == "mat"
    assert "lamp" in found["blue tent"]
    bare = made_split(tmp_path / "bare", rows_of(tmp_path))
    with pytest.raises(KeyError):
        answers(bare, "tf_idf")


def test_joined_baselines_know_query_and_user(tmp_path: Path) -> None:
    folder = write_search_shop(tmp_path / "shop", shoppers=60)
    spec = load_spec(folder)
    ingest(spec, folder / "ingest")
    split(folder / "ingest", folder / "split", spec, 0, "column")
    pairs = load_search_cases(folder / "split", "test")
    of_user = baseline_rankings(folder / "split", pairs.cases, ["none"], DEPTH, 0)
    ranked = query_rankings(folder / "split", pairs, ["none"], of_user)
    joined = ranked["query_and_user"]["none"]
    for line in range(0, len(pairs), 7):
        rows = joined[line][joined[line] > 0].tolist()
        parents = np.concatenate([ranked["query_counts"]["none"][line], of_user["item_knn"]["none"][line]]).tolist()
        assert len(rows) == len(set(rows))
        assert set(rows) <= set(parents)
    assert len({tuple(line) for line in joined.tolist()}) > pairs.number.max() + 1
