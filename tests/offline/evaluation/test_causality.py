"""What is said of the cut is true of the times of the rows, however the log was cut."""

from collections.abc import Callable
from pathlib import Path

import pytest

from offline.evaluation.causality import NOT_CAUSAL, causality_notes, share_later

Write = Callable[..., Path]
TRAIN = [(user, 1, 1, 100.0 + user) for user in range(50)]


def test_a_split_column_that_cuts_by_time_knows_only_the_past(write_split: Write, tmp_path: Path) -> None:
    split = write_split(
        tmp_path, train=TRAIN, valid=[(0, 2, 1, 160.0)], test=[(0, 3, 1, 170.0), (1, 4, 1, 180.0)], how="column"
    )
    assert share_later(split, "test") == share_later(split, "valid") == 0.0
    assert causality_notes(split, "test") == []


def test_what_lies_among_the_known_is_told_by_its_share(write_split: Write, tmp_path: Path) -> None:
    split = write_split(tmp_path, train=TRAIN, test=[(0, 3, 1, 124.0), (1, 4, 1, 500.0)], how="last")
    assert share_later(split, "test") == pytest.approx(0.25)
    assert causality_notes(split, "test") == [NOT_CAUSAL]


def test_without_times_of_targets_it_is_not_taken_for_granted(write_split: Write, tmp_path: Path) -> None:
    split = write_split(tmp_path, train=TRAIN, test=[(0, 3, 1, None)], how="column")
    assert share_later(split, "test") is None
    assert causality_notes(split, "test") == [NOT_CAUSAL]
