"""The protocol: a history is what was known, and nothing that came with or after the first target."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from offline.dataset.split_meta import read_split_meta
from offline.errors import DatasetError, RunFolderError
from offline.evaluation.protocol import RowLists, known_events, load_cases
from offline.split.split import PARTS

Write = Callable[..., Path]


def simple(write_split: Write, folder: Path, **meta: object) -> Path:
    return write_split(
        folder,
        train=[(0, 1, 1, 10.0), (0, 2, 3, 20.0), (1, 3, 1, 15.0), (2, 4, 1, None)],
        valid=[(0, 5, 1, 30.0), (1, 1, 1, 35.0)],
        context=[(3, 6, 1, 41.0), (3, 0, 2, 42.0)],
        test=[(0, 7, 1, 40.0), (3, 8, 1, 50.0), (3, 0, 1, 60.0), (3, 9, 1, 55.0), (2, 4, 1, None)],
        **meta,
    )


def test_histories_for_test_are_train_valid_and_context_on_known_items(write_split: Write, tmp_path: Path) -> None:
    cases = load_cases(simple(write_split, tmp_path), "test")
    assert cases.user_ids == ["u0", "u2", "u3"]
    assert [cases.history.of(line).tolist() for line in range(3)] == [[1, 2, 5], [4], [6]]
    assert [cases.targets.of(line).tolist() for line in range(3)] == [[7], [4], [8, 0, 9]]
    assert cases.history_types.tolist() == [1, 3, 1, 1, 1]
    assert cases.context.tolist() == [0, 0, 1]


def test_histories_for_valid_hold_neither_valid_nor_test(write_split: Write, tmp_path: Path) -> None:
    cases = load_cases(simple(write_split, tmp_path), "valid")
    assert cases.user_ids == ["u0", "u1"]
    assert [cases.history.of(line).tolist() for line in range(2)] == [[1, 2], [3]]


def test_context_is_the_newest_of_a_history(write_split: Write, tmp_path: Path) -> None:
    folder = write_split(tmp_path, train=[(0, 1, 1, 1.0)], context=[(0, 2, 1, 2.0)], test=[(0, 3, 1, 9.0)])
    late = pl.read_parquet(folder / "context.parquet").with_columns(
        order=pl.lit(2, pl.Int32), item=pl.lit(4, pl.UInt32)
    )
    late.write_parquet(folder / "valid.parquet")  # its place is after the context, its part before
    test = pl.read_parquet(folder / "test.parquet").with_columns(order=pl.lit(3, pl.Int32))
    test.write_parquet(folder / "test.parquet")
    cases = load_cases(folder, "test")
    assert cases.history.of(0).tolist() == [1, 4, 2]
    assert cases.context.tolist() == [1]


def test_nothing_at_or_after_the_first_target_is_history(write_split: Write, tmp_path: Path) -> None:
    folder = write_split(
        tmp_path, train=[(0, 1, 1, 1.0), (0, 2, 1, 2.0)], valid=[(0, 3, 1, 3.0)], test=[(0, 4, 1, 4.0)]
    )
    train = pl.read_parquet(folder / "train.parquet")
    later = train.tail(1).with_columns(order=pl.lit(9, pl.Int32), item=pl.lit(6, pl.UInt32))
    pl.concat([train, later]).write_parquet(folder / "train.parquet")
    for part, expected in (("valid", [1, 2]), ("test", [1, 2, 3])):
        assert load_cases(folder, part).history.of(0).tolist() == expected


def test_now_is_the_time_of_the_target_else_the_cut_else_the_newest_event(write_split: Write, tmp_path: Path) -> None:
    assert load_cases(simple(write_split, tmp_path / "a"), "test").now[[0, 2]].tolist() == [40.0, 50.0]
    assert np.isnan(load_cases(tmp_path / "a", "test").now[1])
    assert load_cases(simple(write_split, tmp_path / "b", test_cut=38.0), "test").now.tolist() == [40.0, 38.0, 50.0]
    events = [(0, 1, 1, 5.0), (0, 2, 1, 7.0)]
    folder = write_split(tmp_path / "c", train=events, test=[(0, 3, 1, None)])
    assert load_cases(folder, "test").now.tolist() == [7.0]


def test_masks_hide_what_their_name_says(write_split: Write, tmp_path: Path) -> None:
    events = [(0, 5, 3, 1.0), (0, 2, 1, 2.0), (0, 5, 1, 3.0), (1, 5, 2, 1.0)]
    cases = load_cases(write_split(tmp_path, train=events, test=[(0, 3, 1, 4.0), (1, 3, 1, 4.0)]), "test")
    hidden = {name: [cases.mask(name).of(line).tolist() for line in range(2)] for name in ("seen", "purchased", "none")}
    assert hidden == {"seen": [[2, 5], [5]], "purchased": [[5], []], "none": [[], []]}
    with pytest.raises(DatasetError, match="got 'bought'"):
        cases.mask("bought")


def test_a_limit_draws_the_same_users_for_the_same_seed(write_split: Write, tmp_path: Path) -> None:
    rows = [(user, 1 + user % 9, 1, float(user)) for user in range(40)]
    folder = write_split(tmp_path, train=rows, test=rows)
    whole = load_cases(folder, "test")
    drawn = load_cases(folder, "test", limit=12, seed=3)
    assert len(drawn) == 12
    assert drawn.user_ids == load_cases(folder, "test", limit=12, seed=3).user_ids
    assert drawn.user_ids != load_cases(folder, "test", limit=12, seed=4).user_ids
    for line, user in enumerate(drawn.user_ids):
        at = whole.user_ids.index(user)
        assert drawn.targets.of(line).tolist() == whole.targets.of(at).tolist()
        assert drawn.history.of(line).tolist() == whole.history.of(at).tolist()


def test_known_events_are_those_that_may_be_counted(write_split: Write, tmp_path: Path) -> None:
    folder = simple(write_split, tmp_path)
    assert known_events(folder, "valid").rows() == [(0, 1, 0), (0, 2, 1), (1, 3, 0), (2, 4, 0)]
    assert known_events(folder, "test")["item"].to_list() == [1, 2, 5, 3, 1, 4]


def test_what_the_test_and_context_rows_are_changes_nothing_that_is_known(write_split: Write, tmp_path: Path) -> None:
    train, valid = [(0, 1, 1, 1.0), (1, 2, 1, 1.0)], [(0, 3, 1, 2.0)]
    plain = write_split(tmp_path / "a", train=train, valid=valid, test=[(0, 4, 1, 3.0)])
    other = write_split(tmp_path / "b", train=train, valid=valid, context=[(1, 5, 2, 3.0)], test=[(1, 9, 3, 9.0)])
    for part in ("valid", "test"):
        assert known_events(plain, part).equals(known_events(other, part))
    assert load_cases(plain, "valid").history.rows.tolist() == load_cases(other, "valid").history.rows.tolist()


def test_a_part_without_targets_and_a_folder_without_a_split_are_refused(write_split: Write, tmp_path: Path) -> None:
    folder = write_split(tmp_path / "a", train=[(0, 1, 1, 1.0)])
    with pytest.raises(DatasetError, match="expected targets in the part test"):
        load_cases(folder, "test")
    with pytest.raises(DatasetError, match="got 'train'"):
        load_cases(folder, "train")
    with pytest.raises(RunFolderError, match="split first"):
        read_split_meta(tmp_path)
    (tmp_path / "meta.json").write_text(json.dumps({}))
    with pytest.raises(RunFolderError, match="split again"):
        load_cases(tmp_path, "test")
    assert set(PARTS) == {"train", "valid", "context", "test"}


def test_row_lists_are_read_by_line() -> None:
    lists = RowLists(np.array([0, 2, 2, 3]), np.array([7, 8, 9], dtype=np.int32))
    assert len(lists) == 3
    assert lists.lengths().tolist() == [2, 0, 1]
    assert lists.lines().tolist() == [0, 0, 2]
    assert [lists.of(line).tolist() for line in range(3)] == [[7, 8], [], [9]]
