"""How far the bundle that is served drifted from the one that was measured, through the engine that serves.

Both have the same weights. What moves is what the weights read: more edges, counts and events. The check asks of the
same requests whether scores, predictions and answers are still those that the figures speak of.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.names import PADDING_ROW
from app.artifact.user_state import UserStates, read_user_states
from app.engine.ranking import Ranker
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages, pad_rows
from app.engine.snapshot import Snapshot
from offline.dataset.logged_queries import popular_queries
from offline.dataset.people import person_hashes
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.calibration_error import expected_calibration_error, reliability
from offline.evaluation.candidate_examples import Examples, examples_of
from offline.evaluation.metrics import DEPTH
from offline.evaluation.next_session import chain_of
from offline.evaluation.protocol import load_cases, validates
from offline.evaluation.ranked import rank_texts
from offline.evaluation.serving_document import CalibrationShift, Drift, ScoreShift
from offline.split.whole import PARTS
from offline.workspace.progress import Progress, silent

REQUESTS: Final = 500
ENOUGH: Final = 200
"""Users without news, below which everybody is asked for: an overlap of 200 is known within some .03."""
CASES: Final = 500
QUERIES: Final = 200
MAX_DISTANCE: Final = 0.25
MAX_ECE_GAIN: Final = 0.02
MIN_OVERLAP: Final = 0.5
_BATCH: Final = 128
_TOP: Final = 10
_ORDER: Final = "order"


def measure_drift(
    measured: Snapshot, served: Snapshot, split: Path, whole: Path, *, seed: int, progress: Progress | None = None
) -> Drift:
    """Compare two bundles of the same network, whose items have the same rows.

    Args:
        measured: knows train and valid.
        served: knows the whole log.
        split: of the measured bundle.
        whole: the whole log as one part, with the same user numbers.
        seed: draws users.
        progress: called with every batch.
    """
    tell = progress or silent
    states = read_user_states(measured.folder)
    users, without_news = _users(states, split, whole, np.random.default_rng([seed, 31]))
    batch = _requests(measured, states, users, read_split_meta(split).mask[0])
    answers = [_answer(snapshot, batch, tell) for snapshot in (measured, served)]
    cases, calibration = _calibration(measured, served, split, seed, tell)
    queries, query_overlap = _searches(measured, served, split)
    drift = Drift(
        requests=len(batch),
        without_news=without_news,
        scores=_score_shifts(*answers),
        cases=cases,
        calibration=calibration,
        overlap_at_10=_overlap(answers[0].rows, answers[1].rows) if len(batch) else None,
        queries=queries,
        query_overlap_at_10=query_overlap,
        excesses=[],
    )
    return drift.model_copy(update={"excesses": excesses_of(drift)})


def excesses_of(drift: Drift) -> list[str]:
    """What is past its threshold, in words.

    On made-up and public logs that grow by a tenth to a quarter distances of .04 to .17 and overlaps of .73 to .82 came
    about, and calibration stayed. A distance of `MAX_DISTANCE` means that at some level a quarter of the answers came
    to lie on the other side of it: a score no longer says what it said. An error of calibration that grows by
    `MAX_ECE_GAIN` makes a probability of one in ten one in eight. With less than half of the ten best in common, more
    of what a shopper is shown comes from what was not measured than from what was.
    """
    excesses = [
        f"{shift.name} of the ten best moved by {shift.distance:.2f} (at most {MAX_DISTANCE:.2f})"
        for shift in drift.scores
        if shift.distance > MAX_DISTANCE
    ]
    excesses += [
        f"P({shift.behaviour}) is off by {shift.served_ece:.3f} on validation, measured {shift.measured_ece:.3f} "
        f"(at most {MAX_ECE_GAIN:.2f} more)"
        for shift in drift.calibration
        if shift.served_ece > shift.measured_ece + MAX_ECE_GAIN
    ]
    for of_what, overlap in (("", drift.overlap_at_10), (" of a query", drift.query_overlap_at_10)):
        if overlap is not None and overlap < MIN_OVERLAP:
            excesses.append(f"{overlap:.0%} of the ten best{of_what} are the same (at least {MIN_OVERLAP:.0%})")
    return excesses


@dataclass(frozen=True)
class _Answers:
    """The ten best items of every request, and their scores by name; NaN where there are fewer."""

    rows: NDArray[np.int64]  # [requests, 10]
    scores: dict[str, NDArray[np.float64]]  # [requests, 10] each


def _users(states: UserStates, split: Path, whole: Path, rng: np.random.Generator) -> tuple[NDArray[np.int64], bool]:
    """Indices of users in the measured states, and whether these are users without news.

    Where hardly anybody is without, all are asked for by the pasts of the measured cut. The served version then knows
    what they did next, which makes the drift larger than it is for what shoppers will do.
    """
    table = pl.read_parquet(split / "users.parquet", columns=["user", "user_id"])
    counts = [_events(folder, parts, table.height) for folder, parts in ((split, ("train", "valid")), (whole, PARTS))]
    quiet = (counts[0] > 0) & (counts[0] == counts[1])
    ids = table.filter(pl.col("user").is_in(np.flatnonzero(quiet)))["user_id"].to_list()
    without_news = np.flatnonzero(np.isin(states.hashes, person_hashes(ids)))
    chosen = without_news if len(without_news) >= ENOUGH else np.arange(len(states.hashes))
    drawn = rng.choice(chosen, size=min(REQUESTS, len(chosen)), replace=False)
    return np.sort(drawn).astype(np.int64), len(without_news) >= ENOUGH


def _events(split: Path, parts: tuple[str, ...], users: int) -> NDArray[np.int64]:
    """How many events each of the first `users` users has."""
    events = pl.concat([pl.read_parquet(split / f"{part}.parquet", columns=["user"]) for part in parts])
    return np.bincount(events["user"].to_numpy(), minlength=users)[:users]


def _requests(snapshot: Snapshot, states: UserStates, users: NDArray[np.int64], mask: str) -> RequestBatch:
    """What the users would ask for at the measured cut, with what `mask` hides from them.

    Events older than the window are left out: their sum is made of item vectors, which differ.
    """
    shapes, size = snapshot.manifest.shapes, len(users)
    rows, types = np.zeros((size, shapes.window), dtype=np.int32), np.zeros((size, shapes.window), dtype=np.uint8)
    times = np.full((size, shapes.window), np.nan)
    hidden = []
    for line, user in enumerate(users.tolist()):
        events = slice(int(states.event_offsets[user]), int(states.event_offsets[user + 1]))
        count = events.stop - events.start
        rows[line, shapes.window - count :] = states.event_rows[events]
        types[line, shapes.window - count :] = states.event_types[events]
        times[line, shapes.window - count :] = states.event_times[events]
        past = slice(int(states.seen_offsets[user]), int(states.seen_offsets[user + 1]))
        hides = states.seen_purchased[past] if mask == "purchased" else np.full(past.stop - past.start, mask == "seen")
        hidden.append(np.asarray(states.seen_rows[past][hides], dtype=np.int64))
    cut = snapshot.manifest.cut
    return RequestBatch(
        now=np.full(size, np.nan if cut is None else cut),
        event_rows=rows,
        event_types=types,
        event_times=times,
        long_vector=np.zeros((size, shapes.dim), dtype=np.float32),
        long_weight=np.zeros(size, dtype=np.float32),
        exclude_rows=pad_rows(hidden),
    )


def _answer(snapshot: Snapshot, batch: RequestBatch, tell: Progress) -> _Answers:
    ranker = snapshot.ranker
    behaviours = [] if ranker is None else ranker.spec.behaviours
    rows = np.full((len(batch), _TOP), PADDING_ROW, dtype=np.int64)
    scores = {name: np.full((len(batch), _TOP), np.nan) for name in (_ORDER, *map(_probability, behaviours))}
    for start in range(0, len(batch), _BATCH):
        tell(start, len(batch), "drift: answers of both versions")
        lines = slice(start, start + _BATCH)
        part = batch.take(lines)
        best = recommend(snapshot, part, DEPTH).head(_TOP)
        rows[lines, : best.rows.shape[1]] = best.rows
        scores[_ORDER][lines, : best.rows.shape[1]] = np.where(best.rows != PADDING_ROW, best.scores, np.nan)
        if ranker is not None:
            _predict(ranker, snapshot, part, best.rows, start, scores)
    return _Answers(rows, scores)


def _predict(
    ranker: Ranker,
    snapshot: Snapshot,
    batch: RequestBatch,
    rows: NDArray[np.int64],
    start: int,
    scores: dict[str, NDArray[np.float64]],
) -> None:
    """Write the predictions of `rows` into `scores`, from line `start`."""
    retrieved = recommend(snapshot, batch, DEPTH, Stages(ranking=False))
    for line, probabilities in enumerate(ranker.predict(batch, retrieved, rows), start=start):
        for column, behaviour in enumerate(ranker.spec.behaviours):
            scores[_probability(behaviour)][line, : len(probabilities)] = probabilities[:, column]


def _probability(behaviour: str) -> str:
    return f"P({behaviour})"


def _score_shifts(measured: _Answers, served: _Answers) -> list[ScoreShift]:
    shifts = []
    for name, before in measured.scores.items():
        values = [scores[np.isfinite(scores)] for scores in (before, served.scores[name])]
        if not all(map(len, values)):
            continue
        shifts.append(
            ScoreShift(
                name=name,
                measured=float(values[0].mean()),
                served=float(values[1].mean()),
                distance=distance_of(*values),
            )
        )
    return shifts


def distance_of(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """The Kolmogorov-Smirnov distance of two samples: the largest difference of their distribution functions."""
    points = np.concatenate([first, second])
    shares = [np.searchsorted(np.sort(sample), points, side="right") / len(sample) for sample in (first, second)]
    return float(np.abs(shares[0] - shares[1]).max())


def _overlap(first: NDArray[np.int64], second: NDArray[np.int64]) -> float:
    """The mean share of the measured ten best that the served ten best hold, too."""
    shares = [
        len(np.intersect1d(before[before > 0], after)) / max(1, int((before > 0).sum()))
        for before, after in zip(first, second, strict=True)
    ]
    return float(np.mean(shares))


def _searches(measured: Snapshot, served: Snapshot, split: Path) -> tuple[int, float | None]:
    """How many of the most popular queries were searched, and the mean overlap of their ten best items."""
    texts = popular_queries(split, ("train", "valid"))["text"].head(QUERIES).to_list()
    if not texts or measured.search is None or served.search is None:
        return 0, None
    rows = [rank_texts(snapshot, texts)[:, :_TOP] for snapshot in (measured, served)]
    return len(texts), _overlap(*rows)


def _calibration(
    measured: Snapshot, served: Snapshot, split: Path, seed: int, tell: Progress
) -> tuple[int, list[CalibrationShift]]:
    """How true the predictions of both are on the same validation cases, and how many those are."""
    if measured.ranker is None or served.ranker is None or not validates(split):
        return 0, []
    meta = read_split_meta(split)
    cases = load_cases(split, "valid", CASES, seed)
    chain = chain_of(meta.behaviours)
    examples = [examples_of(snapshot, split, cases, meta.mask[0], chain, tell) for snapshot in (measured, served)]
    predictions = [
        _predictions(snapshot.ranker, of_one) for snapshot, of_one in zip((measured, served), examples, strict=True)
    ]
    shifts = []
    for link, behaviour in enumerate(measured.ranker.spec.behaviours):
        errors = [
            expected_calibration_error(reliability(predicted[:, link], of_one.happened[:, link]))
            for predicted, of_one in zip(predictions, examples, strict=True)
        ]
        shifts.append(
            CalibrationShift(
                behaviour=behaviour,
                observed=float(examples[0].happened[:, link].mean()),
                measured=float(predictions[0][:, link].mean()),
                served=float(predictions[1][:, link].mean()),
                measured_ece=errors[0],
                served_ece=errors[1],
            )
        )
    return len(cases), shifts


def _predictions(ranker: Ranker | None, examples: Examples) -> NDArray[np.float64]:
    assert ranker is not None  # noqa: S101 - callers refuse it
    return ranker.probabilities(ranker.run(examples.features)[1])
