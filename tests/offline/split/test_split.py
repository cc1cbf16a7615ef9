"""The split: what is known never contains, nor depends on, what is held out."""

import json
import tempfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from offline.dataset.logged_queries import normalised_query, query_events
from offline.dataset.spec import load_spec
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.errors import DatasetError, RunFolderError
from offline.ingest.ingest import ingest
from offline.split.cuts import validation_users
from offline.split.split import PARTS, split

Rows = list[tuple[str, str, str, int | None, str | None, str | None]]
"""user, item, type, time (or position), query, split."""

COLUMNS = ("user_id", "item_id", "event_type", "timestamp", "query", "split")


def cut(
    folder: Path,
    rows: Rows,
    how: str | None = None,
    evaluation: str = "",
    seed: int = 3,
    clock: str = "timestamp",
) -> tuple[dict[str, pl.DataFrame], SplitMeta]:
    """Ingest and split `rows`; the tables by name, with the ids joined to the parts, and the meta."""
    folder.mkdir(parents=True, exist_ok=True)
    table = pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String) | {"timestamp": pl.Int64}, orient="row")
    table.rename({"timestamp": clock}).write_parquet(folder / "events.parquet")
    toml = f'name = "shop"\n[events]\npath = "events.parquet"\n[evaluation]\n{evaluation}\n'
    (folder / "dataset.toml").write_text(toml)
    spec = load_spec(folder)
    ingest(spec, folder / "ingested")
    meta = split(folder / "ingested", folder / "parts", spec, seed, how)
    tables = {p.stem: pl.read_parquet(p) for p in (folder / "parts").glob("*.parquet")}
    assert json.loads((folder / "parts" / "meta.json").read_text()) == meta.document()
    assert read_split_meta(folder / "parts") == meta
    return tables, meta


def ids(tables: dict[str, pl.DataFrame], part: str) -> list[tuple[str, str | None, bool]]:
    items = tables["items"].select("item_id", item="row")
    rows = tables[part].join(tables["users"], on="user").join(items, on="item", how="left", maintain_order="left")
    return rows.select("user_id", "item_id", "target").rows()


def log(users: int, events: int, part: str | None = None) -> Rows:
    """Each user touches `events` items, one a second, users one after the other in every second."""
    return [
        (f"u{user}", f"i{(user * 7 + n * 3) % 50}", "view", 1_600_000_000 + n * 100 + user, None, part)
        for user in range(users)
        for n in range(events)
    ]


def test_items_and_users_are_numbered_in_an_order_that_ids_and_files_do_not_show(tmp_path: Path) -> None:
    rows = log(40, 5)
    tables, meta = cut(tmp_path / "a", rows)
    again, _ = cut(tmp_path / "b", rows[::-1])
    other, _ = cut(tmp_path / "c", rows, seed=4)
    for name in tables:
        assert tables[name].equals(again[name])
    items = tables["items"]
    assert items.get_column("row").to_list() == list(range(1, items.height + 1))
    assert items.schema["row"] == pl.UInt32
    assert items.get_column("item_id").to_list() != sorted(items.get_column("item_id"))
    assert not items.equals(other["items"])
    assert tables["users"].get_column("user").to_list() == list(range(40))
    assert (meta.n_items, meta.n_users) == (items.height, 40)


def test_parts_have_the_promised_columns_and_count_each_user_from_zero(tmp_path: Path) -> None:
    tables, _ = cut(tmp_path, log(30, 8))
    expected = {
        "user": pl.UInt32,
        "item": pl.UInt32,
        "type": pl.UInt8,
        "time": pl.Float64,
        "order": pl.Int32,
        "query": pl.String,
        "target": pl.Boolean,
        "query_new": pl.Boolean,
    }
    for part in PARTS:
        assert tables[part].schema == expected
        assert tables[part].equals(tables[part].sort("user", "order"))
    assert not tables["train"].get_column("target").any()
    whole = pl.concat([tables[part].with_columns(part=pl.lit(at)) for at, part in enumerate(PARTS)])
    whole = whole.sort("user", "order")
    assert (whole.select(pl.col("part").diff().over("user").fill_null(0)).to_series() >= 0).all()
    assert (whole.get_column("order") == whole.select(pl.int_range(pl.len()).over("user")).to_series()).all()


def test_a_time_split_keeps_the_history_strictly_before_the_cut(tmp_path: Path) -> None:
    tables, meta = cut(tmp_path, log(30, 10))
    assert meta.how == "time:0.8"
    train_cut, test_cut = meta.train_cut, meta.test_cut
    assert isinstance(train_cut, float)
    assert isinstance(test_cut, float)
    assert tables["train"].get_column("time").max() < train_cut
    assert tables["valid"].get_column("time").min() == train_cut
    assert tables["valid"].get_column("time").max() < test_cut
    assert tables["test"].get_column("time").min() == test_cut
    for part in ("valid", "test"):
        assert tables[part].filter("target").get_column("user").is_unique().all()


def test_a_time_split_targets_the_first_wanted_event_on_an_item_not_bought_before(tmp_path: Path) -> None:
    start = 1_600_000_000
    rows: Rows = [(f"filler{n}", "f", "view", start + n, None, None) for n in range(60)]
    rows += [("a", "old", "purchase", start + 1, None, None), ("a", "looked", "view", start + 2, None, None)]
    rows += [("a", "old", "view", start + 44, None, None), ("a", "cheap", "purchase", start + 45, None, None)]
    rows += [
        ("a", item, kind, start + at, None, None)
        for at, item, kind in [
            (90, "new", "view"),
            (91, "old", "purchase"),
            (92, "looked", "purchase"),
            (93, "new", "purchase"),
        ]
    ]
    rows += [(f"late{n}", "f", "purchase", start + 100 + n, None, None) for n in range(8)]
    tables, meta = cut(tmp_path, rows, "time:0.8", 'target_event = "purchase"')
    test = [row for row in ids(tables, "test") if row[0] == "a"]
    assert test == [("a", None, False), ("a", "old", False), ("a", "looked", True), ("a", None, False)]
    assert meta.target_event == "purchase"


def test_rows_without_a_time_have_no_place_in_a_time_split(tmp_path: Path) -> None:
    rows = [*log(20, 10), ("u0", "i0", "view", None, None, None)]
    _, meta = cut(tmp_path, rows)
    assert meta.dropped_without_time == 1


def test_a_time_split_is_forced_over_the_split_column(tmp_path: Path) -> None:
    _, meta = cut(tmp_path, [*log(20, 10, "train"), *log(3, 1, "test")], "time:0.5")
    assert meta.how == "time:0.5"


def test_the_split_column_is_obeyed_and_context_neither_trains_nor_counts(tmp_path: Path) -> None:
    rows: Rows = [
        ("a", "x", "view", 1, None, "train"),
        ("a", "y", "view", 2, None, "train"),
        ("a", "x", "view", 3, None, "valid"),
        ("b", "new", "view", 1, None, "context"),
        ("b", "x", "view", 2, None, "context"),
        ("b", "y", "view", 3, None, "test"),
        ("b", "x", "view", 4, None, "test"),
        ("c", "fresh", "view", 1, None, "test"),
    ]
    tables, meta = cut(tmp_path, rows, clock="position")
    assert sorted(tables["items"].get_column("item_id")) == ["x", "y"]
    assert ids(tables, "valid") == [("a", "x", True)]
    assert ids(tables, "context") == [("b", None, False), ("b", "x", False)]
    assert ids(tables, "test") == [("b", "y", True), ("b", "x", False), ("c", None, True)]
    assert tables["users"].get_column("user_id").to_list() == ["a", "b", "c"]
    counts = meta.counts
    assert counts["test"].targets_on_unknown_items == 1
    assert counts["valid"].targets_on_seen_items == 1


def test_validation_is_carved_from_the_end_of_half_of_few_users(tmp_path: Path) -> None:
    rows = [*log(50, 6, "train"), *[(f"u{n}", "i0", "view", 1_700_000_000, None, "test") for n in range(50)]]
    tables, _ = cut(tmp_path, rows, evaluation='mask = ["none"]')
    valid = tables["valid"]
    assert valid.height == 25
    assert valid.get_column("target").all()
    last = tables["train"].group_by("user").agg(pl.col("order").max().alias("last"))
    assert (valid.join(last, on="user").select(pl.col("order") - pl.col("last")).to_series() == 1).all()
    assert tables["train"].height + valid.height == 300


@pytest.mark.parametrize(
    ("of", "expected"),
    [(1, 1), (2, 1), (7, 3), (3_999, 1_999), (5_000, 2_000), (22_000, 2_200), (49_999, 4_999), (10**7, 5_000)],
)
def test_a_tenth_of_the_users_validates_but_not_too_few_and_not_too_many(of: int, expected: int) -> None:
    assert validation_users(of) == expected


def test_events_after_the_held_out_one_leave_train_too_and_are_not_scored(tmp_path: Path) -> None:
    rows: Rows = [
        ("a", item, kind, n, None, "train")
        for n, (item, kind) in enumerate([("x", "view"), ("y", "view"), ("y", "purchase"), ("z", "view")])
    ]
    rows.append(("a", "x", "purchase", 9, None, "test"))
    evaluation = 'target_event = "purchase"\nmask = ["purchased"]'
    tables, _ = cut(tmp_path / "purchased", rows, evaluation=evaluation, clock="position")
    assert [row[1] for row in ids(tables, "train")] == ["x", "y"]
    assert ids(tables, "valid") == [("a", "y", True), ("a", None, False)]
    tables, _ = cut(tmp_path / "seen", rows, evaluation=evaluation.replace("purchased", "seen"), clock="position")
    assert [row[1] for row in ids(tables, "train")] == ["x"]
    assert [row[2] for row in ids(tables, "valid")] == [True, False, False]
    assert tables["valid"].get_column("type").to_list() == [3, 1, 1]


def looked_then_bought(users: int, *, test_is_new: bool) -> Rows:
    """Users who view six items, buy the fourth and then the sixth of them, and at last a viewed or a new one (test)."""
    rows: Rows = []
    for user in range(users):
        items = [f"i{(user * 5 + n * 3) % 40}" for n in range(7)]
        steps = [(item, "view") for item in items[:6]] + [(items[3], "purchase"), (items[5], "purchase")]
        rows += [(f"u{user}", item, kind, at, None, "train") for at, (item, kind) in enumerate(steps)]
        rows.append((f"u{user}", items[6 if test_is_new else 0], "purchase", 99, None, "test"))
    return rows


@pytest.mark.parametrize("test_is_new", [False, True])
def test_validation_asks_for_viewed_items_where_test_does(tmp_path: Path, test_is_new: bool) -> None:
    evaluation = 'target_event = "purchase"\nmask = ["purchased", "seen"]'
    rows = looked_then_bought(60, test_is_new=test_is_new)
    _, meta = cut(tmp_path, rows, evaluation=evaluation, clock="position")
    assert meta.counts["test"].targets_on_seen_items == (0 if test_is_new else 60)
    assert meta.counts["valid"].targets == 30
    assert meta.counts["valid"].targets_on_seen_items == (0 if test_is_new else 30)
    assert meta.valid_unseen is test_is_new


def test_validation_asks_for_nothing_that_the_mask_hides(tmp_path: Path) -> None:
    rows: Rows = [
        ("a", item, "purchase", n, None, part)
        for n, (item, part) in enumerate([("x", "train"), ("y", "train"), ("x", "train"), ("y", "test")])
    ]
    evaluation = 'target_event = "purchase"\nmask = ["purchased"]'
    tables, _ = cut(tmp_path, rows, evaluation=evaluation, clock="position")
    assert ids(tables, "train") == [("a", "x", False)]
    assert ids(tables, "valid") == [("a", None, True), ("a", "x", False)]


def test_where_nothing_is_hidden_a_time_split_asks_for_what_was_bought_before_too(tmp_path: Path) -> None:
    rows: Rows = [(f"filler{n}", "f", "purchase", 1_600_000_000 + n, None, None) for n in range(80)]
    rows += [("a", "milk", "purchase", 1_600_000_000 + at, None, None) for at in (5, 90)]
    rows += [(f"late{n}", "f", "purchase", 1_600_000_091 + n, None, None) for n in range(20)]
    evaluation = 'target_event = "purchase"\nmask = ["none"]'
    tables, _ = cut(tmp_path / "none", rows, "time:0.8", evaluation)
    assert ("a", "milk", True) in ids(tables, "test")
    tables, _ = cut(tmp_path / "purchased", rows, "time:0.8", evaluation.replace("none", "purchased"))
    assert ("a", "milk", False) in ids(tables, "test")


@pytest.mark.parametrize("task", ["next_item", "all_items"])
@pytest.mark.parametrize("mask", ["seen", "purchased"])
@pytest.mark.parametrize("part", ["train", None])
def test_without_time_or_position_the_order_of_rows_chooses_nothing(
    tmp_path: Path, task: str, mask: str, part: str | None
) -> None:
    rows: Rows = [(user, item, kind, None, None, part) for user, item, kind, *_ in log(40, 9)]
    rows += [(user, item, "purchase", None, None, part) for user, item, *_ in rows[::2]]
    rows += [(f"u{user}", "i1", "purchase", None, None, "test") for user in range(40)] if part else []
    evaluation = f'task = "{task}"\ntarget_event = "purchase"\nmask = ["{mask}"]'
    rng = np.random.default_rng(0)
    tables, meta = cut(tmp_path / "sorted", sorted(rows, key=str), evaluation=evaluation)
    shuffled, _ = cut(tmp_path / "shuffled", [rows[at] for at in rng.permutation(len(rows))], evaluation=evaluation)
    assert not meta.has_order
    assert meta.counts["valid"].targets
    for name in tables:
        assert tables[name].equals(shuffled[name])


def test_in_rows_sorted_by_item_validation_asks_for_all_items_alike(tmp_path: Path) -> None:
    rows: Rows = [
        (f"u{user}", f"i{item:02d}", "view", None, None, "train")
        for item in range(40)
        for user in range(400)
        if (user + item) % 4 == 0
    ]
    rows += [(f"u{user}", f"i{user % 40:02d}", "view", None, None, "test") for user in range(400)]
    tables, _ = cut(tmp_path, rows)
    numbers = [int(str(item)[1:]) for _, item, target in ids(tables, "valid") if target]
    assert len(numbers) == 200
    assert 17 < np.mean(numbers) < 22
    assert set(numbers) == set(range(40))


def test_whole_items_of_a_user_are_held_out_for_a_task_with_several_targets(tmp_path: Path) -> None:
    rows: Rows = [
        (f"u{user}", f"i{(user + n) % 25}", "view", None, f"word {n}", "train")
        for user in range(20)
        for n in [*range(10), *range(5)]
    ]
    rows += [(f"u{user}", "i0", "view", None, "word", "test") for user in range(20)]
    rows = [(*row[:4], f"{row[4]} {at}", row[5]) for at, row in enumerate(rows)]
    tables, _ = cut(tmp_path, rows, None, 'task = "all_items"')
    valid = tables["valid"]
    assert valid.get_column("user").n_unique() == 10
    pairs = valid.select("user", "item").unique()
    assert pairs.height == 20
    assert pairs.join(tables["train"], on=["user", "item"], how="semi").height == 0
    assert valid.filter("target").height == pairs.height


def searches(seed: int) -> Rows:
    """60 users and 40 items, each found by the one of 20 queries that most find it by, or by another."""
    rng = np.random.default_rng(seed)
    rows: Rows = []
    for user in range(60):
        for item in rng.permutation(40)[:12].tolist():
            query = item % 20 if rng.random() < 0.7 else int(rng.integers(20))
            spelled = f"Words {query}" if rng.random() < 0.5 else f"words  {query}"
            rows.append((f"u{user}", f"i{item}", "view", None, spelled, "train"))
        rows.append((f"u{user}", "i0", "view", None, "words test", "test"))
    return rows


def test_a_search_is_validated_on_queries_that_train_is_read_without(tmp_path: Path) -> None:
    tables, _ = cut(tmp_path, searches(0), None, 'task = "search"')
    train, valid = tables["train"], tables["valid"]
    assert not valid.join(train, on=["user", "item"], how="semi").height
    assert set(train["item"]) >= set(valid["item"])
    assert set(train["user"]) >= set(valid["user"])
    parts = tmp_path / "parts"
    learned = set(query_events(parts, ["train"])["query"])
    asked = query_events(parts, ["valid"])
    new = asked.filter(~pl.col("query").is_in(learned))
    assert 0 < new["query"].n_unique() <= 4
    assert 0 < new.height < asked.height
    hidden = train.filter("query_new")
    assert set(map(normalised_query, hidden["query"])) == set(new["query"])
    assert learned | set(new["query"]) == set(query_events(parts, ["train", "valid"])["query"])


def test_which_queries_are_new_depends_on_train_alone(tmp_path: Path) -> None:
    rows = searches(0)
    tables, _ = cut(tmp_path / "a", rows, None, 'task = "search"')
    others, _ = cut(tmp_path / "b", [row for row in rows if row[5] == "train"] + rows[-1:], None, 'task = "search"')
    assert tables["train"].equals(others["train"])
    assert tables["valid"].equals(others["valid"])


def test_a_search_row_without_a_query_is_not_scored(tmp_path: Path) -> None:
    rows: Rows = [("a", f"i{n}", "purchase", None, "shoe", "train") for n in range(5)]
    rows += [("a", "i0", "purchase", None, "shoe", "test"), ("a", "i1", "purchase", None, None, "test")]
    tables, _ = cut(tmp_path, rows, evaluation='task = "search"')
    assert sorted(ids(tables, "test")) == [("a", "i0", True), ("a", "i1", False)]


def test_with_positions_only_the_last_item_of_each_user_is_tested(tmp_path: Path) -> None:
    tables, meta = cut(tmp_path, log(30, 5), clock="position")
    assert meta.how == "last"
    assert tables["test"].height == 30
    assert (tables["test"].get_column("order") == 4).all()


def test_without_any_order_a_random_fifth_of_each_users_items_is_tested(tmp_path: Path) -> None:
    rows: Rows = [(user, item, kind, None, query, part) for user, item, kind, _, query, part in log(30, 10)]
    tables, meta = cut(tmp_path, rows, evaluation='task = "all_items"')
    assert meta.how == "random"
    assert tables["test"].group_by("user").len().get_column("len").to_list() == [2] * 30
    assert tables["test"].join(tables["train"], on=["user", "item"], how="semi").height == 0


def test_graded_search_without_events_gives_empty_parts(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\nb,Blue shoe\na,Red shoe\n")
    (tmp_path / "q.csv").write_text("query_id,query\n1,shoe\n")
    (tmp_path / "j.csv").write_text("query_id,item_id,relevance\n1,a,3\n")
    (tmp_path / "dataset.toml").write_text(
        'name = "shop"\n[items]\npath = "items.csv"\n'
        '[evaluation]\ntask = "graded_search"\nqueries = "q.csv"\njudgments = "j.csv"\n'
    )
    spec = load_spec(tmp_path)
    ingest(spec, tmp_path / "ingested")
    assert pl.read_parquet(tmp_path / "ingested" / "judgments.parquet").rows() == [("1", "a", 3.0)]
    meta = split(tmp_path / "ingested", tmp_path / "parts", spec, 1, None)
    assert meta.n_items == 2
    parts = [pl.read_parquet(tmp_path / "parts" / f"{part}.parquet") for part in PARTS]
    assert [part.height for part in parts] == [0] * 4
    assert parts[0].schema["user"] == pl.UInt32


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("column", "got none: use time:0.8"),
        ("time:2", "a share between 0 and 1"),
        ("time:x", "a share between 0 and 1"),
        ("sometimes", "got 'sometimes'"),
        ("time:0.001", "got none .* by a larger share"),
    ],
)
def test_a_split_that_cannot_be_made_says_what_to_do(tmp_path: Path, how: str, said: str) -> None:
    with pytest.raises(DatasetError, match=said):
        cut(tmp_path, log(5, 5), how)


def test_a_time_split_without_a_clock_and_a_test_part_without_targets_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="expected clock times"):
        cut(tmp_path / "a", log(5, 5), "time:0.8", clock="position")
    with pytest.raises(DatasetError, match="at least one purchase to score"):
        cut(tmp_path / "b", log(5, 5), evaluation='target_event = "purchase"')


def test_the_last_items_of_a_log_without_any_order_are_refused(tmp_path: Path) -> None:
    rows: Rows = [(*row[:3], None, *row[4:]) for row in log(5, 5)]
    with pytest.raises(DatasetError, match="expected times or positions for the split last"):
        cut(tmp_path, rows, "last")


def test_a_folder_that_was_not_ingested_is_refused(tmp_path: Path) -> None:
    cut(tmp_path, log(20, 8))
    with pytest.raises(RunFolderError, match="ingest first"):
        split(tmp_path / "nowhere", tmp_path / "out", load_spec(tmp_path), 1, None)


held_out_rows = st.lists(
    st.tuples(
        st.sampled_from(["u0", "u7", "stranger", "0"]),
        st.sampled_from(["i1", "i2", "unheard", "!"]),
        st.sampled_from(["view", "cart", "purchase"]),
        st.one_of(st.none(), st.integers(min_value=0, max_value=4_000_000_000)),
        st.none(),
        st.just("test"),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=20, deadline=None)
@given(changed=held_out_rows, evaluation=st.sampled_from(["", 'task = "all_items"']))
def test_whatever_the_test_rows_are_what_is_known_stays_the_same(changed: Rows, evaluation: str) -> None:
    history = log(25, 5, "train")
    with tempfile.TemporaryDirectory() as folder:
        plain, _ = cut(Path(folder) / "a", [*history, ("u0", "i1", "view", None, None, "test")], None, evaluation)
        other, _ = cut(Path(folder) / "b", [*changed, *history], None, evaluation)
    for name in ("items", "train", "valid"):
        assert plain[name].equals(other[name])
    known = plain["users"].height
    assert other["users"].head(known).equals(plain["users"])
