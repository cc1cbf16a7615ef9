"""How the network and the ranker learned, and how good candidates, features and probabilities are."""

from collections.abc import Mapping, Sequence
from typing import Any

from offline.evaluation.document import CandidateRecall, FeatureGroup
from offline.report.blocks import Gallery, Plot, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import NONE, count, figure, is_number, number, share, signed
from offline.report.plots import Whisker, curves, reliability, whiskers
from offline.report.run_rules import NO_VALIDATION

Document = dict[str, Any]

_SOURCES = {"co_occurrence": "co-occurrence lists", "history": "own history", "union": "all together"}


def learning(facts: RunFacts) -> Section:
    """Loss and validation metric by epoch."""
    title = "Learning curves"
    plots = []
    sentences = []
    for model, history in facts.curves.items():
        epochs: list[Document] = [epoch for epoch in history.get("epochs") or [] if is_number(epoch.get("loss"))]
        metric = None if history.get("metric") in NO_VALIDATION else str(history.get("metric", "metric"))
        validated = [epoch for epoch in epochs if metric and is_number(epoch.get("value"))]
        if not epochs:
            sentences.append(f"The {model} was trained without an epoch to show.")
            continue
        best = max(validated, key=lambda epoch: float(epoch["value"]), default=None)
        sentences.append(
            f"The {model} was trained without validation (epochs: {len(epochs)})."
            if best is None
            else f"The {model} was best in epoch {best['epoch']} of {len(epochs)}: validation {metric} "
            f"{figure(best['value'])}."
        )
        if len(epochs) < 2:  # a point is no curve
            continue
        plot = curves(
            f"curve-{model.replace(' ', '-')}",
            f"Learning curve of the {model}",
            epochs,
            metric if validated else None,
            f"The {model}. The loss should fall; the validation metric should rise and level off. Still rising at the "
            "end: train longer. Falling while the loss falls: it memorises.",
        )
        plots.append(plot)
    if not plots:
        return Section("learning", title, sentences or ["This folder holds no learning curve."])
    return Section("learning", title, sentences, [Gallery(plots)])


def candidates(facts: RunFacts) -> Section:
    """The recall of each source of candidates, and the worth of each group of features."""
    title = "Candidate sources and feature groups"
    by_mask = facts.document.candidates or {}
    groups = facts.document.feature_groups or []
    blocks: list[Table | Gallery] = []
    if by_mask:
        blocks.append(_source_table(by_mask))
    if groups:
        blocks.append(_feature_table(groups))
        differences = [
            (_hyphened(group.group), group.difference, None) for group in groups if group.difference is not None
        ]
        if differences:
            blocks.append(Gallery([_feature_plot(groups[0].metric, differences)]))
    if not blocks:
        return Section(
            "candidates", title, ["This bundle has no ranker: retrieval alone finds and orders the answers."]
        )
    sentence = "A target that no source finds cannot be ranked: the union's recall is the ceiling of every ranker."
    return Section("candidates", title, [sentence], blocks)


def _source_table(by_mask: Mapping[str, CandidateRecall]) -> Table:
    sources = list(dict.fromkeys(name for entry in by_mask.values() for name in entry.recall))
    rows = [
        Row(
            [_SOURCES.get(name, name), *(figure(entry.recall.get(name)) for entry in by_mask.values())],
            strong=name == "union",
        )
        for name in sources
    ]
    rows.append(Row(["candidates a request, mean", *(number(entry.width) for entry in by_mask.values())]))
    heads = words("source") + numbers(*(f"recall, hidden: {mask}" for mask in by_mask))
    return Table("Share of the targets among each source's candidates", heads, rows)


def _feature_table(groups: Sequence[FeatureGroup]) -> Table:
    rows = [
        Row(
            [
                _hyphened(group.group),
                group.metric,
                figure(group.with_it),
                figure(group.without_it),
                signed(group.difference),
            ]
        )
        for group in groups
    ]
    heads = words("feature group", "metric") + numbers("with all", "without it", "difference")
    return Table("What the ranker loses without a group of features", heads, rows)


def _feature_plot(metric: str, differences: Sequence[Whisker]) -> Plot:
    caption = "What each group of features gives. Groups at zero can go; one far above all others deserves trust only"
    return whiskers(
        "feature-groups",
        "Worth of feature groups",
        {f"{metric} with the group less that without it": differences},
        f"{caption} if its features are known at the time of the request.",
        zero=True,
    )


def behaviours(facts: RunFacts) -> Section:
    """How good predicted probabilities of views, carts and purchases are."""
    title = "Behaviour prediction"
    by_name = facts.document.behaviours or {}
    if not by_name:
        return Section("behaviours", title, ["This bundle predicts no behaviours."])
    rows = [
        Row(
            [
                f"P({name})",
                count(entry.n),
                count(entry.positives),
                share(entry.positives, entry.n),
                figure(entry.auc),
                figure(entry.accuracy),
                figure(entry.ece),
                figure(entry.max_error),
                number(entry.ratio),
                NONE if entry.calibrated is None else "yes" if entry.calibrated else "no",
            ]
        )
        for name, entry in by_name.items()
    ]
    heads = words("prediction") + numbers(
        "pairs", "positive", "positive, %", "AUC", "accuracy", "ECE", "worst tenth", "said / came", "calibrated"
    )
    blocks: list[Table | Gallery] = [Table("Pairs of a user and a candidate, on test", heads, rows)]
    bins = {name: entry.reliability for name, entry in by_name.items() if entry.reliability}
    if bins:
        plot = reliability(
            "reliability",
            "Reliability of predicted probabilities",
            bins,
            "How often a behaviour came, by how likely it was said to be. Points on the dotted diagonal are right; "
            "below it the prediction promises too much.",
        )
        blocks.append(Gallery([plot]))
    sentence = (
        "AUC is the chance that a pair with the behaviour gets the higher probability: 0.5 is a guess. Accuracy is "
        "high by itself where positives are rare. ECE is the mean distance between predicted and observed share, the "
        "worst tenth that in the part of the scale from 0 to 1 that is furthest off. Where one of them, or the sum of "
        "what was said, is far off, probabilities order items but are no odds: /predict says so."
    )
    return Section("behaviours", title, [sentence], blocks)


def _hyphened(group: str) -> str:
    return group.replace("_", "-")
