"""The ranker stage: learn from validation targets, calibrate, and decide whether the ranker orders."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.rank_features import FEATURES, GROUPS
from app.artifact.ranker_spec import CalibrationCheck, RankerSpec
from app.engine.ranking import log_chain
from app.engine.snapshot import Snapshot
from model.ranker import Ranker
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.calibration_error import calibration_figures
from offline.evaluation.candidate_examples import Examples, examples_of
from offline.evaluation.metrics import Metric, ndcg_or_first, parse_metric
from offline.evaluation.next_session import chain_of
from offline.evaluation.protocol import load_cases
from offline.ranking.bounds import FitBounds, fit_bounds, lists_within
from offline.ranking.calibration import cross_calibrated, fit_calibration
from offline.ranking.fit import EPOCHS, SCORE, FittedRanker, fit_ranker, score_candidates
from offline.ranking.list_metric import list_metric
from offline.ranking.order_features import senseless_features
from offline.ranking.rank_graph import write_rank_graph
from offline.workspace.atomic import atomic_folder
from offline.workspace.budget import Allowance
from offline.workspace.progress import Progress, silent

HISTORY_FILE = "history.json"
LISTS = 15_000  # at most; candidates of so many fit into memory
FOLDS = 5
FEW_LISTS = 4_000  # up to so many every fold is held out once, and the ranker then learns from all; above, one fold is
MIN_LISTS = 30
_CLOSING_S = 2.0  # of an allowance, to write the graph


@dataclass(frozen=True)
class TrainedRanker:
    """The outcome of the stage."""

    orders: bool
    metric: str
    retrieval_value: float
    ranked_value: float
    epochs: int
    lists: int
    cut_short: str | None = None  # what the allowance left undone


@dataclass(frozen=True)
class _HeldOut:
    """Figures of lists that a ranker was not trained on."""

    retrieval: NDArray[np.float64]  # [lists] the metric in the order of retrieval
    ranked: NDArray[np.float64]  # [lists] in the order of the ranker
    without: dict[str, NDArray[np.float64]]  # [lists] with a group of features at its mean
    raw: NDArray[np.float64]  # [candidates, links] probabilities
    happened: NDArray[np.bool_]  # [candidates, links]
    lists: NDArray[np.int64]  # [candidates] the list of each


def train_ranker(
    snapshot: Snapshot,
    split: Path,
    out: Path,
    *,
    seed: int,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
) -> TrainedRanker | None:
    """Write `rank.onnx`, `ranker.json` and `history.json` to `out`; None where too few are validated.

    A part of the validated users is held out of training: on them training stops, probabilities are calibrated, and the
    ranker's order is compared with that of retrieval. Where it is not better by more than a standard error of the mean
    difference, the ranker only predicts.

    Args:
        snapshot: a bundle that knows train alone, of a network that has not seen validation targets.
        out: folder, which appears whole.
        allowance: the seconds that it may take; where they are few, it learns from fewer lists, in fewer epochs.

    Raises:
        TrainingError: the loss is not a number.
    """
    report = progress or silent
    meta = read_split_meta(split)
    chain = chain_of(meta.behaviours)
    cases = load_cases(split, "valid", LISTS, seed)
    metric = parse_metric(ndcg_or_first(meta.metrics))
    if len(cases) < MIN_LISTS:
        no_ranker(out, f"{len(cases)} validated users, of {MIN_LISTS} that a ranker needs")
        return None
    allowance = (allowance or Allowance.of(None)).sooner(_CLOSING_S)

    def make(lists: int) -> Examples:
        few = load_cases(split, "valid", lists, seed)
        # Items that nobody has touched yet teach nothing: nearly all of them are wrong answers, from which the ranker
        # would learn that what is new is never wanted.
        never_seen = snapshot.tables.never_seen
        return examples_of(snapshot, split, few, meta.mask[0], chain, progress, without=never_seen)

    lists = lists_within(allowance, len(cases), make)
    with atomic_folder(out, HISTORY_FILE) as folder:
        examples = make(lists)
        mute = [FEATURES.index(name) for name in senseless_features(meta)]
        is_few = len(examples) <= FEW_LISTS
        bounds = fit_bounds(
            allowance,
            EPOCHS,
            FOLDS + 1 if is_few else 1,
            lambda: fit_ranker(examples, seed, check=examples, metric=metric, most_epochs=1),
        )
        fitted, held_out = _cross_fit(examples, metric, seed, bounds, mute, report)
        spec = _spec(snapshot, chain, metric, held_out, seed)
        write_rank_graph(folder / names.RANK_GRAPH, fitted.ranker)
        (folder / names.RANKER).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
        _write(folder / HISTORY_FILE, _history(spec, fitted, held_out, examples))
    return TrainedRanker(
        spec.orders,
        metric.name,
        spec.retrieval_value,
        spec.ranked_value,
        len(fitted.history),
        len(examples),
        _cut_short(lists, len(cases), bounds, is_few=is_few),
    )


def _cut_short(lists: int, cases: int, bounds: FitBounds, *, is_few: bool) -> str | None:
    words = []
    if lists < cases:
        words.append(f"from {lists:,} of {cases:,} lists")
    if bounds.epochs < EPOCHS:
        words.append(f"for {bounds.epochs} of {EPOCHS} epochs")
    if is_few and not bounds.in_folds:
        words.append("with one part of the users held out instead of each in turn")
    return f"the ranker learned {', '.join(words)}" if words else None


def _spec(snapshot: Snapshot, chain: list[str], metric: Metric, held_out: _HeldOut, seed: int) -> RankerSpec:
    """What the service needs to know of the ranker, judged by the lists that it was not trained on."""
    gain = held_out.ranked - held_out.retrieval
    prices = snapshot.tables.log_price[np.isfinite(snapshot.tables.log_price)]
    return RankerSpec(
        features=list(FEATURES),
        behaviours=chain,
        calibrations=[
            fit_calibration(held_out.raw[:, link], held_out.happened[:, link], held_out.lists)
            for link in range(len(chain))
        ],
        checks=_checks(held_out, seed),
        orders=bool(gain.mean() > gain.std() / np.sqrt(len(gain))),
        metric=metric.name,
        retrieval_value=float(held_out.retrieval.mean()),
        ranked_value=float(held_out.ranked.mean()),
        mean_log_price=float(prices.mean()) if len(prices) else 0.0,
    )


def _checks(held_out: _HeldOut, seed: int) -> list[CalibrationCheck]:
    """How true the probabilities of each behaviour are on lists that neither ranker nor curve was fitted to."""
    predicted = cross_calibrated(held_out.raw, held_out.happened, held_out.lists, seed)
    checks = []
    for link, happened in enumerate(held_out.happened.T):
        figures = calibration_figures(predicted[:, link], happened, held_out.lists)
        checks.append(CalibrationCheck(cases=len(happened), positives=int(happened.sum()), **asdict(figures)))
    return checks


def _history(spec: RankerSpec, fitted: FittedRanker, held_out: _HeldOut, examples: Examples) -> dict[str, Any]:
    """The document of the training, for the report."""
    groups = []
    for group, values in held_out.without.items():
        without = float(values.mean())
        entry = {"group": group, "metric": spec.metric, "with": spec.ranked_value, "without": without}
        groups.append(entry | {"difference": spec.ranked_value - without})
    return {
        "epochs": fitted.history,
        "metric": spec.metric,
        "lists": len(examples),
        "held_lists": len(held_out.ranked),
        "candidates_a_list": round(len(examples.rows) / len(examples), 1),
        "retrieval_value": spec.retrieval_value,
        "ranked_value": spec.ranked_value,
        "orders": spec.orders,
        "feature_groups": groups,
    }


def no_ranker(out: Path, note: str) -> None:
    """Write the reason why there is no ranker to `out`."""
    with atomic_folder(out, HISTORY_FILE) as folder:
        _write(folder / HISTORY_FILE, {"epochs": [], "metric": "", "note": note})


def feature_groups(folder: Path) -> list[dict[str, Any]]:
    """What each group of features is worth on the users held out of the ranker's training; empty without a ranker."""
    path = folder / HISTORY_FILE
    if not path.exists():
        return []
    groups: list[dict[str, Any]] = json.loads(path.read_text("utf-8")).get("feature_groups", [])
    return groups


def _cross_fit(
    examples: Examples, metric: Metric, seed: int, bounds: FitBounds, mute: Sequence[int], tell: Progress
) -> tuple[FittedRanker, _HeldOut]:
    """The ranker of all lists, and how rankers of the same kind do on the lists that they were not trained on."""
    order = np.random.default_rng([seed, 11]).permutation(len(examples))
    folds = np.array_split(order, FOLDS)
    few, epochs = bounds.in_folds, bounds.epochs
    total = epochs * (FOLDS + 1 if few else 1)
    held: list[_HeldOut] = []
    fits: list[FittedRanker] = []
    for number, fold in enumerate(folds if few else folds[:1]):
        rest = np.sort(np.setdiff1d(order, fold))
        check = examples.take(np.sort(fold))
        fitted = fit_ranker(
            examples.take(rest),
            seed,
            check=check,
            metric=metric,
            most_epochs=epochs,
            mute=mute,
            tell=partial(_tell_epoch, tell, number * epochs, total, metric.name),
        )
        held.append(_measure_held_out(fitted.ranker, check, metric))
        fits.append(fitted)
    if not few:
        tell(total, total, "ranker")
        return fits[0], held[0]
    # One epoch for all folds: each fold's own best would flatter the ranker.
    values = np.concatenate([fit.values for fit in fits], axis=1)
    order_epochs = int(values.mean(axis=1).argmax())
    chain_epochs = round(float(np.median([fit.epochs[1] for fit in fits])))
    last = fit_ranker(examples, seed, metric=metric, epochs=(order_epochs, chain_epochs), most_epochs=epochs, mute=mute)
    tell(total, total, "ranker")
    return replace(last, history=fits[0].history), replace(_join(held), ranked=values[order_epochs])


def _tell_epoch(tell: Progress, before: int, total: int, metric: str, epoch: int, best: float) -> None:
    tell(before + epoch, total, f"ranker, best {metric} {best:.4f}")


def _measure_held_out(ranker: Ranker, check: Examples, metric: Metric) -> _HeldOut:
    order, chain = score_candidates(ranker, check.features)
    without = {}
    for group, members in GROUPS.items():
        columns = [FEATURES.index(name) for name in members]
        without[group] = list_metric(metric, check, score_candidates(ranker, check.features, mute=columns)[0])
    return _HeldOut(
        retrieval=list_metric(metric, check, check.features[:, SCORE]),
        ranked=list_metric(metric, check, order),
        without=without,
        raw=np.exp(log_chain(chain)),
        happened=check.happened,
        lists=check.lines(),
    )


def _join(held: list[_HeldOut]) -> _HeldOut:
    starts = np.cumsum([0, *(len(part.ranked) for part in held[:-1])])
    return _HeldOut(
        retrieval=np.concatenate([part.retrieval for part in held]),
        ranked=np.concatenate([part.ranked for part in held]),
        without={group: np.concatenate([part.without[group] for part in held]) for group in GROUPS},
        raw=np.concatenate([part.raw for part in held]),
        happened=np.concatenate([part.happened for part in held]),
        lists=np.concatenate([part.lists + start for part, start in zip(held, starts, strict=True)]),
    )


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
