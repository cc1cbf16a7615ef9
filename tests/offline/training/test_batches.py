"""Training batches: what is read never holds what is asked, and every event is asked once."""

from collections import Counter

import numpy as np
import pytest

from app.artifact.event_features import age_buckets
from offline.dataset.histories import Histories
from offline.training import batches
from offline.training.batches import (
    Batch,
    count_ordered,
    count_unordered,
    ordered_batches,
    unordered_batches,
)


def histories(seed: int, users: int = 40, most: int = 30, items: int = 15) -> Histories:
    rng = np.random.default_rng(seed)
    lengths = rng.integers(0, most, users)
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    count = int(offsets[-1])
    times = np.concatenate([np.sort(rng.uniform(0, 1e6, length)) for length in lengths])
    return Histories(
        offsets, rng.integers(1, items, count).astype(np.int32), rng.integers(1, 4, count).astype(np.uint8), times
    )


def distinct(seed: int, users: int = 30, most: int = 40) -> Histories:
    """Every event of all users is on an item of its own, so that an item tells its place."""
    made = histories(seed, users, most)
    return Histories(made.offsets, np.arange(1, len(made.rows) + 1, dtype=np.int32), made.types, made.times)


def ordered(made: Histories, window: int, *, hide_seen: bool = False, timed: bool = True, seed: int = 0) -> list[Batch]:
    rng = np.random.default_rng(seed)
    return list(ordered_batches(made, window, 4, hide_seen=hide_seen, timed=timed, rng=rng))


@pytest.mark.parametrize("window", [1, 3, 50])
def test_every_event_but_the_first_is_asked_once_right_after_the_one_before_it(window: int) -> None:
    made = distinct(1)
    asked: Counter[int] = Counter()
    batches = ordered(made, window)
    assert len(batches) == count_ordered(made, window, 4)
    firsts = set((made.offsets[:-1][made.lengths > 0] + 1).tolist())
    for batch in batches:
        width = batch.rows.shape[1]
        assert width <= window
        line, place = batch.query_positions // width, batch.query_positions % width
        wanted = batch.targets.item[batch.targets.query.argsort()]
        assert (batch.rows[line, place] + 1 == wanted).all()
        asked.update(wanted.tolist())
    assert asked == Counter(set(range(1, len(made.rows) + 1)) - firsts)


def test_windows_hold_a_users_events_in_order_with_padding_on_the_left() -> None:
    made = distinct(2)
    owner = np.concatenate([[-1], np.repeat(np.arange(len(made)), made.lengths)])
    for batch in ordered(made, 10):
        for rows in batch.rows.numpy():
            held = rows[rows > 0]
            assert (rows[len(rows) - len(held) :] == held).all()
            assert (np.diff(held) == 1).all()
            assert len(set(owner[held])) == 1


def test_with_hide_seen_no_target_lies_in_what_its_position_reads() -> None:
    made = histories(3)
    kept = dropped = 0
    for plain, batch in zip(ordered(made, 12), ordered(made, 12, hide_seen=True), strict=True):
        assert (plain.rows == batch.rows).all()
        width = batch.rows.shape[1]
        by_place = dict(zip(batch.query_positions.tolist(), batch.targets.item.tolist(), strict=True))
        for place, item in zip(plain.query_positions.tolist(), plain.targets.item.tolist(), strict=True):
            seen = item in plain.rows[place // width, : place % width + 1].tolist()
            assert (place in by_place) != seen
            kept, dropped = kept + (not seen), dropped + seen
    assert kept
    assert dropped


def test_ages_are_seen_from_the_moment_of_the_target() -> None:
    made = distinct(4)
    for batch in ordered(made, 10):
        rows = batch.rows.numpy()
        width = rows.shape[1]
        for place, item in zip(batch.query_positions.tolist(), batch.targets.item.tolist(), strict=True):
            line, position = divmod(place, width)
            read = rows[line, : position + 1]
            times = np.where(read > 0, made.times[read - 1], np.nan)
            expected = age_buckets(times, made.times[item - 1])
            assert batch.ages[line, position, : position + 1].tolist() == expected.tolist()
    assert not any(batch.ages.any() for batch in ordered(made, 10, timed=False))


def test_an_order_is_drawn_from_the_generator_alone() -> None:
    made = histories(5)
    rows = [[batch.rows.tolist() for batch in ordered(made, 6, seed=seed)] for seed in (1, 1, 2)]
    assert rows[0] == rows[1]
    assert rows[0] != rows[2]


def test_an_unordered_history_is_read_whole_and_asks_for_all_of_it() -> None:
    made = distinct(6)
    seen: set[int] = set()
    batches = list(unordered_batches(made, 4, rng=np.random.default_rng(0)))
    assert len(batches) == count_unordered(made, 4)
    for batch in batches:
        ends = [*batch.first.tolist()[1:], len(batch.rows)]
        for line, (start, end) in enumerate(zip(batch.first.tolist(), ends, strict=True)):
            read = batch.rows[start:end].tolist()
            asked = batch.targets.query == line
            owner = next(user for user in range(len(made)) if made.offsets[user] < min(read) <= made.offsets[user + 1])
            assert read == list(range(int(made.offsets[owner]) + 1, int(made.offsets[owner + 1]) + 1))
            assert batch.types[start:end].tolist() == made.types[[row - 1 for row in read]].tolist()
            assert batch.targets.item[asked].tolist() == read
            assert owner not in seen
            seen.add(owner)
            np.testing.assert_allclose(batch.targets.weight[asked].sum(), np.sqrt(made.lengths[owner]), rtol=1e-5)
    assert seen == set(np.flatnonzero(made.lengths >= 2).tolist())


def test_pairs_of_an_unordered_batch_are_sorted_by_query_as_the_loss_expects() -> None:
    for batch in unordered_batches(histories(7), 8, rng=np.random.default_rng(1)):
        assert (batch.targets.query.diff() >= 0).all()


def test_nobody_to_learn_from_gives_no_batch() -> None:
    made = Histories(np.array([0, 1, 1]), np.array([3], np.int32), np.array([1], np.uint8), np.array([1.0]))
    assert ordered(made, 5) == []
    assert list(unordered_batches(made, 5, rng=np.random.default_rng(0))) == []
    assert count_ordered(made, 5, 4) == count_unordered(made, 4) == 0


def test_windows_of_large_logs_are_hardly_padded(monkeypatch: pytest.MonkeyPatch) -> None:
    made = histories(9, users=600)

    def width() -> int:
        return sum(batch.rows.numel() for batch in ordered(made, 50))

    few = width()
    monkeypatch.setattr(batches, "MANY_WINDOWS", 100)
    many = width()
    events = int((made.lengths - 1).clip(0).sum())
    assert events < many < few
    assert many - events < (few - events) / 3
