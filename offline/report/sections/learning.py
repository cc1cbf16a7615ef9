"""How the network and the ranker learned, and what candidates, features and probabilities are worth."""

from typing import Any

from offline.report.blocks import Gallery, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, figure, is_number, number, share, signed
from offline.report.plots import curves, reliability, whiskers
from offline.report.verdict import NO_VALIDATION

Document = dict[str, Any]

_SOURCES = {"co_occurrence": "co-occurrence lists", "history": "own history", "union": "all together"}


def learning(facts: RunFacts) -> Section:
    """Loss and validation metric by epoch."""
    title = "Learning curves"
    drawn = []
    told = []
    for what, history in facts.curves.items():
        epochs: list[Document] = [epoch for epoch in history.get("epochs") or [] if is_number(epoch.get("loss"))]
        metric = None if history.get("metric") == NO_VALIDATION else str(history.get("metric", "metric"))
        validated = [epoch for epoch in epochs if metric and is_number(epoch.get("value"))]
        if not epochs:
            told.append(f"The {what} was trained without an epoch to show.")
            continue
        best = max(validated, key=lambda epoch: float(epoch["value"]), default=None)
        told.append(
            f"The {what} was trained without validation (epochs: {len(epochs)})."
            if best is None
            else f"The {what} was best in epoch {best['epoch']} of {len(epochs)}: validation {metric} "
            f"{figure(best['value'])}."
        )
        if len(epochs) < 2:  # a point is no curve
            continue
        plot = curves(
            f"curve-{what.replace(' ', '-')}",
            f"Learning curve of the {what}",
            epochs,
            metric if validated else None,
            f"The {what}. The loss should fall; the validation metric should rise and level off. Still rising at the "
            "end: train longer. Falling while the loss falls: it memorises.",
        )
        drawn.append(plot)
    if not drawn:
        return Section("learning", title, told or ["This folder holds no learning curve."])
    return Section("learning", title, told, [Gallery(drawn)])


def candidates(facts: RunFacts) -> Section:
    """What each source of candidates finds, and what each group of features is worth."""
    title = "Candidate sources and feature groups"
    by_mask: Document = facts.document.get("candidates") or {}
    groups: list[Document] = facts.document.get("feature_groups") or []
    blocks: list[Table | Gallery] = []
    if by_mask:
        sources = list(dict.fromkeys(name for entry in by_mask.values() for name in entry["recall"]))
        rows = [
            Row(
                [_SOURCES.get(name, name), *(figure(entry["recall"].get(name)) for entry in by_mask.values())],
                strong=name == "union",
            )
            for name in sources
        ]
        rows.append(Row(["candidates a request, mean", *(number(entry.get("width")) for entry in by_mask.values())]))
        heads = words("source") + numbers(*(f"recall, hidden: {mask}" for mask in by_mask))
        blocks.append(Table("Share of the targets among each source's candidates", heads, rows))
    if groups:
        rows = [
            Row(
                [
                    _named(entry["group"]),
                    entry["metric"],
                    figure(entry.get("with")),
                    figure(entry.get("without")),
                    signed(entry.get("difference")),
                ]
            )
            for entry in groups
        ]
        heads = words("feature group", "metric") + numbers("with all", "without it", "difference")
        blocks.append(Table("What the ranker loses without a group of features", heads, rows))
        lines = [
            (_named(entry["group"]), entry["difference"], None)
            for entry in groups
            if is_number(entry.get("difference"))
        ]
        if lines:
            caption = (
                "What each group of features gives. Groups at zero can go; one far above all others deserves trust only"
            )
            plot = whiskers(
                "feature-groups",
                "Worth of feature groups",
                {f"{groups[0]['metric']} with the group less that without it": lines},
                f"{caption} if its features are known at the time of the request.",
                zero=True,
            )
            blocks.append(Gallery([plot]))
    if not blocks:
        return Section(
            "candidates", title, ["This bundle has no ranker: retrieval alone finds and orders the answers."]
        )
    told = "A target that no source finds cannot be ranked: the union's recall is the ceiling of every ranker."
    return Section("candidates", title, [told], blocks)


def behaviours(facts: RunFacts) -> Section:
    """How good predicted probabilities of views, carts and purchases are."""
    title = "Behaviour prediction"
    found: Document = facts.document.get("behaviours") or {}
    if not found:
        return Section("behaviours", title, ["This bundle predicts no behaviours."])
    rows = [
        Row(
            [
                f"P({name})",
                count(entry.get("n")),
                count(entry.get("positives")),
                share(entry.get("positives"), entry.get("n")),
                figure(entry.get("auc")),
                figure(entry.get("accuracy")),
                figure(entry.get("ece")),
            ]
        )
        for name, entry in found.items()
    ]
    heads = words("prediction") + numbers("pairs", "positive", "positive, %", "AUC", "accuracy", "ECE")
    blocks: list[Table | Gallery] = [Table("Pairs of a user and a candidate, on test", heads, rows)]
    bins = {name: entry["reliability"] for name, entry in found.items() if entry.get("reliability")}
    if bins:
        plot = reliability(
            "reliability",
            "Reliability of predicted probabilities",
            bins,
            "How often a behaviour came, by how likely it was said to be. Points on the dotted diagonal are right; "
            "below it the prediction promises too much.",
        )
        blocks.append(Gallery([plot]))
    told = (
        "AUC is the chance that a pair with the behaviour gets the higher probability: 0.5 is a guess. Accuracy is "
        "high by itself where positives are rare. ECE is the mean distance between predicted and observed share."
    )
    return Section("behaviours", title, [told], blocks)


def _named(group: str) -> str:
    return group.replace("_", "-")
