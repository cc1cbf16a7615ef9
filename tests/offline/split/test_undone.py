"""What was taken back, in a log that is cut: no part knows of an undo that came after it."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from offline.dataset.spec import load_spec
from offline.ingest.ingest import ingest
from offline.split.split import split
from offline.split.whole import whole_split

START = 1_700_000_000


def cut(folder: Path, rows: pl.DataFrame, how: str, more: str = "") -> Path:
    """The run folder of a log of these rows."""
    folder.mkdir()
    rows.write_csv(folder / "log.csv")
    toml = 'name = "till"\n[events]\npath = "log.csv"\ntype = {constant = "purchase"}\n[evaluation]\nmask = '
    (folder / "dataset.toml").write_text(toml + (more or '"purchased"') + "\n")
    spec = load_spec(folder)
    ingest(spec, folder / "ingest")
    split(folder / "ingest", folder / "split", spec, 1, how)
    return folder


def part(folder: Path, name: str, split_folder: str = "split") -> list[tuple[str, str]]:
    """User and item of the events of a part, in their order."""
    events, items, users = (
        pl.read_parquet(folder / split_folder / f"{table}.parquet") for table in (name, "items", "users")
    )
    named = events.join(items, left_on="item", right_on="row", how="left", maintain_order="left").join(
        users, on="user", how="left", maintain_order="left"
    )
    return list(named.sort("user_id", "order").select("user_id", "item_id").iter_rows())


def log(rows: list[tuple[Any, ...]], *names: str) -> pl.DataFrame:
    return pl.DataFrame(rows, ["user_id", "item_id", "quantity", *names], orient="row")


def test_a_return_after_the_cut_leaves_what_was_known_before_it(tmp_path: Path) -> None:
    others = [(f"o{n}", f"i{n % 6}", 1, START + n) for n in range(80)]
    late = [(f"o{n}", f"i{n % 6}", 1, START + 900 + n) for n in range(18)]
    mine = [
        ("me", "i1", 1, START + 10),
        ("me", "i1", -1, START + 12),  # at once: never known
        ("me", "i2", 1, START + 20),
        ("me", "i2", -1, START + 990),  # long after the cut
        ("me", "i3", 1, START + 950),
        ("me", "i3", -1, START + 960),  # bought and returned in the test part
        ("me", "i4", 1, START + 970),
    ]
    folder = cut(tmp_path / "s", log([*others, *mine, *late], "timestamp"), "time:0.8")
    assert [item for user, item in part(folder, "train") if user == "me"] == ["i2"]
    assert [item for user, item in part(folder, "test") if user == "me"] == ["i4"]
    whole_split(folder / "ingest", folder / "split", folder / "whole")
    assert [item for user, item in part(folder, "train", "whole") if user == "me"] == ["i4"]


def test_the_last_purchase_of_a_user_is_one_that_stands(tmp_path: Path) -> None:
    rows = [("me", "i1", 1), ("me", "i2", 1), ("me", "i1", -1), ("me", "i3", 1), ("me", "i4", 1), ("me", "i4", -1)]
    rows += [("me", "i2", -1)]  # after the target: it was there when the target was bought
    rows += [(f"o{n}", f"i{m}", 1) for n in range(6) for m in range(5)]
    numbered = log([("me", "i0", 1), *rows]).with_row_index("position")
    folder = cut(tmp_path / "s", numbered, "last")
    assert [item for user, item in part(folder, "train") if user == "me"] == ["i0", "i2"]
    assert [item for user, item in part(folder, "test") if user == "me"] == ["i3"]


def test_a_split_column_cuts_returns_as_it_says(tmp_path: Path) -> None:
    rows = [("me", "i1", 1, "train"), ("me", "i1", -1, "train"), ("me", "i2", 1, "train"), ("me", "i3", 1, "train")]
    rows += [("me", "i3", -1, "test"), ("me", "i4", 1, "test"), ("me", "i4", -1, "test"), ("me", "i5", 1, "test")]
    rows += [(f"o{n}", f"i{m}", 1, "test" if m == 2 else "train") for n in range(6) for m in range(1, 6)]
    numbered = log(rows, "split").with_row_index("position")
    folder = cut(tmp_path / "s", numbered, "column")
    known = part(folder, "train") + part(folder, "valid")
    assert sorted(item for user, item in known if user == "me") == ["i2", "i3"]
    assert [item for user, item in part(folder, "test") if user == "me"] == ["i5"]


@pytest.mark.parametrize("mask", ['"purchased"', '"seen"'])
@pytest.mark.parametrize("how", ["time:0.8", "last"])
def test_later_returns_change_nothing_of_what_is_trained_on(tmp_path: Path, how: str, mask: str) -> None:
    rng = np.random.default_rng(5)
    user, item = rng.integers(0, 40, 600), rng.integers(0, 25, 600)
    rows = pl.DataFrame({
        "user_id": [f"u{number}" for number in user],
        "item_id": [f"i{number}" for number in item],
        "quantity": 1,
        "timestamp": START + np.arange(600) * 60,
    })  # fmt: skip
    before = pl.concat([rows, rows[:200:7].with_columns(quantity=pl.lit(-1), timestamp=pl.col("timestamp") + 90)])
    end = START + 600 * 60
    later = rows[250:400:5].with_columns(quantity=pl.lit(-1), timestamp=end + pl.int_range(pl.len()))
    plain = cut(tmp_path / "plain", before, how, mask)
    returned = cut(tmp_path / "returned", pl.concat([before, later]), how, mask)
    assert pl.read_parquet(returned / "ingest" / "undone.parquet").height > 40
    if how == "time:0.8":
        for name in ("train", "valid", "items"):
            left, right = (pl.read_parquet(folder / "split" / f"{name}.parquet") for folder in (plain, returned))
            assert left.equals(right)
    else:  # the last purchase of a user may be one that was returned; what comes before it is as it was
        whole = [set(part(plain, name)) for name in ("train", "valid", "test")]
        assert set(part(returned, "train")) <= set.union(*whole)
    assert not {"pair", "undo"} & set(pl.read_parquet_schema(returned / "split" / "train.parquet"))
