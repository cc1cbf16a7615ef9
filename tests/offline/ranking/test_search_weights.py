"""Weights of a search's order: planted ones are found, and without anything to learn the prior ones stay."""

import numpy as np
import pytest

from app.artifact.search_features import SEARCH_FEATURES
from app.artifact.search_spec import PRIOR
from offline.evaluation.metrics import parse_metric
from offline.evaluation.protocol import RowLists
from offline.ranking.list_metric import list_metric
from offline.ranking.search_examples import SearchExamples
from offline.ranking.search_weights import fit_weights

LISTS, CANDIDATES = 400, 30
PLANTED = {"lexical": 1.0, "semantic": 3.0, "score": -2.0}


def made_up(weights: dict[str, float], seed: int = 0) -> SearchExamples:
    """Lists whose one target is drawn by the softmax of the weighted sum of random features."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(LISTS, CANDIDATES, len(SEARCH_FEATURES))).astype(np.float32)
    features[:, :, SEARCH_FEATURES.index("exact")] = 0.0
    scores = sum(weight * features[:, :, SEARCH_FEATURES.index(name)] for name, weight in weights.items())
    noisy = np.asarray(scores) + rng.gumbel(size=(LISTS, CANDIDATES))
    chosen = noisy.argmax(axis=1)
    target = np.zeros((LISTS, CANDIDATES), dtype=np.bool_)
    target[np.arange(LISTS), chosen] = True
    return SearchExamples(
        features=features.reshape(-1, len(SEARCH_FEATURES)),
        rows=np.tile(np.arange(1, CANDIDATES + 1), LISTS),
        target=target.ravel(),
        offsets=np.arange(LISTS + 1) * CANDIDATES,
        number=np.arange(LISTS) % 40,
        targets=RowLists(np.arange(LISTS + 1), (1 + chosen).astype(np.int32)),
    )


def test_planted_weights_are_found() -> None:
    found = dict(zip(SEARCH_FEATURES, fit_weights(made_up(PLANTED), 1e-4).tolist(), strict=True))
    for name, weight in PLANTED.items():
        assert found[name] == pytest.approx(weight, abs=0.6)
    assert found["exact"] == PRIOR["exact"]  # never differs: nothing teaches another weight
    assert max(abs(weight) for name, weight in found.items() if name not in {*PLANTED, "exact"}) < 0.6


def test_a_strong_penalty_leaves_the_prior() -> None:
    found = dict(zip(SEARCH_FEATURES, fit_weights(made_up(PLANTED), 1e4).tolist(), strict=True))
    for name, weight in found.items():
        assert weight == pytest.approx(PRIOR.get(name, 0.0), abs=0.01)


def test_fitted_weights_order_other_lists_better() -> None:
    metric = parse_metric("ndcg@10")
    other = made_up(PLANTED, seed=1)
    weights = fit_weights(made_up(PLANTED), 1e-3)
    prior = np.array([PRIOR.get(name, 0.0) for name in SEARCH_FEATURES], dtype=np.float32)
    fitted, before = (list_metric(metric, other, other.features @ each).mean() for each in (weights, prior))
    assert fitted > before + 0.2


def test_chosen_lists_keep_their_candidates_and_targets() -> None:
    examples = made_up(PLANTED)
    kept = examples.number % 2 == 0
    some = examples.of_lists(kept)
    assert len(some) == int(kept.sum())
    np.testing.assert_array_equal(some.number, examples.number[kept])
    whole = examples.features.reshape(LISTS, CANDIDATES, -1)[kept].reshape(-1, len(SEARCH_FEATURES))
    np.testing.assert_array_equal(some.features, whole)
    np.testing.assert_array_equal(some.targets.rows, examples.targets.rows[kept])
    np.testing.assert_array_equal(some.lines()[some.target], np.arange(len(some)))
