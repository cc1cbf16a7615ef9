"""The list of erasures beside bundles: kept whole, whatever happens to it, and read by everything that has a past."""

import os
from pathlib import Path

import numpy as np
import pytest

from app.artifact.erasures import ERASURES, begin_erasures, keeps_erasures, note_erasures, read_erasures
from app.artifact.user_state import UserStates


def test_what_is_noted_is_read_with_the_newest_time_and_once(tmp_path: Path) -> None:
    assert read_erasures(tmp_path) == {}
    assert note_erasures(tmp_path, {1: 5.0, 2**64 - 1: 1_795_428_900.25}) == 2
    assert note_erasures(tmp_path, {1: 4.0, 2**64 - 1: 1_795_428_900.25}) == 0
    assert note_erasures(tmp_path, {1: 6.0}) == 1
    assert read_erasures(tmp_path) == {1: 6.0, 2**64 - 1: 1_795_428_900.25}
    assert (tmp_path / ERASURES).read_text().splitlines()[0] == "0000000000000001 5.0"


def test_a_line_that_a_power_cut_left_is_passed_over_and_the_next_is_whole(tmp_path: Path) -> None:
    note_erasures(tmp_path, {1: 5.0})
    with (tmp_path / ERASURES).open("ab") as file:
        file.write(b"00000000000000")
    assert read_erasures(tmp_path) == {1: 5.0}
    note_erasures(tmp_path, {2: 6.0})
    assert read_erasures(tmp_path) == {1: 5.0, 2: 6.0}


@pytest.mark.parametrize("text", [b"\xff\x00\n", b"nonsense\n" * 10, b"0000000000000001 1.2.3\n", b"0" * 100_000])
def test_a_damaged_list_says_what_can_be_read_of_it(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ERASURES).write_bytes(text + b"\n0000000000000007 8.0\n")
    assert read_erasures(tmp_path) == {7: 8.0}


@pytest.mark.parametrize("text", [b"0000000000000ABC 8.0\r\n", b"\n 0000000000000abc\t8.0 \n", b"0000000000000abc 8.0"])
def test_a_list_that_somebody_edited_is_read(tmp_path: Path, text: bytes) -> None:
    (tmp_path / ERASURES).write_bytes(text)
    assert read_erasures(tmp_path) == {0xABC: 8.0}


def test_lines_that_cannot_be_read_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / ERASURES).write_bytes(b"nonsense\n0000000000000007 8.0\n0000000000000008 8.0.\n\n")
    assert read_erasures(tmp_path) == {7: 8.0}
    (record,) = caplog.records
    assert "lines that cannot be read" in record.message
    assert vars(record)["lines"] == 2


def test_a_pipe_is_no_list_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / ERASURES)
    with pytest.raises(OSError, match="no regular file"):
        read_erasures(tmp_path)


def test_a_list_does_not_grow_by_what_is_told_again_and_again(tmp_path: Path) -> None:
    for time in range(2_500):
        note_erasures(tmp_path, {1: float(time)})
    assert read_erasures(tmp_path) == {1: 2_499.0}
    assert (tmp_path / ERASURES).stat().st_size < 1_100 * len(b"0000000000000001 2499.0\n")


def test_a_list_counts_as_kept_once_it_was_begun(tmp_path: Path) -> None:
    assert not keeps_erasures(tmp_path)
    begin_erasures(tmp_path)
    begin_erasures(tmp_path)
    assert keeps_erasures(tmp_path)
    assert read_erasures(tmp_path) == {}


def states_of(hashes: list[int], times: list[float], weights: list[float]) -> UserStates:
    """People with one event each."""
    count = len(hashes)
    return UserStates(
        hashes=np.array(hashes, np.uint64),
        long_vectors=np.zeros((count, 2), np.int8),
        long_scales=np.zeros(count, np.float32),
        long_weights=np.array(weights, np.float32),
        event_offsets=np.arange(count + 1),
        event_rows=np.ones(count, np.int32),
        event_types=np.ones(count, np.uint8),
        event_times=np.array(times),
        seen_offsets=np.arange(count + 1),
        seen_rows=np.ones(count, np.int32),
        seen_purchased=np.zeros(count, bool),
    )


def test_states_of_erased_people_are_found_only_where_all_of_them_is_newer() -> None:
    states = states_of([1, 2, 3, 4, 5], [10.0, 30.0, 30.0, np.nan, 10.0], [0.0, 0.0, 1.0, 0.0, 0.0])
    left = states.without({1: 20.0, 2: 20.0, 3: 20.0, 4: 20.0, 99: 20.0})
    assert [left.find(person) for person in (1, 2, 3, 4, 5)] == [-1, 1, -1, -1, 4]
    assert states.find(1) == 0
