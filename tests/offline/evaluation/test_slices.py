"""Slices: each is what its name says, found by loops over users and targets."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from offline.evaluation.baselines import popularity
from offline.evaluation.metrics import Metric, table_of
from offline.evaluation.protocol import Cases, RowLists, event_counts, load_cases
from offline.evaluation.slices import popularity_bands, slice_figures

Write = Callable[..., Path]

METRICS = [Metric("recall", 5), Metric("mrr", 10)]
ITEMS = 14


@pytest.fixture
def scored(write_split: Write, tmp_path: Path) -> tuple[Cases, np.ndarray]:
    """Users with histories of 0 to 24 events, some of them context alone, and one to three targets each."""
    rng = np.random.default_rng(5)
    train, context, test = [], [], []
    for user in range(50):
        length = int(rng.choice([0, 1, 3, 7, 24]))
        rows = [(user, int(row), 1, None) for row in np.minimum(rng.geometric(0.25, length), ITEMS - 2)]
        (context if user % 5 == 0 else train).extend(rows)
        test += [(user, int(row), 1, None) for row in rng.choice(ITEMS + 1, int(rng.integers(1, 4)), replace=False)]
    folder = write_split(tmp_path, train=train, context=context, test=test, items=ITEMS)
    return load_cases(folder, "test"), event_counts(folder, "test", ITEMS)


def bands(counts: np.ndarray) -> dict[int, str]:
    """By its definition: walk down the items, adding up events."""
    found, before = {}, 0
    for row in sorted(range(1, len(counts)), key=lambda row: (-counts[row], row)):
        share = before / counts.sum()
        found[row] = "head" if share < 0.2 else "tail" if share >= 0.8 else "middle"
        found[row] = found[row] if counts[row] else "cold"
        before += counts[row]
    return found


def members(cases: Cases, counts: np.ndarray) -> dict[str, dict[int, list[int]]]:
    """For each slice the targets of each of its users."""
    band = bands(counts)
    found: dict[str, dict[int, list[int]]] = {}
    for line in range(len(cases)):
        history = cases.history.of(line).tolist()
        length = len(history)
        bounds = (("0-1", 1), ("2-4", 4), ("5-19", 19), ("20+", 10**6))
        known = next(name for name, most in bounds if length <= most)
        for row in cases.targets.of(line).tolist():
            names = [f"users with {known} events"]
            if not length:
                names.append("users without any event")
            if length and length == cases.context[line]:
                names.append("users known by context only")
            if row:
                names += [f"targets on {band[row]} items", f"targets {'' if row in history else 'not '}seen before"]
            for name in names:
                found.setdefault(name, {}).setdefault(line, []).append(row)
    return found


def test_every_slice_holds_its_users_and_targets_and_no_others(scored: tuple[Cases, np.ndarray]) -> None:
    cases, counts = scored
    expected = members(cases, counts)
    assert len(expected) == 12
    rng = np.random.default_rng(0)
    ours = np.array([rng.permutation(np.arange(1, ITEMS + 1)) for _ in range(len(cases))])
    theirs = np.array([rng.permutation(np.arange(1, ITEMS + 1)) for _ in range(len(cases))])
    slices = slice_figures(METRICS, {"bundle": ours, "popularity": theirs}, cases, counts, rng)
    figures = [part.json() for part in slices]
    assert [part["slice"] for part in figures] == sorted(expected, key=[part["slice"] for part in figures].index)
    for part in figures:
        mine = expected[part["slice"]]
        lists = list(mine.values())
        assert (part["n"], part["targets"]) == (len(lists), sum(map(len, lists)))
        offsets = np.concatenate([[0], np.cumsum([len(rows) for rows in lists])])
        targets = RowLists(offsets, np.array([row for rows in lists for row in rows], dtype=np.int32))
        for place, metric in enumerate(METRICS):
            mean, other = (table_of(METRICS, ranked[list(mine)], targets)[:, place].mean() for ranked in (ours, theirs))
            beside = part["baselines"]["popularity"]
            assert part["metrics"][metric.name] == pytest.approx(mean)
            assert beside[metric.name] == pytest.approx(other)
            assert beside["lift"][metric.name]["difference"] == pytest.approx(mean - other)
            for value, (low, high) in (
                (mean, part["ci95"][metric.name]),
                (other, beside["ci95"][metric.name]),
                (mean - other, beside["lift"][metric.name]["ci95"]),
            ):
                assert low - 1e-12 <= value <= high + 1e-12


def test_bands_are_cut_by_the_events_that_stand_before(scored: tuple[Cases, np.ndarray]) -> None:
    words = ("cold", "tail", "middle", "head")
    for counts in (scored[1], np.array([0, 10, 0]), np.array([0, 1, 1, 1, 1, 1, 0])):
        assert {row: words[band] for row, band in enumerate(popularity_bands(counts)) if row} == bands(counts)


def test_slices_without_anybody_are_left_out(write_split: Write, tmp_path: Path) -> None:
    folder = write_split(tmp_path, train=[(0, 1, 1, None), (0, 2, 1, None)], test=[(0, 3, 1, None)])
    cases = load_cases(folder, "test")
    ranked = popularity(folder, cases, ["none"])["none"]
    events = event_counts(folder, "test", 10)
    slices = slice_figures(METRICS, {"bundle": ranked}, cases, events, np.random.default_rng(0))
    figures = [part.json() for part in slices]
    assert [part["slice"] for part in figures] == [
        "users with 2-4 events",
        "targets on cold items",
        "targets not seen before",
    ]
    assert all(part["baselines"] == {} for part in figures)
