"""The made-up shop: the same for a seed, dirty like a real one, and with something in it to learn."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from offline.dataset.spec import load_spec
from offline.errors import InputError, RunFolderError
from offline.ingest.ingest import ingest
from offline.split.split import split
from offline.synthetic import shelves
from offline.synthetic.catalogue import make_catalogue
from offline.synthetic.shelves import make_shelves
from offline.synthetic.synthesize import synthesize

USERS, ITEMS = 500, 500


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "shop"
    synthesize(USERS, ITEMS, 11, out)
    return out


@pytest.fixture(scope="module")
def events(shop: Path) -> pl.DataFrame:
    return pl.read_parquet(shop / "events.parquet")


@pytest.fixture(scope="module")
def items(shop: Path) -> pl.DataFrame:
    return pl.read_parquet(shop / "items.parquet")


@pytest.fixture(scope="module")
def parts(shop: Path) -> dict[str, pl.DataFrame]:
    spec = load_spec(shop)
    ingest(spec, shop.parent / "ingested")
    split(shop.parent / "ingested", shop.parent / "parts", spec, 1, None)
    return {path.stem: pl.read_parquet(path) for path in (shop.parent / "parts").glob("*.parquet")}


def test_a_seed_gives_the_same_shop_and_another_seed_another(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        synthesize(40, 60, seed, tmp_path / name)
    for file in ("events", "items", "truth"):
        first, again, other = (pl.read_parquet(tmp_path / name / f"{file}.parquet") for name in "abc")
        assert first.equals(again)
        assert not first.equals(other)


def test_the_log_ends_on_the_day_that_is_asked_for_and_is_the_same_otherwise(tmp_path: Path) -> None:
    synthesize(40, 60, 3, tmp_path / "usual")
    synthesize(40, 60, 3, tmp_path / "later", until=date(2026, 2, 1))
    usual, later = (pl.read_parquet(tmp_path / name / "events.parquet") for name in ("usual", "later"))
    last = datetime.fromtimestamp(later["timestamp"].max(), UTC)
    assert timedelta() < datetime(2026, 2, 1, tzinfo=UTC) - last < timedelta(days=3)
    assert later.drop("timestamp").equals(usual.drop("timestamp"))
    assert (later["timestamp"] - usual["timestamp"]).n_unique() == 1


def test_about_as_many_events_come_out_as_were_asked_for(events: pl.DataFrame, tmp_path: Path) -> None:
    assert events.height == pytest.approx(USERS * 50, rel=0.03)
    synthesize(50, 40, 1, tmp_path / "shop", 4_000)
    assert pl.read_parquet(tmp_path / "shop" / "events.parquet").height == pytest.approx(4_000, rel=0.05)


@pytest.mark.parametrize(("users", "count", "wanted"), [(1, 20, 1), (3, 20, None), (100, 20, 10)])
def test_the_smallest_shops_can_be_made(tmp_path: Path, users: int, count: int, wanted: int | None) -> None:
    synthesize(users, count, 1, tmp_path / "shop", wanted)
    assert pl.read_parquet(tmp_path / "shop" / "items.parquet").height == count


def test_a_shop_without_users_or_shelves_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="at least 1 user, 20 items"):
        synthesize(1, 5, 1, tmp_path / "shop")


def test_ingest_finds_a_little_dirt_of_every_kind(shop: Path, parts: dict[str, pl.DataFrame]) -> None:
    summary = json.loads((shop.parent / "ingested" / "summary.json").read_text())
    counts = summary["events"]
    assert set(counts["reasons"]) == {"empty user id", "empty item id", "unknown event type", "negative price"}
    assert 0 < counts["rejected"] < 0.02 * counts["read"]
    assert 0 < counts["duplicates"] < 0.02 * counts["read"]
    assert 0 < counts["on_items_absent_from_catalogue"] < 0.02 * counts["read"]
    assert summary["behaviours"] == ["view", "cart", "purchase"]


def test_the_log_covers_two_months_and_narrows_from_views_to_purchases(events: pl.DataFrame) -> None:
    seconds = events.get_column("timestamp")
    assert 50 < (seconds.max() - seconds.min()) / 86_400 < 63
    assert seconds.is_sorted()
    counts = dict(events.get_column("event_type").value_counts().iter_rows())
    assert counts["view"] > 3 * counts["cart"] > 3 * counts["purchase"] > 0
    assert 0.05 < 1 - events.get_column("query").null_count() / events.height < 0.4


def test_a_purchase_follows_a_cart_and_a_cart_follows_a_view(events: pl.DataFrame) -> None:
    first = events.filter(pl.col("user_id") != "", pl.col("item_id") != "").pivot(
        "event_type", index=["session_id", "item_id"], values="timestamp", aggregate_function="min"
    )
    ordered = first.filter(pl.col("purchase").is_not_null()).drop_nulls(["view", "cart"])
    assert ordered.height > 100
    in_turn = (pl.col("view") < pl.col("cart")) & (pl.col("cart") < pl.col("purchase"))
    assert ordered.select(in_turn.mean()).item() > 0.98, "more than what dirt explains is out of turn"


def test_the_catalogue_has_words_in_two_scripts_attributes_and_brands_at_home(items: pl.DataFrame) -> None:
    chinese = items.get_column("title").str.contains(r"\p{Han}").mean()
    assert 0.05 < chinese < 0.15
    assert items.get_column("category").str.contains(" > ").all()
    assert set(json.loads(items.get_column("attributes_json")[0])) == {"colour", "material", "size"}
    homes = items.group_by("brand").agg(pl.col("category").n_unique())
    assert homes.get_column("category").max() <= 4
    assert items.null_count().sum_horizontal().item() == 0
    assert items.get_column("price").min() > 0


def test_some_items_are_new_and_nobody_has_touched_them(events: pl.DataFrame, items: pl.DataFrame) -> None:
    untouched = items.join(events, on="item_id", how="anti").height
    assert 0.03 * ITEMS <= untouched < 0.08 * ITEMS


def test_users_keep_to_the_categories_that_they_are_said_to_like(shop: Path, events: pl.DataFrame) -> None:
    truth = pl.read_parquet(shop / "truth.parquet")
    likes = truth.filter(kind="user").select(pl.col("id").alias("user_id"), "categories")
    homes = truth.filter(kind="item").select(
        pl.col("id").alias("item_id"), pl.col("categories").list.first().alias("at")
    )
    joined = events.join(likes, on="user_id").join(homes, on="item_id")
    liked = joined.select(pl.col("at").is_in(pl.col("categories")).mean()).item()
    by_chance = joined.select(pl.col("at").is_in(pl.col("categories").shift(1000)).mean()).item()
    assert liked > 0.6 > 2 * by_chance


def test_popularity_has_a_heavy_tail_and_drifts(events: pl.DataFrame) -> None:
    counts = events.get_column("item_id").value_counts(sort=True).get_column("count")
    assert counts.head(ITEMS // 10).sum() > 0.25 * counts.sum()
    half = events.height // 2
    early, late = (
        set(part.get_column("item_id").value_counts(sort=True)[:20]["item_id"])
        for part in (events[:half], events[half:])
    )
    assert len(early & late) < 18


def test_what_came_before_predicts_the_target_far_better_than_popularity(parts: dict[str, pl.DataFrame]) -> None:
    train = (
        parts["train"]
        .with_columns(after=pl.col("item").shift(-1).over("user"))
        .filter(pl.col("after") != pl.col("item"))
    )
    popular = train.get_column("item").value_counts(sort=True)[:10]["item"].to_list()
    best = train.group_by("item", "after").len().sort("len", "after", descending=True)
    best = best.group_by("item", maintain_order=True).agg(pl.col("after").head(10).alias("best"))
    whole = pl.concat(parts[part] for part in ("train", "valid", "test")).sort("user", "order")
    whole = whole.with_columns(before=pl.col("item").shift(1).over("user"))
    test = whole.filter("target").filter(pl.col("time") >= parts["test"].get_column("time").min())
    test = test.join(best, left_on="before", right_on="item", how="left")
    by_sequence = test.select(pl.col("item").is_in(pl.col("best")).fill_null(value=False).mean()).item()
    by_popularity = test.select(pl.col("item").is_in(popular).mean()).item()
    assert by_sequence > 3 * by_popularity
    assert by_sequence > 0.25


def test_a_folder_of_somebody_else_is_left_alone_unless_forced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="expected an empty folder"):
        synthesize(5, 20, 1, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    out = tmp_path / "shop"
    synthesize(5, 20, 1, out)
    synthesize(5, 20, 2, out)
    (out / "truth.parquet").unlink()
    with pytest.raises(RunFolderError):
        synthesize(5, 20, 3, out)
    synthesize(5, 20, 3, out, force=True)
    assert sorted(path.name for path in out.iterdir()) == [
        "dataset.toml",
        "events.parquet",
        "items.parquet",
        "truth.parquet",
    ]


def test_progress_is_told_up_to_the_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    synthesize(5, 20, 1, tmp_path / "shop", progress=lambda done, total, what: calls.append((done, total)))
    assert calls[-1][0] == calls[-1][1]


def test_a_large_category_is_compared_in_parts_that_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = make_catalogue(600, np.random.default_rng(5))
    whole = make_shelves(catalogue, np.random.default_rng(6)).near
    monkeypatch.setattr(shelves, "_COMPARED", 16)
    parts = make_shelves(catalogue, np.random.default_rng(6)).near
    old = np.flatnonzero(~catalogue.is_new)
    assert (catalogue.category[parts[old]] == catalogue.category[old, None]).all()
    assert not catalogue.is_new[parts[old]].any()
    assert (parts[old] != old[:, None]).all()

    def distance(near: NDArray[np.int64]) -> float:
        return float(((catalogue.style[near] - catalogue.style[old, None]) ** 2).sum(axis=2).mean())

    anyone = np.random.default_rng(7).permutation(old)[:, None]
    assert distance(whole[old]) < distance(parts[old]) < (distance(whole[old]) + distance(anyone)) / 2
