"""A data set in several formats at once goes through the commands, and every row of it is accounted for."""

import gzip
import json
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner, Result

from offline.cli import app
from offline.errors import DatasetError

TOML = """\
name = "mixed"

[events]
path = ["old.csv.gz", "new/*.jsonl", "now.parquet"]
user = "who"
item = "what"
type = "did"
time = "at"
[events.types]
look = "view"
"into the basket" = "cart"

[items]
path = "items.jsonl"
category = "shelf"
attributes = ["facts", "tags", "size"]
"""


def command(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    folder = tmp_path / "shop"
    (folder / "new").mkdir(parents=True)
    old = [f"u{n % 5},i{n % 3},look,2023-11-{n % 28 + 1:02d}T10:00:00Z" for n in range(40)]
    old += [old[0], "u1,i1,stare,2023-11-01"]
    (folder / "old.csv.gz").write_bytes(gzip.compress(("who,what,did,at\n" + "\n".join(old)).encode()))
    for part in range(2):
        rows = [
            {
                "who": f"u{n % 5}",
                "what": f"i{n % 4}",
                "did": "into the basket",
                "at": f"2023-12-0{part + 1}T10:00:{n:02d}Z",
            }
            for n in range(20)
        ]
        (folder / "new" / f"{part}.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    pl.DataFrame(
        {"who": ["u1", "u2"], "what": ["i9", "i1"], "did": ["purchase"] * 2, "at": ["2023-12-05", "2023-12-06"]}
    ).write_parquet(folder / "now.parquet")
    items = [
        {"item_id": "i1", "shelf": "Shoes > Trail", "facts": {"colour": "red"}, "tags": ["new"], "size": 42},
        {"item_id": "i2", "shelf": None, "facts": None, "tags": [], "size": 41},
    ]
    (folder / "items.jsonl").write_text("\n".join(json.dumps(row) for row in items))
    (folder / "dataset.toml").write_text(TOML)
    return folder


def test_every_format_in_one_list_is_ingested_and_split_by_time(shop: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = command("ingest", "--data", shop, "--out", run)
    assert done.exit_code == 0, done.output
    summary = json.loads((run / "ingest" / "summary.json").read_text())
    events = summary["events"]
    assert (events["read"], events["kept"], events["duplicates"], events["rejected"]) == (84, 82, 1, 1)
    assert events["reasons"] == {"unknown event type": 1}
    rejected = pl.read_parquet(run / "ingest" / "rejected.parquet").row(0, named=True)
    assert (Path(rejected["file"]).name, rejected["row"]) == ("old.csv.gz", 42)
    items = pl.read_parquet(run / "ingest" / "items.parquet")
    assert items["attributes"].to_list() == [["colour=red", "tags=new", "size=42"], ["size=41"]]
    assert command("split", "--data", shop, "--out", run, "--split", "time:0.6").exit_code == 0
    meta = json.loads((run / "split" / "meta.json").read_text())
    train, test = (pl.read_parquet(run / "split" / f"{part}.parquet") for part in ("train", "test"))
    assert train["time"].max() < meta["train_cut"] < meta["test_cut"] <= test["time"].min()
    assert command("graph", "--data", shop, "--out", run).exit_code == 0


def test_a_column_that_is_missing_is_named_with_file_column_and_line(shop: Path, tmp_path: Path) -> None:
    toml = shop / "dataset.toml"
    toml.write_text(TOML.replace('time = "at"', 'time = "att"').replace('"facts"', '"fact"'))
    failed = command("ingest", "--data", shop, "--out", tmp_path / "run")
    assert isinstance(failed.exception, DatasetError)
    for word in ("line 8, events.time", "'att'", "old.csv.gz", "did you mean 'at'"):
        assert word in failed.exception.message
    assert not (tmp_path / "run" / "ingest").exists()


def test_more_bad_rows_than_allowed_stop_the_command_and_fewer_do_not(shop: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    failed = command("ingest", "--data", shop, "--out", run, "--max-bad-share", "0.01")
    assert isinstance(failed.exception, DatasetError)
    assert "expected at most 1.0% bad rows, got 1 of 84" in failed.exception.message
    assert not (run / "ingest").exists()
    assert command("ingest", "--data", shop, "--out", run, "--max-bad-share", "0.02").exit_code == 0
