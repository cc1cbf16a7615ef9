"""Large logs go through ingest, split and graph in pieces, and nothing shows where the pieces met."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from offline.dataset.spec import load_spec
from offline.graph import co_occurrence
from offline.ingest import clean_events
from offline.ingest.ingest import ingest
from offline.split import cuts, parts
from offline.split.split import split
from offline.synthetic import cohorts
from offline.synthetic.synthesize import synthesize


def log(folder: Path, seed: int) -> Path:
    """A small log with duplicates, bad rows, one heavy user, and times that are equal."""
    rng = np.random.default_rng(seed)
    rows = 3_000
    user = np.where(rng.random(rows) < 0.3, 5, rng.integers(0, 200, rows))
    table = pl.DataFrame(
        {
            "user_id": [f"u{number}" for number in user],
            "item_id": [f"i{number}" for number in rng.integers(0, 80, rows)],
            "event_type": rng.choice(["view", "cart", "purchase", "glance"], rows, p=[0.7, 0.19, 0.1, 0.01]),
            "timestamp": rng.integers(1_700_000_000, 1_700_000_900, rows),
            "query": rng.choice(["red shoe", "lamp", ""], rows),
        }
    )
    folder.mkdir()
    pl.concat([table, table[::37]]).write_csv(folder / "events.csv")
    (folder / "dataset.toml").write_text('name = "shop"\n[events]\npath = "events.csv"\n')
    return folder


def outcome(folder: Path, out: Path, how: str) -> dict[str, bytes | list[dict[str, object]]]:
    spec = load_spec(folder)
    ingest(spec, out / "ingest")
    split(out / "ingest", out / "split", spec, 1, how)
    found: dict[str, bytes | list[dict[str, object]]] = {}
    for path in sorted(out.rglob("*.*")):
        found[str(path.relative_to(out))] = (
            pl.read_parquet(path).to_dicts() if path.suffix == ".parquet" else path.read_bytes()
        )
    return found


@pytest.mark.parametrize("how", ["time:0.8", "last", "random"])
def test_pieces_of_any_size_give_the_same_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    folder = log(tmp_path / "shop", 3)
    whole = outcome(folder, tmp_path / "whole", how)
    monkeypatch.setattr(clean_events, "BATCH_ROWS", 170)
    monkeypatch.setattr(clean_events, "RANGE_EVENTS", 230)
    monkeypatch.setattr(parts, "RANGE_EVENTS", 190)
    monkeypatch.setattr(cuts, "RANGE_EVENTS", 210)
    pieces = outcome(folder, tmp_path / "pieces", how)
    assert pieces == whole
    assert len(whole["ingest/rejected.parquet"]) > 10


def test_co_occurrence_does_not_depend_on_the_size_of_its_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    user = np.sort(rng.integers(0, 20, 300))
    train = pl.DataFrame({"user": user, "item": rng.integers(1, 30, 300), "order": range(300)})
    whole = co_occurrence._ordered_pairs(train, 40).toarray()
    for at_once in (1, 100, 1_000):
        np.testing.assert_array_equal(co_occurrence._ordered_pairs(train, 40, at_once).toarray(), whole)


def test_a_large_shop_comes_in_parts_that_read_as_one_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offline.synthetic.synthesize.COHORT_EVENTS", 1_000)
    monkeypatch.setattr(cohorts, "COHORT_EVENTS", 1_000)
    for name in ("a", "b"):
        synthesize(120, 60, 4, tmp_path / name, 5_000)
    made = sorted((tmp_path / "a" / "events").iterdir())
    assert len(made) == 5
    assert [path.read_bytes() for path in made] == [
        (tmp_path / "b" / "events" / path.name).read_bytes() for path in made
    ]
    rows = pl.concat([pl.read_parquet(path).with_columns(part=pl.lit(path.name)) for path in made])
    assert rows.height == pytest.approx(5_000, rel=0.1)
    users = rows.filter(pl.col("user_id") != "")
    assert users.group_by("user_id").agg(pl.col("part").n_unique())["part"].max() == 1
    assert users.group_by("session_id").agg(pl.col("user_id").n_unique())["user_id"].max() == 1
    summary = ingest(load_spec(tmp_path / "a"), tmp_path / "out")
    assert isinstance(summary["events"], dict)
    assert summary["events"]["users"] == 120
