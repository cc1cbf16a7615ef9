"""Baselines: they equal their definitions computed densely, and know nothing of what is held out."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from offline.evaluation import baselines
from offline.evaluation.baselines import KnnSettings, baseline_rankings, item_knn, popularity, tune_item_knn
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import Cases, known_events, load_cases

Write = Callable[..., Path]
Events = list[tuple[int, int, int, float | None]]

ITEMS = 14


def log(seed: int, users: int = 25) -> tuple[Events, Events, Events]:
    """Train, valid and test rows of users who walk around among the items."""
    rng = np.random.default_rng(seed)
    train: Events = []
    valid: Events = []
    test: Events = []
    for user in range(users):
        length = int(rng.integers(4, 16))
        items = 1 + (rng.integers(0, ITEMS) + np.cumsum(rng.integers(0, 4, length))) % ITEMS
        rows = [(user, int(item), int(rng.integers(1, 4)), float(place)) for place, item in enumerate(items)]
        train += rows[:-2]
        valid.append(rows[-2])
        test.append(rows[-1])
    return train, valid, test


def dense_scores(folder: Path, cases: Cases, settings: KnnSettings, *, ordered: bool) -> NDArray[np.float64]:
    """Item-kNN by its definition, over all neighbours: loops over users, pairs and items."""
    counts, together = np.zeros(ITEMS + 1), np.zeros((ITEMS + 1, ITEMS + 1))
    events = known_events(folder, cases.part)
    for (_,), mine in events.group_by("user"):
        items = mine.sort("order")["item"].to_list()
        for item in items:
            counts[item] += 1
        if settings.decay is None:
            for one in set(items):
                for other in set(items) - {one}:
                    together[one, other] += 1
            continue
        for place, one in enumerate(items):
            for later in range(place + 1, min(place + 11, len(items))):
                if items[later] != one:
                    weight = settings.decay ** (later - place - 1)
                    together[one, items[later]] += weight
                    together[items[later], one] += weight
    safe = np.maximum(counts, 1)
    similar = together / safe[:, None] ** settings.source_power / safe[None, :] ** settings.target_power
    scores = np.zeros((len(cases), ITEMS + 1))
    for line in range(len(cases)):
        for newer, item in enumerate(reversed(cases.history.of(line).tolist())):
            scores[line] += similar[item] * (settings.history_decay**newer if ordered else 1.0)
    return scores


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        KnnSettings(decay=None, source_power=0.5, target_power=0.5, history_decay=0.7),
        KnnSettings(decay=None, source_power=1.0, target_power=0.0, history_decay=1.0),
        KnnSettings(decay=0.6, source_power=0.5, target_power=0.25, history_decay=0.8),
        KnnSettings(decay=1.0, source_power=0.25, target_power=0.5, history_decay=0.5),
    ],
)
@pytest.mark.parametrize("mask", ["seen", "purchased", "none"])
def test_item_knn_ranks_as_its_definition_does(
    write_split: Write, tmp_path: Path, settings: KnnSettings, ordered: bool, mask: str
) -> None:
    train, valid, test = log(1)
    folder = write_split(tmp_path, train=train, valid=valid, test=test, items=ITEMS, has_order=ordered)
    cases = load_cases(folder, "test")
    ranked = item_knn(folder, cases, [mask], settings, depth=ITEMS)[mask]
    scores = dense_scores(folder, cases, settings, ordered=ordered)
    popular = popularity(folder, cases, [mask], depth=ITEMS)[mask]
    for line in range(len(cases)):
        hidden = {0, *cases.mask(mask).of(line).tolist()}
        rows = [row for row in ranked[line].tolist() if row]
        assert sorted([*rows, *hidden]) == sorted({*range(ITEMS + 1)})
        near = [row for row in rows if scores[line, row] > 1e-9]
        assert rows[: len(near)] == near
        assert (np.diff(scores[line, near]) <= 1e-5).all()
        assert rows[len(near) :] == [row for row in popular[line].tolist() if row in rows[len(near) :]]


def test_only_the_nearest_neighbours_of_an_item_speak(
    write_split: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Events = [(user, item, 1, None) for user, items in enumerate([[1, 2], [1, 2], [1, 3]]) for item in items]
    train += [(9, 4, 1, None)] * 5 + [(3, 1, 1, None)]
    folder = write_split(tmp_path, train=train, test=[(3, 3, 1, None)], items=5)
    cases, settings = load_cases(folder, "test"), KnnSettings(source_power=0.0, target_power=0.0)
    assert item_knn(folder, cases, ["seen"], settings, depth=4)["seen"].tolist() == [[2, 3, 4, 5]]
    monkeypatch.setattr(baselines, "_NEIGHBOURS", 1)
    assert item_knn(folder, cases, ["seen"], settings, depth=4)["seen"].tolist() == [[2, 4, 3, 5]]


def test_of_an_endless_history_only_the_newest_events_count_together(
    write_split: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train: Events = [(0, item, 1, None) for item in (1, 2, 3, 4)] + [(1, 4, 1, None)]
    folder = write_split(tmp_path, train=train, test=[(1, 3, 1, None)], items=5)
    monkeypatch.setattr(baselines, "_MAX_COUNTED", 2)
    cases = load_cases(folder, "test")
    assert item_knn(folder, cases, ["seen"], KnnSettings(), depth=1)["seen"].tolist() == [[3]]
    scores = baselines._similarities(known_events(folder, "test"), 5, [KnnSettings()])[0].toarray()
    assert np.argwhere(scores).tolist() == [[3, 4], [4, 3]]


def test_popularity_counts_train_and_for_test_valid_but_no_context_and_no_test(
    write_split: Write, tmp_path: Path
) -> None:
    folder = write_split(
        tmp_path,
        train=[(0, 1, 1, 1.0), (1, 1, 1, 1.0), (1, 2, 1, 2.0)],
        valid=[(0, 2, 1, 3.0), (1, 2, 1, 4.0)],
        context=[(2, 3, 1, 5.0)] * 5,
        test=[(0, 4, 1, 6.0), (2, 4, 1, 6.0)] + [(3, 4, 1, 7.0)] * 5,
        items=5,
    )
    for part, expected in (("valid", [1, 2, 3]), ("test", [2, 1, 3])):
        cases = load_cases(folder, part)
        assert popularity(folder, cases, ["none"], depth=3)["none"].tolist() == [expected] * len(cases)
    assert popularity(folder, load_cases(folder, "test"), ["seen"], depth=5)["seen"].tolist() == [
        [3, 4, 5, 0, 0],
        [2, 1, 4, 5, 0],
        [2, 1, 3, 4, 5],
    ]


def test_what_is_held_out_moves_no_ranking(write_split: Write, tmp_path: Path) -> None:
    train, valid, test = log(2)
    plain = write_split(tmp_path / "a", train=train, valid=valid, test=test, items=ITEMS)
    changed: Events = [(user, 1 + (item + 4) % ITEMS, 3, 99.0) for user, item, _, _ in test]
    other = write_split(tmp_path / "b", train=train, valid=valid, test=changed + changed, items=ITEMS)
    found = [baseline_rankings(folder, load_cases(folder, "test"), ["seen", "none"]) for folder in (plain, other)]
    assert list(found[0]) == ["popularity", "item_knn", "item_knn_window"]
    for name, by_mask in found[0].items():
        for mask, rows in by_mask.items():
            np.testing.assert_array_equal(rows, found[1][name][mask])


@pytest.mark.parametrize("near", [False, True])
def test_tuning_sees_train_and_valid_only_and_does_not_lose_to_the_start(
    write_split: Write, tmp_path: Path, near: bool
) -> None:
    train, valid, test = log(3, users=60)
    folder = write_split(tmp_path / "a", train=train, valid=valid, test=test, items=ITEMS, metrics=["mrr"])
    tuned = tune_item_knn(folder, near=near)
    other = write_split(tmp_path / "b", train=train, valid=valid, test=test[:1], items=ITEMS, metrics=["mrr"])
    assert tune_item_knn(other, near=near) == tuned
    assert (tuned.decay is None) != near
    cases = load_cases(folder, "valid")
    start = KnnSettings(decay=0.7 if near else None)
    values = [
        table_of([Metric("mrr", 10)], item_knn(folder, cases, ["seen"], settings)["seen"], cases.targets).mean()
        for settings in (tuned, start)
    ]
    assert values[0] >= values[1]


def test_without_an_order_there_is_no_window_and_without_validation_no_tuning(
    write_split: Write, tmp_path: Path
) -> None:
    train, valid, test = log(4)
    folder = write_split(tmp_path, train=train + valid, test=test, items=ITEMS, has_order=False)
    assert tune_item_knn(folder, near=False) == KnnSettings()
    assert list(baseline_rankings(folder, load_cases(folder, "test"), ["seen"])) == ["popularity", "item_knn"]
