"""The order of a search learned from logged queries: one weighted sum over named features, fitted to what followed."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.search_features import SEARCH_FEATURES, TEXT_FEATURES
from app.artifact.search_spec import PRIOR, SearchSpec
from app.engine.snapshot import Snapshot
from model.ranker import listwise_loss
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.evaluation.metrics import Metric, ndcg_or_first, parse_metric
from offline.evaluation.search_cases import load_search_cases, searched_mask
from offline.ranking.bounds import lists_within
from offline.ranking.list_metric import list_metric
from offline.ranking.order_features import senseless_features
from offline.ranking.search_examples import SearchExamples, search_examples
from offline.workspace.atomic import atomic_file
from offline.workspace.budget import Allowance
from offline.workspace.progress import Progress

CASES = 3_000  # at most, each of them asked twice
LEAST_LISTS = 200  # that hold what followed
FOLDS = 5
PENALTIES = (1e-2, 3e-2, 1e-1, 3e-1)
"""Of the squared distance from the prior weights, in standard deviations of the features, beside the mean loss."""
_STEPS = 60
HISTORY_FILE = "search_history.json"


@dataclass(frozen=True)
class FittedSearch:
    """The outcome of the fit, on queries that it has not seen."""

    learned: bool
    metric: str
    prior_value: float
    fitted_value: float
    lists: int
    cut_short: str | None = None  # what the allowance left undone


def fit_search(
    snapshot: Snapshot,
    split: Path,
    out: Path,
    *,
    seed: int,
    allowance: Allowance | None = None,
    progress: Progress | None = None,
) -> FittedSearch | None:
    """Write `search.json` and how it came about to the folder `out`; None, and nothing written, where too little is
    searched for.

    Weights come from validation queries: listwise softmax cross-entropy, where a query counts by the root of how many
    asked it, with an L2 penalty that draws them to `PRIOR`. Its strength is chosen, and the outcome compared with the
    prior, on queries that each fit has not seen. Where it is not better by more than a standard error over those
    queries, the prior weights stay.

    Args:
        snapshot: a bundle that knows train alone.
        allowance: the seconds that it may take; where they are few, it learns from fewer searches, and where they do
            not last for the fits, the prior weights stay.
    """
    allowance = allowance or Allowance.of(None)
    meta = read_split_meta(split)
    for name in (names.SEARCH, HISTORY_FILE):
        (out / name).unlink(missing_ok=True)
    if snapshot.search is None or not has_searches(meta):
        return None
    cases, mask = load_search_cases(split, "valid", CASES, seed), searched_mask(meta)

    def make(count: int) -> SearchExamples:
        return search_examples(snapshot, split, load_search_cases(split, "valid", count, seed), mask, progress)

    count = lists_within(allowance, len(cases), make)
    examples = make(count)
    for name in senseless_features(meta):
        examples.features[:, SEARCH_FEATURES.index(name)] = 0.0  # what never differs gets no weight
    lists = int((np.bincount(examples.lines()[examples.target], minlength=len(examples)) > 0).sum())
    metric = parse_metric(ndcg_or_first(meta.metrics))
    if lists < LEAST_LISTS or len(np.unique(examples.number)) < FOLDS:
        return None
    cut_short = None if count == len(cases) else f"searches were learned from {count:,} of {len(cases):,} queries"
    if not _has_time(allowance, examples):
        value = float(list_metric(metric, examples, examples.features @ _vector(PRIOR)).mean())
        outcome = FittedSearch(False, metric.name, value, value, lists, "the order of searches was not learned")
        _write(out / names.SEARCH, snapshot.search.spec.model_dump_json(indent=2))
        _write(out / HISTORY_FILE, json.dumps(asdict(outcome), indent=2))
        return outcome
    held_out = _cross_validate(examples, metric, seed)
    best = int(held_out.mean(axis=1).argmax())
    prior = list_metric(metric, examples, examples.features @ _vector(PRIOR))
    gains = _by_query(held_out[best] - prior, examples.number)
    learned = bool(gains.mean() > gains.std() / np.sqrt(len(gains)))
    outcome = FittedSearch(learned, metric.name, float(prior.mean()), float(held_out[best].mean()), lists, cut_short)
    fitted = fit_weights(examples, PENALTIES[best])
    named = {name: round(float(weight), 4) for name, weight in zip(SEARCH_FEATURES, fitted, strict=True)}
    named = {name: weight for name, weight in named.items() if weight}  # what is alike for a whole list is left at 0
    given = snapshot.search.spec
    spec = given.model_copy(update={"weights": named, "learned_from": count}) if learned else given
    _write(out / names.SEARCH, spec.model_dump_json(indent=2))
    _write(out / HISTORY_FILE, json.dumps(asdict(outcome), indent=2))
    return outcome


def has_searches(meta: SplitMeta) -> bool:
    """Whether validation may have searches enough for `fit_search`."""
    return meta.task == "search" or meta.counts["valid"].searched >= LEAST_LISTS


def _has_time(allowance: Allowance, examples: SearchExamples) -> bool:
    """Whether all fits fit, by the time of one."""
    if allowance.seconds is None:
        return True
    began = allowance.now()
    fit_weights(examples, PENALTIES[0])
    return allowance.fits((allowance.now() - began) * (FOLDS * len(PENALTIES) + 1))


def _cross_validate(examples: SearchExamples, metric: Metric, seed: int) -> NDArray[np.float64]:
    """`[penalties, lists]` the metric of every list by weights that were fitted to the queries of other folds."""
    fold = np.random.default_rng([seed, 13]).permutation(int(examples.number.max()) + 1)[examples.number] % FOLDS
    values = np.zeros((len(PENALTIES), len(examples)))
    for number in range(FOLDS):
        inside, outside = examples.of_lists(fold != number), examples.of_lists(fold == number)
        for row, penalty in enumerate(PENALTIES):
            weights = fit_weights(inside, penalty)
            values[row, fold == number] = list_metric(metric, outside, outside.features @ weights)
    return values


def read_search_spec(folder: Path) -> SearchSpec | None:
    """What `fit_search` wrote to the folder, if anything."""
    path = folder / names.SEARCH
    return SearchSpec.model_validate_json(path.read_text("utf-8")) if path.exists() else None


def fit_weights(examples: SearchExamples, penalty: float) -> NDArray[np.float32]:
    """Weights `[SEARCH_FEATURES]` that put what followed above the others.

    Where a feature never differs nothing is to be learned: one of the text keeps its prior weight, since queries that
    are to come may have what the logged ones lack (a word of a title, an order of words), and others get 0.
    """
    spread = examples.features.std(axis=0, dtype=np.float64)
    useful = spread > 1e-6
    prior = _vector(PRIOR).astype(np.float64)
    scaled = torch.from_numpy((examples.features[:, useful] / spread[useful]).astype(np.float32))
    start = torch.from_numpy((prior * spread)[useful].astype(np.float32))
    lines, target = torch.from_numpy(examples.lines()), torch.from_numpy(examples.target)
    has_target = np.bincount(examples.lines()[examples.target], minlength=len(examples)) > 0
    askers = np.bincount(examples.number[has_target], minlength=int(examples.number.max()) + 1)
    share = has_target / np.sqrt(np.maximum(askers[examples.number], 1))  # many askers of one query are much alike
    list_weights = torch.from_numpy((share / max(share.sum(), 1e-12)).astype(np.float32))
    weights = torch.nn.Parameter(start.clone())
    optimizer = torch.optim.LBFGS([weights], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = listwise_loss(scaled @ weights, lines, len(examples), target, list_weights)
        loss = loss + penalty * (weights - start).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    fitted = np.zeros(len(spread), dtype=np.float32)
    fitted[: len(TEXT_FEATURES)] = prior[: len(TEXT_FEATURES)]
    fitted[useful] = weights.detach().numpy() / spread[useful]
    return fitted


def _by_query(values: NDArray[np.float64], number: NDArray[np.int64]) -> NDArray[np.float64]:
    """Sums by query over the mean number of lists a query, whose mean is the mean of `values`."""
    _, place = np.unique(number, return_inverse=True)
    sums = np.bincount(place, weights=values)
    return sums * len(sums) / len(values)


def _vector(weights: dict[str, float]) -> NDArray[np.float32]:
    return np.array([weights.get(name, 0.0) for name in SEARCH_FEATURES], dtype=np.float32)


def _write(path: Path, text: str) -> None:
    with atomic_file(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
