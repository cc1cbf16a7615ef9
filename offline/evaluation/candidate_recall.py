"""What the candidate sources find of a part's targets, and how true the predicted behaviours are."""

from pathlib import Path
from typing import Any

import numpy as np

from app.engine.candidate_sources import USER_SOURCES
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import read_split_meta
from offline.evaluation.calibration_error import area_under_curve, expected_calibration_error, reliability
from offline.evaluation.candidate_examples import Examples, examples_of
from offline.evaluation.next_session import chain_of
from offline.evaluation.protocol import load_cases
from offline.workspace.progress import Progress

LISTS = 10_000  # at most; enough for figures of three digits
_SOURCES = {str(source.name).lower(): source for source in USER_SOURCES}


def outcome(
    snapshot: Snapshot,
    split: Path,
    part: str,
    seed: int,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """`candidates` by mask of the split, and `behaviours` (of the first mask) by name, for a report.

    Args:
        snapshot: the bundle.
        split: folder of the split.
        part: valid or test; a draw of `LISTS` of its users where there are more.
        seed: of the draw.
        progress: told how far it is.
    """
    meta = read_split_meta(split)
    chain = chain_of(meta.behaviours)
    cases = load_cases(split, part, LISTS, seed)
    found: dict[str, Any] = {"candidates": {}}
    for place, mask in enumerate(dict.fromkeys(meta.mask)):
        examples = examples_of(snapshot, split, cases, mask, chain, progress)
        found["candidates"][mask] = source_recall(examples)
        if place == 0 and snapshot.ranker is not None:
            found["behaviours"] = _behaviours(snapshot, examples)
    return found


def source_recall(examples: Examples) -> dict[str, Any]:
    """The mean share of a list's targets that each source finds, that all find, and how many candidates there are."""
    lines, counts = examples.lines(), examples.targets.lengths()
    recall = {}
    for name, source in (*_SOURCES.items(), ("union", sum(_SOURCES.values()))):
        hit = examples.target & ((examples.sources & source) != 0)
        recall[name] = float(np.mean(np.bincount(lines[hit], minlength=len(examples)) / np.maximum(counts, 1)))
    return {"recall": recall, "width": round(len(examples.rows) / max(len(examples), 1), 1), "n": len(examples)}


def _behaviours(snapshot: Snapshot, examples: Examples) -> dict[str, Any]:
    ranker = snapshot.ranker
    if ranker is None:
        return {}
    _, chain = ranker.run(examples.features)
    predicted = ranker.probabilities(chain)
    found = {}
    for link, name in enumerate(ranker.spec.behaviours):
        probability, happened = predicted[:, link], examples.happened[:, link]
        bins = reliability(probability, happened)
        found[name] = {
            "n": len(happened),
            "positives": int(happened.sum()),
            "auc": area_under_curve(probability, happened),
            "accuracy": float(((probability >= 0.5) == happened).mean()),
            "ece": expected_calibration_error(bins),
            "reliability": bins,
        }
    return found
