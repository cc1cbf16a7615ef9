"""How good the answers are: main figures, slices, and what is shown to whom."""

from collections.abc import Iterator, Sequence

from offline.evaluation.document import (
    BUNDLE,
    TARGETS_ON_ABSENT,
    EvaluationDocument,
    Means,
    RankingFigures,
    Report,
    SecondaryFigures,
    SliceFigures,
)
from offline.evaluation.slices import SEEN
from offline.report.blocks import Gallery, Row, Section, Table, numbers, words
from offline.report.findings import NAMES, scored_ones
from offline.report.gather import RunFacts
from offline.report.numbers import count, figure, interval, share, signed
from offline.report.plots import Whisker, grouped, whiskers

_NO_SECONDARY = SecondaryFigures(Means({}, {}), {})
_MASKS = {
    "seen": "items that a user touched before are hidden",
    "purchased": "items that a user purchased before are hidden",
    "none": "nothing is hidden",
}


def main_figures(facts: RunFacts) -> Section:
    """The data set's metrics of the bundle, its variants and baselines, on the same users."""
    document = facts.document
    blocks: list[Table | Gallery] = []
    for report in document.reports:
        blocks.append(_comparison(document, report))
        panels = {
            metric: [
                (NAMES.get(name, name), figures.means.metrics[metric], figures.means.ci95.get(metric))
                for name, figures in _rankings(document, report)
                if metric in figures.means.metrics
            ]
            for metric in report.means.metrics
        }
        plot = whiskers(
            f"figures-{report.mask}",
            f"Metrics of bundle and baselines, {_mask_words(report)}",
            panels,
            f"Test users, {_mask_words(report)}. Dots are means, lines 95 % intervals. Look whether the bundle's line "
            "(top, thick) lies to the right of all others without touching them.",
        )
        blocks.append(Gallery([plot]))
    blocks += [
        _secondary(document, report, report.secondary) for report in document.reports if report.secondary is not None
    ]
    if document.typos:
        blocks.append(_typos(document))
    return Section(
        "figures",
        "Main figures beside baselines",
        [
            f"The exported bundle, asked through the engine that serves it, ranks the whole catalogue of "
            f"{count(document.dataset.items)} items for every test user. Intervals are 95 % bootstraps over users; a "
            "lead is that over the same users.",
        ],
        blocks,
    )


def slices(facts: RunFacts) -> Section:
    """Who is served well, and who is not."""
    sliced = {mask: parts for mask, parts in facts.document.slices.items() if parts}
    title = "Slices: who is served well"
    if not sliced:
        return Section("slices", title, ["The evaluation of this run holds no slices."])
    blocks: list[Table | Gallery] = []
    for report in facts.document.reports:
        mask, metric = report.mask, next(iter(report.means.metrics))
        if mask not in sliced:
            continue
        blocks.append(_slice_table(sliced[mask], metric, report))
        groups = {
            f"{part.name} ({count(part.n)})": dict(_slice_whiskers(part, metric))
            for part in sliced[mask]
            if not _is_hidden(part, mask)
        }
        if not groups:
            continue
        plot = grouped(
            f"slices-{mask}",
            f"{metric} by slice, {_mask_words(report)}",
            metric,
            groups,
            f"{metric} by slice, users in brackets, {_mask_words(report)}. Look for slices where the bundle (circle) "
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
    blocks = [
        _exposure(facts.document, report, report.secondary)
        for report in facts.document.reports
        if report.secondary is not None
    ]
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


def _rankings(document: EvaluationDocument, report: Report) -> Iterator[tuple[str, RankingFigures]]:
    """The bundle, its variants and the baselines, each by name with its figures under the mask of `report`."""
    yield BUNDLE, RankingFigures(report.means, report.secondary)
    yield from document.rankings(report.mask)


def _secondary_rankings(document: EvaluationDocument, report: Report) -> list[tuple[str, SecondaryFigures]]:
    """The same by the names that people read, with the secondary figures, which are empty where there are none."""
    return [
        (NAMES.get(name, name), figures.secondary or _NO_SECONDARY) for name, figures in _rankings(document, report)
    ]


def _typos(document: EvaluationDocument) -> Table:
    """The share of each metric that is left with typing mistakes."""
    rows = [
        Row(
            [
                metric if index == 0 else "",
                NAMES.get(name, name),
                figure(figures.means.metrics[metric]),
                interval(figures.means.ci95[metric]),
                share(figures.share_of_clean[metric]),
            ]
        )
        for metric in document.first_report.means.metrics
        for index, (name, figures) in enumerate((document.typos or {}).items())
    ]
    return Table(
        "The same queries with one typing mistake each",
        words("metric", "ranking") + numbers("value", "95 % interval", "of that without"),
        rows,
    )


def _comparison(document: EvaluationDocument, report: Report) -> Table:
    rows = []
    for metric in report.means.metrics:
        for name, figures in _rankings(document, report):
            lift = report.lift(name, metric)
            rows.append(
                Row(
                    [
                        metric if name == BUNDLE else "",
                        NAMES.get(name, name),
                        figure(figures.means.metrics.get(metric)),
                        interval(figures.means.ci95.get(metric)),
                        "" if name == BUNDLE else signed(None if lift is None else lift.difference),
                        "" if name == BUNDLE else interval(None if lift is None else lift.ci95, plus=True),
                    ],
                    strong=name == BUNDLE,
                )
            )
    counts = report.counts
    unknown = counts.get("targets_on_unknown_items", 0)
    lost = f", {count(unknown)} of them on items that nobody could know" if unknown else ""
    if absent := counts.get(TARGETS_ON_ABSENT, 0):
        lost += f", {count(absent)} on items that the catalogue lacks, which nothing answers"
    caption = f"{count(counts.get('n'))} test {scored_ones(document)} with {count(counts.get('targets'))} targets{lost}"
    heads = words("metric", "ranking") + numbers("value", "95 % interval", "bundle leads by", "95 % interval")
    return Table(f"{caption}; {_mask_words(report)}", heads, rows)


def _secondary(document: EvaluationDocument, report: Report, of_bundle: SecondaryFigures) -> Table:
    rankings = _secondary_rankings(document, report)
    rows = [
        Row(
            [
                metric,
                *(figure(figures.means.metrics.get(metric)) for _, figures in rankings),
                interval(of_bundle.means.ci95.get(metric)),
            ]
        )
        for metric in of_bundle.means.metrics
    ]
    return Table(
        f"Further metrics; {_mask_words(report)}",
        words("metric") + numbers(*(name for name, _ in rankings), "bundle's 95 % interval"),
        rows,
    )


def _slice_table(parts: Sequence[SliceFigures], metric: str, report: Report) -> Table:
    baselines = list(dict.fromkeys(name for part in parts for name in part.baselines))
    rows = []
    for part in parts:
        others = [part.baselines.get(name) for name in baselines]
        lift = next((it.lift[metric] for it in others if it is not None and metric in it.lift), None)
        lead = [
            signed(None if lift is None else lift.difference),
            interval(None if lift is None else lift.ci95, plus=True),
        ]
        hidden = " (hidden)" if _is_hidden(part, report.mask) else ""
        rows.append(
            Row(
                [
                    f"{part.name}{hidden}",
                    count(part.n),
                    figure(part.means.metrics.get(metric)),
                    interval(part.means.ci95.get(metric)),
                    *(figure(None if it is None else it.means.metrics.get(metric)) for it in others),
                    *(lead if baselines else []),
                ]
            )
        )
    names = [NAMES.get(name, name) for name in baselines]
    lead_heads = [f"bundle leads {names[0]} by", "95 % interval"] if baselines else []
    heads = words("slice") + numbers("users", "bundle", "95 % interval", *names, *lead_heads)
    return Table(f"{metric} by slice; {_mask_words(report)}", heads, rows)


def _slice_whiskers(part: SliceFigures, metric: str) -> Iterator[tuple[str, Whisker]]:
    yield BUNDLE, (part.name, part.means.metrics[metric], part.means.ci95.get(metric))
    for name, figures in part.baselines.items():
        label = NAMES.get(name, name)
        yield label, (label, figures.means.metrics[metric], figures.means.ci95.get(metric))


def _is_hidden(part: SliceFigures, mask: str) -> bool:
    return mask == "seen" and part.name == SEEN


def _exposure(document: EvaluationDocument, report: Report, of_bundle: SecondaryFigures) -> Table:
    rows = [
        Row(
            [
                name,
                share(figures.exposure.get("coverage@10")),
                share(figures.exposure.get("coverage@20")),
                share(figures.exposure.get("popularity_percentile@10")),
                figure(figures.exposure.get("gini@10")),
            ],
            strong=name == BUNDLE,
        )
        for name, figures in _secondary_rankings(document, report)
    ]
    rows.append(Row(["the targets", "", "", share(of_bundle.exposure.get("target_popularity_percentile")), ""]))
    return Table(
        f"What is shown; {_mask_words(report)}",
        words("ranking")
        + numbers("coverage@10", "coverage@20", "popularity percentile of the best 10", "Gini of the best 10"),
        rows,
    )


def _mask_words(report: Report) -> str:
    return _MASKS.get(report.mask, report.mask)
