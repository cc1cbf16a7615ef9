"""How good the answers are: main figures, slices, and what is shown to whom."""

from collections.abc import Iterator, Sequence
from typing import Any

from offline.evaluation.slices import SEEN
from offline.report.blocks import Gallery, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, figure, interval, share, signed
from offline.report.plots import Whisker, grouped, whiskers
from offline.report.verdict import NAMES, scored_ones

Document = dict[str, Any]

_BUNDLE = "bundle"
_PROTOCOLS = {
    "seen": "items that a user touched before are hidden",
    "purchased": "items that a user purchased before are hidden",
    "none": "nothing is hidden",
}


def main_figures(facts: RunFacts) -> Section:
    """The data set's metrics beside variants and baselines, on the same users."""
    document = facts.document
    blocks: list[Table | Gallery] = []
    for report in document["reports"]:
        blocks.append(_comparison(document, report))
        panels = {
            metric: [
                (name, figures[metric], figures["ci95"].get(metric))
                for name, figures in _rankings(document, report)
                if metric in figures
            ]
            for metric in report["metrics"]
        }
        plot = whiskers(
            f"figures-{report['protocol']}",
            f"Metrics of bundle and baselines, {_protocol(report)}",
            panels,
            f"Test users, {_protocol(report)}. Dots are means, lines 95 % intervals. Look whether the bundle's line "
            "(top, thick) lies to the right of all others without touching them.",
        )
        blocks.append(Gallery([plot]))
    blocks += [_further(document, report) for report in document["reports"] if "more" in report]
    if document.get("typos"):
        blocks.append(_typos(document))
    dataset = document["dataset"]
    return Section(
        "figures",
        "Main figures beside baselines",
        [
            f"The exported bundle, asked through the engine that serves it, ranks the whole catalogue of "
            f"{count(dataset.get('items'))} items for every test user. Intervals are 95 % bootstraps over users; a "
            "lead is that over the same users.",
        ],
        blocks,
    )


def slices(facts: RunFacts) -> Section:
    """Who is served well, and who is not."""
    sliced = {mask: parts for mask, parts in (facts.document.get("slices") or {}).items() if parts}
    title = "Slices: who is served well"
    if not sliced:
        return Section("slices", title, ["The evaluation of this run holds no slices."])
    blocks: list[Table | Gallery] = []
    for report in facts.document["reports"]:
        mask, metric = report["protocol"], next(iter(report["metrics"]))
        if mask not in sliced:
            continue
        blocks.append(_slice_table(sliced[mask], metric, report))
        groups = {
            f"{part['slice']} ({count(part['n'])})": dict(_slice_whiskers(part, metric))
            for part in sliced[mask]
            if not _is_hidden(part, mask)
        }
        if not groups:
            continue
        plot = grouped(
            f"slices-{mask}",
            f"{metric} by slice, {_protocol(report)}",
            metric,
            groups,
            f"{metric} by slice, users in brackets, {_protocol(report)}. Look for slices where the bundle (circle) "
            "stands left of popularity (square): there it does harm. Wide lines are slices too small to judge.",
        )
        blocks.append(Gallery([plot]))
    return Section(
        "slices",
        title,
        [
            "Head items make the first 20 % of the events before the cut, tail items the last 20 %, cold items have "
            "none. A slice of targets scores those targets alone, among users who have one; hidden ones can never be "
            "found.",
        ],
        blocks,
    )


def exposure(facts: RunFacts) -> Section:
    """How much of the catalogue is shown, and how popular it is."""
    title = "Coverage and popularity bias"
    blocks = [_exposure(facts.document, report) for report in facts.document["reports"] if "more" in report]
    if not blocks:
        return Section("exposure", title, ["The evaluation of this run says nothing of what is shown to whom."])
    return Section(
        "exposure",
        title,
        [
            "Coverage is the share of the catalogue that stands among the best of any test user. A popularity "
            "percentile of 90 % means: more popular than 90 % of the catalogue; an answer much above the targets' "
            "percentile leans to what is popular anyway. Gini is 0 when all items are shown equally often, near 1 "
            "when a few take it all.",
        ],
        blocks,
    )


def _rankings(document: Document, report: Document) -> Iterator[tuple[str, Document]]:
    """The bundle, its variants and the baselines, each with its figures under the mask of `report`."""
    yield _BUNDLE, {**report["metrics"], "ci95": report["ci95"], "more": report.get("more", {})}
    for kind in ("variants", "baselines"):
        for name, by_mask in (document.get(kind) or {}).items():
            if report["protocol"] in by_mask:
                yield NAMES.get(name, name), by_mask[report["protocol"]]


def _typos(document: Document) -> Table:
    """What mistakes in typing leave of each metric."""
    rows = [
        Row(
            [
                metric if place == 0 else "",
                NAMES.get(name, name),
                figure(figures["metrics"][metric]),
                interval(figures["ci95"][metric]),
                share(figures["share_of_clean"][metric]),
            ]
        )
        for metric in document["reports"][0]["metrics"]
        for place, (name, figures) in enumerate(document["typos"].items())
    ]
    return Table(
        "The same queries with one typing mistake each",
        words("metric", "ranking") + numbers("value", "95 % interval", "of that without"),
        rows,
    )


def _comparison(document: Document, report: Document) -> Table:
    names = {NAMES.get(key, key): key for kind in ("variants", "baselines") for key in document.get(kind) or {}}
    rows = []
    for metric in report["metrics"]:
        for name, figures in _rankings(document, report):
            lift = report.get(f"lift_over_{names.get(name)}", {}).get(metric, {})
            rows.append(
                Row(
                    [
                        metric if name == _BUNDLE else "",
                        name,
                        figure(figures.get(metric)),
                        interval(figures["ci95"].get(metric)),
                        "" if name == _BUNDLE else signed(lift.get("difference")),
                        "" if name == _BUNDLE else interval(lift.get("ci95"), plus=True),
                    ],
                    strong=name == _BUNDLE,
                )
            )
    unknown = report.get("targets_on_unknown_items", 0)
    lost = f", {count(unknown)} of them on items that nobody could know" if unknown else ""
    caption = f"{count(report.get('n'))} test {scored_ones(document)} with {count(report.get('targets'))} targets{lost}"
    heads = words("metric", "ranking") + numbers("value", "95 % interval", "bundle leads by", "95 % interval")
    return Table(f"{caption}; {_protocol(report)}", heads, rows)


def _further(document: Document, report: Document) -> Table:
    rankings = [(name, figures.get("more", {})) for name, figures in _rankings(document, report)]
    rows = [
        Row(
            [
                metric,
                *(figure(more.get("metrics", {}).get(metric)) for _, more in rankings),
                interval(report["more"]["ci95"].get(metric)),
            ]
        )
        for metric in report["more"]["metrics"]
    ]
    return Table(
        f"Further metrics; {_protocol(report)}",
        words("metric") + numbers(*(name for name, _ in rankings), "bundle's 95 % interval"),
        rows,
    )


def _slice_table(parts: Sequence[Document], metric: str, report: Document) -> Table:
    baselines = list(dict.fromkeys(name for part in parts for name in part.get("baselines", {})))
    rows = []
    for part in parts:
        theirs = [part.get("baselines", {}).get(name, {}) for name in baselines]
        lead: Document = next((them["lift"][metric] for them in theirs if metric in them.get("lift", {})), {})
        hidden = " (hidden)" if _is_hidden(part, report["protocol"]) else ""
        rows.append(
            Row(
                [
                    f"{part['slice']}{hidden}",
                    count(part["n"]),
                    figure(part["metrics"].get(metric)),
                    interval(part["ci95"].get(metric)),
                    *(figure(them.get(metric)) for them in theirs),
                    *([signed(lead.get("difference")), interval(lead.get("ci95"), plus=True)] if baselines else []),
                ]
            )
        )
    beside = [NAMES.get(name, name) for name in baselines]
    led = [f"bundle leads {beside[0]} by", "95 % interval"] if baselines else []
    heads = words("slice") + numbers("users", "bundle", "95 % interval", *beside, *led)
    return Table(f"{metric} by slice; {_protocol(report)}", heads, rows)


def _slice_whiskers(part: Document, metric: str) -> Iterator[tuple[str, Whisker]]:
    yield _BUNDLE, (part["slice"], part["metrics"][metric], part["ci95"].get(metric))
    for name, figures in part.get("baselines", {}).items():
        said = NAMES.get(name, name)
        yield said, (said, figures[metric], figures["ci95"].get(metric))


def _is_hidden(part: Document, mask: str) -> bool:
    return mask == "seen" and part["slice"] == SEEN


def _exposure(document: Document, report: Document) -> Table:
    rows = []
    for name, figures in _rankings(document, report):
        more = figures.get("more", {})
        rows.append(
            Row(
                [
                    name,
                    share(more.get("coverage@10")),
                    share(more.get("coverage@20")),
                    share(more.get("popularity_percentile@10")),
                    figure(more.get("gini@10")),
                ],
                strong=name == _BUNDLE,
            )
        )
    rows.append(Row(["the targets", "", "", share(report["more"].get("target_popularity_percentile")), ""]))
    return Table(
        f"What is shown; {_protocol(report)}",
        words("ranking")
        + numbers("coverage@10", "coverage@20", "popularity percentile of the best 10", "Gini of the best 10"),
        rows,
    )


def _protocol(report: Document) -> str:
    protocol: str = report["protocol"]
    return _PROTOCOLS.get(protocol, protocol)
