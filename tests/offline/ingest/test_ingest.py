"""Ingest brings every export to one form, and accounts for each row that it does not keep."""

import json
from pathlib import Path

import polars as pl
import pytest

from offline.dataset.spec import load_spec
from offline.errors import DatasetError, RunFolderError
from offline.ingest.ingest import ingest
from offline.onboarding.check import check

EVENTS = {
    "user_id": ["b", "a", "a", "007"],
    "item_id": ["x", "y", "x", "z"],
    "event_type": ["view", "purchase", "cart", "view"],
    "timestamp": [1_600_000_300, 1_600_000_200, 1_600_000_100, 1_600_000_000],
    "query": [None, "red shoe", None, None],
    "price": [None, 9.5, 10.0, None],
}
ITEMS = {
    "item_id": ["y", "x"],
    "title": ["Red shoe", None],
    "category": ["Shoes > Trail", None],
    "price": [9.5, None],
    "description": ["Light", None],
    "notes": [None, "New"],
    "attributes_json": [
        '{"colour": "red", "sizes": [41, 42], "fit": {"toe": "wide"}, "lace": true, "x": null}',
        None,
    ],
    "stock": ["3", "no"],
}
BASE = 'name = "shop"\n[events]\npath = "events.{ext}"\n'
CATALOGUE = '[items]\npath = "items.{ext}"\ntext = ["description", "notes"]\nin_stock = "stock"\n'


def shop(folder: Path, ext: str, events: dict[str, list[object]], more: str = "", items: bool = False) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"events": pl.DataFrame(events)} | ({"items": pl.DataFrame(ITEMS)} if items else {})
    for name, table in tables.items():
        match ext:
            case "csv":
                table.write_csv(folder / f"{name}.csv")
            case "jsonl":
                table.write_ndjson(folder / f"{name}.jsonl")
            case "csv.gz":
                table.write_csv(folder / f"{name}.csv.gz", compression="gzip")
            case _:
                table.write_parquet(folder / f"{name}.parquet")
    toml = (BASE + more + (CATALOGUE if items else "")).replace("{ext}", ext)
    (folder / "dataset.toml").write_text(toml)
    return folder


def ingested(folder: Path, name: str = "events") -> pl.DataFrame:
    out = folder / "ingested"
    ingest(load_spec(folder), out)
    return pl.read_parquet(out / f"{name}.parquet")


def test_rows_come_out_typed_and_in_the_order_of_time(tmp_path: Path) -> None:
    rows = ingested(shop(tmp_path, "parquet", EVENTS))
    assert rows.schema == {
        "user_id": pl.String,
        "item_id": pl.String,
        "type": pl.UInt8,
        "time": pl.Float64,
        "order": pl.Int64,
        "query": pl.String,
        "price": pl.Float64,
        "split": pl.String,
    }
    assert rows.select("user_id", "item_id", "type", "order").rows() == [
        ("007", "z", 1, 0),
        ("a", "x", 2, 0),
        ("a", "y", 3, 1),
        ("b", "x", 1, 0),
    ]
    assert rows.get_column("time").to_list() == [1.6e9, 1.6e9 + 100, 1.6e9 + 200, 1.6e9 + 300]


@pytest.mark.parametrize("ext", ["csv", "jsonl", "csv.gz"])
def test_every_format_gives_the_same_tables_as_parquet(tmp_path: Path, ext: str) -> None:
    one, other = (
        shop(tmp_path / "a", "parquet", EVENTS, items=True),
        shop(tmp_path / "b", ext, EVENTS, items=True),
    )
    for name in ("events", "items"):
        assert ingested(one, name).equals(ingested(other, name))
    first, second = (json.loads((f / "ingested" / "summary.json").read_text()) for f in (one, other))
    assert first == second


def test_files_of_a_glob_and_of_a_list_are_read_in_turn(tmp_path: Path) -> None:
    shop(tmp_path, "csv", EVENTS)
    whole = ingested(tmp_path)
    table = pl.DataFrame(EVENTS)
    table[:2].write_csv(tmp_path / "part-1.csv")
    table[2:].drop("price").write_csv(tmp_path / "part-2.csv")
    toml = tmp_path / "dataset.toml"
    for path in ('"part-*.csv"', '["part-1.csv", "part-2.csv"]'):
        toml.write_text(f'name = "shop"\n[events]\npath = {path}\n')
        assert ingested(tmp_path).drop("price").equals(whole.drop("price"))


def test_renamed_columns_and_types_are_mapped(tmp_path: Path) -> None:
    plain = ingested(shop(tmp_path / "a", "csv", EVENTS))
    renamed = {f"my {key}": values for key, values in EVENTS.items()}
    renamed["my event_type"] = ["look", "Purchase", "basket", "look"]
    columns = ("user", "user_id"), ("item", "item_id"), ("type", "event_type"), ("time", "timestamp")
    columns += ("query", "query"), ("price", "price")
    more = "".join(f'{role} = "my {column}"\n' for role, column in columns)
    more += '[events.types]\nlook = "view"\nbasket = "cart"\n'
    assert ingested(shop(tmp_path / "b", "csv", renamed, more)).equals(plain)


@pytest.mark.parametrize(
    "times",
    [
        [1_600_000_300_000, 1_600_000_200_000, 1_600_000_100_000, 1_600_000_000_000],
        [
            "2020-09-13T12:31:40Z",
            "2020-09-13 12:30:00",
            "2020-09-13T14:28:20+02:00",
            "2020-09-13T12:26:40.000Z",
        ],
        ["1600000300", "2020-09-13T12:30:00+0000", "2020-09-13T07:28:20-05", "1600000000.0"],
    ],
)
@pytest.mark.parametrize("ext", ["csv", "parquet"])
def test_milliseconds_and_iso_times_become_unix_seconds(tmp_path: Path, ext: str, times: list[object]) -> None:
    plain = ingested(shop(tmp_path / "a", "parquet", EVENTS))
    assert ingested(shop(tmp_path / "b", ext, EVENTS | {"timestamp": times})).equals(plain)


def test_dates_of_parquet_become_unix_seconds(tmp_path: Path) -> None:
    times = pl.Series(EVENTS["timestamp"]).cast(pl.Int64) * 1000
    plain = ingested(shop(tmp_path / "a", "parquet", EVENTS))
    typed = EVENTS | {"timestamp": times.cast(pl.Datetime("ms")).to_list()}
    assert ingested(shop(tmp_path / "b", "parquet", typed)).equals(plain)


def test_bad_rows_are_set_aside_with_their_reason_and_row(tmp_path: Path) -> None:
    good = 200
    rows: list[dict[str, object]] = [
        {
            "user_id": f"u{n}",
            "item_id": "x",
            "event_type": "view",
            "timestamp": str(1_600_000_000 + n),
            "price": "1",
        }
        for n in range(good)
    ]
    bad = [
        ("user_id", "  ", "empty user id"),
        ("item_id", "", "empty item id"),
        ("event_type", "glance", "unknown event type"),
        ("timestamp", "2020-02-31", "unparsable time"),
        ("timestamp", "yesterday", "unparsable time"),
        ("price", "-1", "negative price"),
    ]
    rows += [rows[0] | {column: value} for column, value, _ in bad]
    rows += [rows[1], rows[2] | {"timestamp": ""}, rows[3] | {"price": "free"}]
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    summary = ingest(load_spec(shop(tmp_path, "csv", columns)), tmp_path / "out")
    rejected = pl.read_parquet(tmp_path / "out" / "rejected.parquet")
    assert rejected.get_column("reason").to_list() == [reason for _, _, reason in bad]
    assert rejected.get_column("row").to_list() == list(range(good + 1, good + 1 + len(bad)))
    assert json.loads(rejected.get_column("record")[4])["time"] == "yesterday"
    counts = summary["events"]
    assert isinstance(counts, dict)
    assert counts["read"] == len(rows)
    assert counts["rejected"] == len(bad)
    assert counts["duplicates"] == 1
    assert counts["kept"] == good + 2
    assert counts["missing_time"] == 1
    assert counts["unreadable_price"] == 1
    assert counts["reasons"]["unparsable time"] == 2
    assert counts["on_items_absent_from_catalogue"] == good + 2


def test_too_many_bad_rows_stop_the_run_and_leave_nothing(tmp_path: Path) -> None:
    spec = load_spec(shop(tmp_path, "csv", EVENTS | {"event_type": ["view", "glance", "cart", "view"]}))
    with pytest.raises(DatasetError, match=r"at most 5.0% bad rows, got 1 of 4 \(1 unknown event type\)"):
        ingest(spec, tmp_path / "out")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dataset.toml", "events.csv"]
    ingest(spec, tmp_path / "out", max_bad_share=0.5)


def test_the_catalogue_keeps_words_and_attributes_and_counts_what_is_missing(tmp_path: Path) -> None:
    folder = shop(tmp_path, "csv", EVENTS, items=True)
    items = ingested(folder, "items")
    assert items.rows(named=True) == [
        {
            "item_id": "x",
            "title": None,
            "category": None,
            "brand": None,
            "price": None,
            "in_stock": False,
            "added": None,
            "text": "New",
            "attributes": [],
        },
        {
            "item_id": "y",
            "title": "Red shoe",
            "category": "Shoes > Trail",
            "brand": None,
            "price": 9.5,
            "in_stock": True,
            "added": None,
            "text": "Light",
            "attributes": ["colour=red", "sizes=41", "sizes=42", "fit.toe=wide", "lace=true"],
        },
    ]
    summary = json.loads((folder / "ingested" / "summary.json").read_text())
    assert (summary["items"]["missing_title"], summary["items"]["missing_price"]) == (1, 1)
    assert summary["events"]["on_items_absent_from_catalogue"] == 1
    assert summary["behaviours"] == ["view", "cart", "purchase"]
    assert summary["has_time"]


def test_a_list_column_and_a_scalar_column_are_attributes_too(tmp_path: Path) -> None:
    shop(tmp_path, "parquet", EVENTS)
    pl.DataFrame({"item_id": ["x"], "tags": [["new", "sale"]], "size": [42.0]}).write_parquet(
        tmp_path / "items.parquet"
    )
    with (tmp_path / "dataset.toml").open("a") as toml:
        toml.write('[items]\npath = "items.parquet"\nattributes = ["tags", "size"]\n')
    assert ingested(tmp_path, "items").get_column("attributes").to_list() == [["tags=new", "tags=sale", "size=42"]]


@pytest.mark.parametrize(
    "written",
    [
        ["1700000000", "1700003600", "", "some day"],
        ["1700000000000", "1700003600000", None, "?"],
        ["2023-11-14T22:13:20Z", "2023-11-15 00:13:20+01:00", " ", "2023-13-45"],
    ],
)
def test_when_an_item_was_added_is_read_like_the_time_of_an_event(tmp_path: Path, written: list[str | None]) -> None:
    folder = shop(tmp_path, "csv", EVENTS)
    pl.DataFrame({"item_id": ["a", "b", "c", "d"], "since": written}).write_csv(tmp_path / "items.csv")
    with (tmp_path / "dataset.toml").open("a") as toml:
        toml.write('[items]\npath = "items.csv"\nadded = "since"\n')
    assert ingested(folder, "items").get_column("added").to_list() == [1_700_000_000, 1_700_003_600, None, None]
    summary = json.loads((folder / "ingested" / "summary.json").read_text())
    assert summary["items"]["unreadable_added"] == 1
    said = [finding for finding in check(folder, now=2e9).findings if finding.table == "items"]
    assert any(finding.column == "added" and finding.count == 1 for finding in said)


def test_without_a_catalogue_the_items_are_an_empty_table(tmp_path: Path) -> None:
    assert ingested(shop(tmp_path, "csv", EVENTS), "items").height == 0


def test_a_named_column_that_is_missing_is_an_error_with_its_line(tmp_path: Path) -> None:
    shop(tmp_path, "csv", EVENTS, 'time = "timestmp"\n')
    with pytest.raises(DatasetError) as caught:
        ingest(load_spec(tmp_path), tmp_path / "out")
    for part in (
        "line 4, events.time",
        "'timestmp'",
        "events.csv",
        "user_id, item_id",
        "did you mean 'timestamp'",
    ):
        assert part in caught.value.message


def test_a_default_column_that_is_missing_is_an_error_only_where_nothing_works_without(
    tmp_path: Path,
) -> None:
    bare = {"user_id": ["a"], "item_id": ["x"]}
    assert ingested(shop(tmp_path / "a", "csv", bare)).get_column("type").to_list() == [1]
    with pytest.raises(DatasetError, match="expected a column 'item_id'"):
        ingested(shop(tmp_path / "b", "csv", {"user_id": ["a"]}))


def test_without_a_clock_the_position_orders_and_without_both_the_summary_says_so(tmp_path: Path) -> None:
    rows = {"user_id": ["a", "a", "a"], "item_id": ["x", "y", "z"], "position": [10, 9, 2]}
    placed = ingested(shop(tmp_path / "a", "csv", rows))
    assert placed.get_column("item_id").to_list() == ["z", "y", "x"]
    del rows["position"]
    summary = ingest(load_spec(shop(tmp_path / "b", "csv", rows)), tmp_path / "out")
    assert (summary["has_time"], summary["has_order"]) == (False, False)


def test_rows_of_test_without_a_time_are_missing_it_and_come_last(tmp_path: Path) -> None:
    rows = {
        "user_id": ["a", "a", "a"],
        "item_id": ["held", "x", "y"],
        "timestamp": [None, 1_600_000_000, 1_600_000_001],
        "split": ["test", "train", "train"],
    }
    assert ingested(shop(tmp_path, "csv", rows)).get_column("item_id").to_list() == ["x", "y", "held"]


def test_an_output_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    spec = load_spec(shop(tmp_path, "csv", EVENTS))
    with pytest.raises(RunFolderError, match="expected an empty folder"):
        ingest(spec, tmp_path)
    ingest(spec, tmp_path / "out")
    ingest(spec, tmp_path / "out")


def test_the_fingerprint_tells_tables_apart_but_not_file_orders(tmp_path: Path) -> None:
    def fingerprint(name: str, events: dict[str, list[object]]) -> object:
        return ingest(load_spec(shop(tmp_path / name, "csv", events)), tmp_path / name / "out")["fingerprint"]

    first = fingerprint("a", EVENTS)
    assert first == fingerprint("b", {key: values[::-1] for key, values in EVENTS.items()})
    assert first != fingerprint("c", EVENTS | {"item_id": ["x", "y", "x", "y"]})


def test_progress_goes_from_start_to_end(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    spec = load_spec(shop(tmp_path, "csv", EVENTS))
    ingest(spec, tmp_path / "out", lambda done, total, what: calls.append((done, total)))
    assert calls[0][0] == 0
    assert calls[-1][0] == calls[-1][1]


def test_a_word_that_the_shop_left_out_of_its_own_is_set_aside(tmp_path: Path) -> None:
    """`click` and `addtocart` have a meaning elsewhere; which words count in files is for `dataset.toml` to say."""
    log: dict[str, list[object]] = {
        "user_id": ["u"] * 4,
        "item_id": ["a", "b", "c", "d"],
        "event_type": ["click", "Purchase", "addtocart", "glance"],
        "timestamp": [1_600_000_000 + n for n in range(4)],
    }
    spec = load_spec(shop(tmp_path, "csv", log, '[events.types]\nglance = "view"\n'))
    ingest(spec, tmp_path / "out", max_bad_share=0.6)
    assert pl.read_parquet(tmp_path / "out" / "events.parquet")["type"].to_list() == [3, 1]
