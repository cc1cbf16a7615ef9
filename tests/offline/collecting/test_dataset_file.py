"""The folder that is collected into is a data set: described once, beside the shop's earlier logs and in their form."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis
from collected import erase, event, ingested, merge, rows_in
from live_events import one_stream

from app.artifact.redis_keys import Keys
from offline.collecting.collect import Collected
from offline.collecting.dataset_file import plan_dataset_file, write_dataset_file
from offline.dataset.spec import load_spec, read_spec
from offline.errors import DatasetError
from offline.ingest.ingest import ingest

_OLD = [1_600_000_000, 1_600_000_100, 1_600_000_200, 1_600_000_300]
_AS_DATETIME = [datetime.fromtimestamp(at, UTC) for at in _OLD]


def mapped_base(folder: Path, times: Sequence[Any], name: str = "old.parquet", toml: str = "", **columns: Any) -> Path:
    """A data set of a shop with names of its own."""
    folder.mkdir()
    rows = {
        "visitor_id": list(range(len(times))),
        "sku": ["p1"] * len(times),
        "act": ["look", "buy"] * (len(times) // 2),
        "at": times,
    }
    table = pl.DataFrame(rows | columns)
    table.write_parquet(folder / name) if name.endswith(".parquet") else table.write_csv(folder / name)
    (folder / "dataset.toml").write_text(
        f"""name = "old shop"
[events]
path = "{name.replace("old", "*")}"
user = "visitor_id"
item = "sku"
type = "act"
time = "at"
{toml}
[events.types]
look = "view"
"buy-it now" = "purchase"
buy = "purchase"
[evaluation]
mask = ["purchased", "seen"]
target_event = "purchase"
"""
    )
    return folder


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("old.parquet", _OLD),
        ("old.parquet", [at * 1_000 for at in _OLD]),
        ("old.csv", [at * 1_000 for at in _OLD]),
        ("old.parquet", [at * 1e6 for at in _OLD]),
        ("old.parquet", _AS_DATETIME),
        ("old.parquet", [at.replace(tzinfo=None) for at in _AS_DATETIME]),
        ("old.csv", [at.isoformat() for at in _AS_DATETIME]),
        ("old.parquet", [str(at) for at in _OLD]),
    ],
    ids=["seconds", "milliseconds", "milliseconds as text", "microseconds", "zoned", "naive", "ISO 8601", "text"],
)
def test_collected_events_follow_those_of_a_base_in_its_columns_words_and_times(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path, name: str, times: list[Any]
) -> None:
    base = mapped_base(tmp_path / "old [shop]", times, name)
    send(event("e1", "7", 1_700_000_000.5, type="cart"), event("e2", "v9", 1_700_000_001.0), event("e3", "3", 5.0))
    out = tmp_path / "out"
    assert run(out, base=base, part_entries=2).events == 3
    send(erase("3", 10.0), merge("v9", "7"), event("e4", "7", 1_700_000_002.25, type="purchase"))
    assert run(out).events == 1
    spec = load_spec(out)
    assert (spec.name, spec.evaluation.mask, spec.evaluation.target_event) == (
        "old shop",
        ("purchased", "seen"),
        "purchase",
    )
    events, summary = ingested(out, tmp_path / "ingested")
    assert (summary["events"]["read"], summary["events"]["rejected"]) == (7, 0)
    by_time = events.sort("time").select("user_id", "type", "time").rows()
    assert by_time == [
        ("0", 1, _OLD[0]),
        ("1", 3, _OLD[1]),
        ("2", 1, _OLD[2]),
        ("3", 3, _OLD[3]),
        ("7", 2, 1_700_000_000.5),
        ("7", 1, 1_700_000_001.0),
        ("7", 3, 1_700_000_002.25),
    ]
    assert rows_in(out / "events").get_column("collected_visitor_id").to_list() == [None, "v9", None]


def test_a_base_with_a_split_is_cut_by_time_from_now_on(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    base = mapped_base(tmp_path / "old", _OLD, split=["train", "train", "valid", "test"])
    send(event("e1", at=1_700_000_000.0))
    said: list[str] = []
    run(tmp_path / "out", base=base, say=said.append)
    (note,) = said
    assert "--split time:0.8" in note
    assert note in (tmp_path / "out" / "dataset.toml").read_text()
    send(event("e2", at=1_700_000_001.0))
    run(tmp_path / "out")
    _, summary = ingested(tmp_path / "out", tmp_path / "ingested")
    assert summary["events"]["kept"] == 6
    assert summary["events"]["rejected"] == 0
    assert summary["has_split"] is False


def test_the_shop_as_a_base_comes_with_its_catalogue(
    send: Callable[..., None], run: Callable[..., Collected], shop: Path, tmp_path: Path
) -> None:
    before: Any = ingest(load_spec(shop), tmp_path / "before")
    send(*(event(f"e{number}", "u10000", 1_900_000_000.0 + number) for number in range(25)))
    assert run(tmp_path / "out", base=shop).events == 25
    events, summary = ingested(tmp_path / "out", tmp_path / "ingested")
    assert events.height == before["events"]["kept"] + 25
    assert summary["items"]["kept"] == before["items"]["kept"]
    assert load_spec(tmp_path / "out").items == load_spec(shop).items.model_copy(
        update={"path": (str((shop / "items.parquet").resolve()),)}
    )


def test_the_catalogue_of_a_base_keeps_the_tables_that_join_it(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    base = mapped_base(tmp_path / "old", _OLD, toml="day_first = true")
    (base / "items.csv").write_text("sku,name,state\np1,Chair,on\np2,Table,off\n")
    (base / "long.csv").write_text("code,key,value\np1,colour,red\np2,colour,blue\n")
    path = '["items.csv", {path = "long.csv", on = {sku = "code"}, pivot = ["key", "value"]}]'
    with (base / "dataset.toml").open("a") as toml:
        keys = 'id = "sku"\ntitle = "name"\nattributes = ["colour"]'
        toml.write(f'[items]\npath = {path}\n{keys}\nwhere = \'state != "off"\'\ncurrency = {{column = "state"}}\n')
    send(event("e1", "7", 1_700_000_000.5))
    out = tmp_path / "out"
    assert run(out, base=base).events == 1
    assert ingested(out, tmp_path / "ingested")[1]["items"]["left_out_by_where"] == 1
    items = pl.read_parquet(tmp_path / "ingested" / "items.parquet")
    assert items.select("item_id", "title").rows() == [("p1", "Chair")]
    assert "colour=red" in items["attributes"][0]


@pytest.mark.parametrize("toml", ["where = 'act != \"x\"'", 'unnest = "sku"'])
def test_a_base_whose_events_are_put_together_is_refused(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path, toml: str
) -> None:
    base = mapped_base(tmp_path / "old", _OLD, toml=toml)
    send(event("e1"))
    with pytest.raises(DatasetError, match="expected events that stand in files as they are"):
        run(tmp_path / "out", base=base)
    assert run(tmp_path / "other").events == 1


def test_a_graded_search_keeps_its_queries_and_judgments(
    send: Callable[..., None], run: Callable[..., Collected], shop: Path, tmp_path: Path
) -> None:
    base = tmp_path / "search"
    base.mkdir()
    (base / "items.parquet").write_bytes((shop / "items.parquet").read_bytes())
    for name in ("queries", "judgments"):
        (base / f"{name}.parquet").write_bytes(b"")
    (base / "dataset.toml").write_text(
        'name = "search"\n[items]\npath = "items.parquet"\n[evaluation]\ntask = "graded_search"\n'
    )
    send(event("e1"))
    run(tmp_path / "out", base=base)
    spec = load_spec(tmp_path / "out")
    assert spec.events is not None
    assert spec.evaluation.queries == str((base / "queries.parquet").resolve())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"act": None}, "expected a column 'event_type' that says what each event is"),
        ({"visitor_id": [1.0, 2.0, 3.0, 4.0]}, "expected ids in 'visitor_id' as text or whole numbers"),
        ({"price": [{"eur": 1}] * 4}, "expected text, numbers or points in time in 'price'"),
    ],
)
def test_a_base_that_collected_events_cannot_join_is_refused_before_anything_is_taken(
    client: redis.Redis,
    keys: Keys,
    send: Callable[..., None],
    run: Callable[..., Collected],
    tmp_path: Path,
    changes: dict[str, Any],
    said: str,
) -> None:
    base = mapped_base(tmp_path / "old", _OLD)
    table = pl.read_parquet(base / "old.parquet")
    gone = [name for name, values in changes.items() if values is None]
    table = table.drop(gone).with_columns(**{name: pl.Series(each) for name, each in changes.items() if each})
    table.write_parquet(base / "old.parquet")
    toml = (base / "dataset.toml").read_text()
    (base / "dataset.toml").write_text(toml.replace('type = "act"', "") if gone else toml)
    send(event("e1"))
    with pytest.raises(DatasetError, match=said):
        run(tmp_path / "out", base=base)
    assert client.xlen(one_stream(keys)) == 1


def test_the_description_is_written_once_and_stays_as_people_edit_it(
    send: Callable[..., None], run: Callable[..., Collected], shop: Path, tmp_path: Path
) -> None:
    send(event("e1"))
    run(tmp_path / "out", name="first name", items=str(shop / "items.parquet"))
    toml = tmp_path / "out" / "dataset.toml"
    assert load_spec(tmp_path / "out").name == "first name"
    edited = toml.read_text().replace("first name", "second name") + '\n[evaluation]\nmask = "none"\n'
    toml.write_text(edited)
    send(event("e2", at=101.0))
    said: list[str] = []
    run(tmp_path / "out", base=shop, name="third name", say=said.append)
    assert toml.read_text() == edited
    assert "stays as it is" in said[0]
    assert ingested(tmp_path / "out", tmp_path / "ingested")[1]["events"]["kept"] == 2


def test_columns_renamed_after_the_first_pass_are_refused(
    client: redis.Redis, keys: Keys, send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    send(event("e1"))
    run(tmp_path / "out")
    toml = tmp_path / "out" / "dataset.toml"
    toml.write_text(toml.read_text().replace("[events]", '[events]\nuser = "customer"', 1))
    send(event("e2"))
    with pytest.raises(DatasetError, match="map them as before"):
        run(tmp_path / "out")
    assert client.xlen(one_stream(keys)) == 1


@pytest.mark.parametrize("text", ["name = ", "[events]\nuser = 3"])
def test_a_description_that_cannot_be_read_is_refused_with_its_line(
    client: redis.Redis,
    keys: Keys,
    send: Callable[..., None],
    run: Callable[..., Collected],
    tmp_path: Path,
    text: str,
) -> None:
    (tmp_path / "dataset.toml").write_text(text)
    send(event("e1"))
    with pytest.raises(DatasetError, match=r"dataset\.toml, line \d"):
        run(tmp_path)
    assert client.xlen(one_stream(keys)) == 1


def test_a_description_that_leaves_out_what_is_collected_is_pointed_out(
    send: Callable[..., None], run: Callable[..., Collected], tmp_path: Path
) -> None:
    (tmp_path / "dataset.toml").write_text('name = "mine"\n[events]\npath = "old.parquet"\nuser = "customer"\n')
    send(event("e1"))
    said: list[str] = []
    assert run(tmp_path, say=said.append).events == 1
    assert "does not name 'events/*.parquet'" in said[0]
    assert rows_in(tmp_path / "events").get_column("customer").to_list() == ["u"]


def test_a_teacher_is_found_from_the_collected_data_set_too(tmp_path: Path) -> None:
    base, out = tmp_path / "base", tmp_path / "out"
    for folder in (base, out):
        folder.mkdir()
    (base / "items.csv").write_text("item_id,title\n1,Sofa\n")
    (base / "dataset.toml").write_text(
        'name = "s"\n[items]\npath = "items.csv"\n[text]\nteacher = "encoder"\nquery_prefix = "query: "\n'
    )
    write_dataset_file(out, plan_dataset_file(out, base, None, None))
    text = read_spec(out).text
    assert (text.teacher, text.query_prefix) == (str(base.resolve() / "encoder"), "query: ")
