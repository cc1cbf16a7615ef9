"""The recall of the candidate sources on the targets of a part, and how true predicted behaviours are."""

from pathlib import Path

import numpy as np

from app.engine.candidate_sources import USER_SOURCES
from app.engine.ranking import Ranker
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.calibration_error import area_under_curve, calibration_figures, reliability
from offline.evaluation.candidate_examples import Examples, examples_of
from offline.evaluation.document import BehaviourFigures, CandidateRecall
from offline.evaluation.next_session import chain_of
from offline.evaluation.protocol import load_cases
from offline.workspace.progress import Progress

LISTS = 10_000  # at most; enough for figures of three digits
_SCORED_AT_ONCE = 50_000  # candidates
_SOURCES = {str(source.name).lower(): source for source in USER_SOURCES}


def candidate_figures(
    snapshot: Snapshot,
    split: Path,
    part: str,
    seed: int,
    progress: Progress | None = None,
) -> tuple[dict[str, CandidateRecall], dict[str, BehaviourFigures] | None]:
    """The recall of the candidate sources by mask of the split, and the predicted behaviours under the first mask.

    The behaviours are None without a ranker.

    Args:
        snapshot: the bundle.
        split: folder of the split.
        part: valid or test; a draw of `LISTS` of its users where there are more.
        seed: of the draw.
        progress: called with every batch.
    """
    meta = read_split_meta(split)
    chain = chain_of(meta.behaviours)
    cases = load_cases(split, part, LISTS, seed)
    recall: dict[str, CandidateRecall] = {}
    behaviours = None
    for mask in dict.fromkeys(meta.mask):
        examples = examples_of(snapshot, split, cases, mask, chain, progress)
        if not recall and snapshot.ranker is not None:
            behaviours = _behaviour_figures(snapshot.ranker, examples)
        recall[mask] = candidate_recall(examples)
    return recall, behaviours


def candidate_recall(examples: Examples) -> CandidateRecall:
    """The mean share of a list's targets among the candidates of each source, and of all together."""
    lines, counts = examples.lines(), examples.targets.lengths()
    recall = {}
    for name, source in (*_SOURCES.items(), ("union", sum(_SOURCES.values()))):
        hit = examples.target & ((examples.sources & source) != 0)
        recall[name] = float(np.mean(np.bincount(lines[hit], minlength=len(examples)) / np.maximum(counts, 1)))
    return CandidateRecall(recall, round(len(examples.rows) / max(len(examples), 1), 1), len(examples))


def _behaviour_figures(ranker: Ranker, examples: Examples) -> dict[str, BehaviourFigures]:
    features = examples.features
    parts = [features[start : start + _SCORED_AT_ONCE] for start in range(0, max(len(features), 1), _SCORED_AT_ONCE)]
    predicted = ranker.probabilities(np.concatenate([ranker.run(part)[1] for part in parts]))
    lists = examples.lines()
    figures = {}
    for link, name in enumerate(ranker.spec.behaviours):
        probability, happened = predicted[:, link], examples.happened[:, link]
        calibration = calibration_figures(probability, happened, lists)
        figures[name] = BehaviourFigures(
            n=len(happened),
            positives=int(happened.sum()),
            auc=area_under_curve(probability, happened),
            accuracy=float(((probability >= 0.5) == happened).mean()),
            ece=calibration.ece,
            max_error=calibration.max_error,
            ratio=calibration.ratio,
            calibrated=calibration.calibrated,
            reliability=reliability(probability, happened),
        )
    return figures
