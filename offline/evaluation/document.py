"""The evaluation document: what `evaluate` measures, as named values, and as the JSON of a run and of a manifest.

The JSON is a contract: bundles keep it for as long as they are served. Older bundles lack parts of it; those are read
as empty, or as None where that says something else.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

Json = dict[str, Any]
Interval = Sequence[float]

BUNDLE: Final = "bundle"
VECTOR: Final = "vector"  # the bundle without its ranker
LEXICAL: Final = "lexical"  # words alone
SEMANTIC: Final = "semantic"  # meaning alone
QUERY_ALONE: Final = "query_alone"
USER_ALONE: Final = "user_alone"
POPULARITY: Final = "popularity"
ITEM_KNN: Final = "item_knn"
ITEM_KNN_WINDOW: Final = "item_knn_window"  # of events near each other
TF_IDF: Final = "tf_idf"
QUERY_COUNTS: Final = "query_counts"  # what followed the query, and the words of it, in the log
QUERY_AND_USER: Final = "query_and_user"  # the best baseline of the query, joined with item-kNN

WITHOUT_HISTORY: Final = "without_history"
"""The count of cases of which nothing is known but what they ask for."""
TARGETS_ON_ABSENT: Final = "targets_on_absent_items"
"""The count of targets on items that the catalogue lacks, where there are any: nothing answers them."""

_LIFT: Final = "lift_over_"
_QUERY_ORDER: Final = ("reports", "baselines", "variants", "typos", "notes", "slices")
_ORDERS: Final = {
    "graded_search": _QUERY_ORDER,
    "own_words": _QUERY_ORDER,
    "search": ("reports", "baselines", "variants", "notes", "slices", "candidates", "behaviours"),
}
"""The parts of the JSON by task, in order, where it is not the usual one."""
_ORDER: Final = ("reports", "baselines", "variants", "slices", "candidates", "behaviours", "notes")
_RUN_PARTS: Final = ("timings", "feature_groups", "cold_items", "synonyms", "student")


@dataclass(frozen=True)
class Means:
    """Means over the scored cases, and their 95 % intervals, by metric."""

    metrics: Mapping[str, float]
    ci95: Mapping[str, Interval]

    @classmethod
    def of(cls, document: Json) -> "Means":
        """Read `metrics` and `ci95`."""
        return cls(document.get("metrics", {}), document.get("ci95", {}))

    @classmethod
    def of_flat(cls, document: Json) -> "Means":
        """Read the form of variants and baselines: the metrics by name, and `ci95` after them."""
        others = ("ci95", "more", "lift")
        return cls({name: value for name, value in document.items() if name not in others}, document.get("ci95", {}))

    def json(self) -> Json:
        """`metrics` and `ci95`."""
        return {"metrics": self.metrics, "ci95": self.ci95}

    def flat_json(self) -> Json:
        """The metrics by name, and `ci95` after them."""
        return {**self.metrics, "ci95": self.ci95}


@dataclass(frozen=True)
class Difference:
    """The mean of the bundle's metric less that of another ranking, on the same cases, and its 95 % interval."""

    difference: float  # NaN where the document holds the interval alone
    ci95: Interval


Lifts = Mapping[str, Difference]
"""Differences by metric."""


@dataclass(frozen=True)
class SecondaryFigures:
    """The usual metrics that the data set does not name, and what is shown to whom (see `exposure_of`)."""

    means: Means
    exposure: Mapping[str, float | None]

    @classmethod
    def of(cls, document: Json) -> "SecondaryFigures":
        """Read the part `more`."""
        means = ("metrics", "ci95")
        return cls(Means.of(document), {name: value for name, value in document.items() if name not in means})

    def json(self) -> Json:
        """The part `more`."""
        return {**self.means.json(), **self.exposure}


@dataclass(frozen=True)
class RankingFigures:
    """The figures of one ranking under one mask."""

    means: Means
    secondary: SecondaryFigures | None = None

    @classmethod
    def of(cls, document: Json) -> "RankingFigures":
        """Read a baseline or a variant under one mask."""
        return cls(Means.of_flat(document), _secondary(document))

    def json(self) -> Json:
        """A baseline or a variant under one mask."""
        more = {} if self.secondary is None else {"more": self.secondary.json()}
        return {**self.means.flat_json(), **more}


@dataclass(frozen=True)
class Report:
    """The bundle's figures under one mask, and how far it leads every other ranking."""

    mask: str  # seen, purchased or none; empty where the document does not say
    means: Means
    counts: Mapping[str, int]  # `n` cases, `targets`, `targets_on_unknown_items`, and what a task counts besides
    lifts: Mapping[str, Lifts]  # by name of the other ranking
    secondary: SecondaryFigures | None = None

    @classmethod
    def of(cls, document: Json) -> "Report":
        """Read one of `reports`."""
        others = ("protocol", "metrics", "ci95", "more")
        lifts = {name.removeprefix(_LIFT): value for name, value in document.items() if name.startswith(_LIFT)}
        return cls(
            mask=document.get("protocol", ""),
            means=Means.of(document),
            counts={
                name: value for name, value in document.items() if name not in others and not name.startswith(_LIFT)
            },
            lifts={name: _lifts(value) for name, value in lifts.items()},
            secondary=_secondary(document),
        )

    @property
    def first_metric(self) -> str | None:
        """The metric by which bundles are compared; None in a report without any."""
        return next(iter(self.means.metrics), None)

    def lift(self, ranking: str, metric: str | None) -> Difference | None:
        """How far the bundle leads another ranking; None where they were not compared."""
        return None if metric is None else self.lifts.get(ranking, {}).get(metric)

    def json(self) -> Json:
        """One of `reports`."""
        lifts = {f"{_LIFT}{name}": _lifts_json(lifts) for name, lifts in self.lifts.items()}
        more = {} if self.secondary is None else {"more": self.secondary.json()}
        return {"protocol": self.mask, **self.means.json(), **self.counts, **lifts, **more}


@dataclass(frozen=True)
class SliceBaseline:
    """The figures of a baseline on one slice, and how far the bundle leads it there."""

    means: Means
    lift: Lifts

    @classmethod
    def of(cls, document: Json) -> "SliceBaseline":
        """Read a baseline of a slice."""
        return cls(Means.of_flat(document), _lifts(document.get("lift", {})))

    def json(self) -> Json:
        """A baseline of a slice."""
        return {**self.means.flat_json(), "lift": _lifts_json(self.lift)}


@dataclass(frozen=True)
class SliceFigures:
    """The bundle's figures on a part of the scored users or targets."""

    group: str
    name: str
    n: int
    targets: int
    means: Means
    baselines: Mapping[str, SliceBaseline]

    @classmethod
    def of(cls, document: Json) -> "SliceFigures":
        """Read one of the slices of a mask."""
        return cls(
            group=document.get("group", ""),
            name=document.get("slice", ""),
            n=document.get("n", 0),
            targets=document.get("targets", 0),
            means=Means.of(document),
            baselines={name: SliceBaseline.of(value) for name, value in document.get("baselines", {}).items()},
        )

    def json(self) -> Json:
        """One of the slices of a mask."""
        head = {"group": self.group, "slice": self.name, "n": self.n, "targets": self.targets}
        return {
            **head,
            **self.means.json(),
            "baselines": {name: figures.json() for name, figures in self.baselines.items()},
        }


@dataclass(frozen=True)
class CandidateRecall:
    """The mean share of a list's targets among the candidates of each source, and of all, under one mask."""

    recall: Mapping[str, float]
    width: float | None  # candidates of a request, on average
    n: int | None  # lists

    @classmethod
    def of(cls, document: Json) -> "CandidateRecall":
        """Read one of `candidates`."""
        return cls(document.get("recall", {}), document.get("width"), document.get("n"))

    def json(self) -> Json:
        """One of `candidates`."""
        return {"recall": self.recall, "width": self.width, "n": self.n}


@dataclass(frozen=True)
class BehaviourFigures:
    """How well the probability of a behaviour is predicted, over pairs of a user and a candidate."""

    n: int | None
    positives: int | None
    auc: float | None  # None where all pairs are alike
    accuracy: float | None
    ece: float | None
    reliability: Sequence[Json]
    max_error: float | None = None  # see `CalibrationFigures`
    ratio: float | None = None
    calibrated: bool | None = None  # None in documents that do not say

    @classmethod
    def of(cls, document: Json) -> "BehaviourFigures":
        """Read one of `behaviours`."""
        return cls(
            n=document.get("n"),
            positives=document.get("positives"),
            auc=document.get("auc"),
            accuracy=document.get("accuracy"),
            ece=document.get("ece"),
            reliability=document.get("reliability") or [],
            max_error=document.get("max_error"),
            ratio=document.get("ratio"),
            calibrated=document.get("calibrated"),
        )

    def json(self) -> Json:
        """One of `behaviours`."""
        return {
            "n": self.n,
            "positives": self.positives,
            "auc": self.auc,
            "accuracy": self.accuracy,
            "ece": self.ece,
            "max_error": self.max_error,
            "ratio": self.ratio,
            "calibrated": self.calibrated,
            "reliability": self.reliability,
        }


@dataclass(frozen=True)
class TypoFigures:
    """The figures of queries with one typing mistake each, and the share that is left of those without."""

    means: Means
    share_of_clean: Mapping[str, float]  # by metric

    @classmethod
    def of(cls, document: Json) -> "TypoFigures":
        """Read one of `typos`."""
        return cls(Means.of(document), document.get("share_of_clean", {}))

    def json(self) -> Json:
        """One of `typos`."""
        return {**self.means.json(), "share_of_clean": self.share_of_clean}


@dataclass(frozen=True)
class FeatureGroup:
    """The ranker's metric with all features, and without one group of them."""

    group: str
    metric: str
    with_it: float | None
    without_it: float | None
    difference: float | None

    @classmethod
    def of(cls, document: Json) -> "FeatureGroup":
        """Read one of `feature_groups`."""
        return cls(
            document.get("group", ""),
            document.get("metric", ""),
            document.get("with"),
            document.get("without"),
            document.get("difference"),
        )

    def json(self) -> Json:
        """One of `feature_groups`."""
        return {
            "group": self.group,
            "metric": self.metric,
            "with": self.with_it,
            "without": self.without_it,
            "difference": self.difference,
        }


@dataclass(frozen=True)
class DatasetFacts:
    """What was scored. A field is None where the document does not hold it."""

    name: str | None = None
    part: str | None = None
    how: str | None = None  # how the log was cut
    task: str | None = None
    seed: int | None = None
    fingerprint: str | None = None  # of the ingested tables
    items: int | None = None
    counts: Mapping[str, Any] | None = None  # of the split, by part

    @classmethod
    def of(cls, document: Json) -> "DatasetFacts":
        """Read `dataset`."""
        return cls(**{name: document.get(name) for name in cls.__dataclass_fields__})

    def json(self) -> Json:
        """`dataset`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


@dataclass(frozen=True)
class BundleFacts:
    """The bundle that was scored."""

    version: str | None = None
    dataset: str | None = None
    data_fingerprint: str | None = None
    users_with_stored_state: int | None = None

    @classmethod
    def of(cls, document: Json) -> "BundleFacts":
        """Read `bundle`."""
        return cls(**{name: document.get(name) for name in cls.__dataclass_fields__})

    def json(self) -> Json:
        """`bundle`."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}


RankingsByMask = Mapping[str, Mapping[str, RankingFigures]]
"""Figures by name of the ranking, and by mask."""


@dataclass(frozen=True)
class EvaluationDocument:
    """All that an evaluation measures. Parts that were not measured are None, and are not written."""

    dataset: DatasetFacts
    bundle: BundleFacts
    reports: Sequence[Report]  # one a mask of the split
    baselines: RankingsByMask
    variants: RankingsByMask
    notes: Sequence[str]  # on how to read it
    slices: Mapping[str, Sequence[SliceFigures]]  # by mask
    candidates: Mapping[str, CandidateRecall] | None = None  # by mask
    behaviours: Mapping[str, BehaviourFigures] | None = None
    typos: Mapping[str, TypoFigures] | None = None  # by name of the ranking
    timings: Json | None = None  # see `timings_of`
    feature_groups: Sequence[FeatureGroup] | None = None
    cold_items: Json | None = None  # see `cold_items`
    synonyms: Sequence[Json] | None = None  # see `propose_synonyms`
    student: Json | None = None  # the figures of the text encoder that was distilled

    @classmethod
    def of(cls, document: Json) -> "EvaluationDocument":
        """Read the JSON form."""
        groups = document.get("feature_groups")
        return cls(
            dataset=DatasetFacts.of(document.get("dataset", {})),
            bundle=BundleFacts.of(document.get("bundle", {})),
            reports=[Report.of(value) for value in document.get("reports") or []],
            baselines=_rankings(document.get("baselines") or {}),
            variants=_rankings(document.get("variants") or {}),
            notes=document.get("notes", []),
            slices={
                mask: [SliceFigures.of(value) for value in parts]
                for mask, parts in (document.get("slices") or {}).items()
            },
            candidates=_optional(document.get("candidates"), CandidateRecall),
            behaviours=_optional(document.get("behaviours"), BehaviourFigures),
            typos=_optional(document.get("typos"), TypoFigures),
            timings=document.get("timings"),
            feature_groups=None if groups is None else [FeatureGroup.of(value) for value in groups],
            cold_items=document.get("cold_items"),
            synonyms=document.get("synonyms"),
            student=document.get("student"),
        )

    @property
    def first_report(self) -> Report:
        """The report that decisions are made by; an empty one where there is none."""
        return next(iter(self.reports), Report("", Means({}, {}), {}, {}))

    @property
    def cases(self) -> str:
        """The noun for what is scored: users, queries or searches."""
        nouns = {"graded_search": "queries", "own_words": "queries", "search": "searches"}
        return nouns.get(self.dataset.task or "", "users")

    def rankings(self, mask: str) -> Iterator[tuple[str, RankingFigures]]:
        """The variants, then the baselines, that were scored under a mask, each with its name."""
        for by_name in (self.variants, self.baselines):
            for name, by_mask in by_name.items():
                if mask in by_mask:
                    yield name, by_mask[mask]

    def with_candidates(
        self, candidates: Mapping[str, CandidateRecall], behaviours: Mapping[str, BehaviourFigures] | None
    ) -> "EvaluationDocument":
        """The same with what the candidate sources and the ranker's probabilities are worth."""
        return replace(self, candidates=candidates, behaviours=behaviours)

    def json(self) -> Json:
        """The JSON form, with its parts in the order in which they have always been written."""
        parts: dict[str, Any] = {
            "reports": [report.json() for report in self.reports],
            "baselines": _rankings_json(self.baselines),
            "variants": _rankings_json(self.variants),
            "notes": self.notes,
            "slices": {mask: [part.json() for part in parts] for mask, parts in self.slices.items()},
            "candidates": _optional_json(self.candidates),
            "behaviours": _optional_json(self.behaviours),
            "typos": _optional_json(self.typos),
            "timings": self.timings,
            "feature_groups": None if self.feature_groups is None else [group.json() for group in self.feature_groups],
            "cold_items": self.cold_items,
            "synonyms": self.synonyms,
            "student": self.student,
        }
        order = (*_ORDERS.get(self.dataset.task or "", _ORDER), *_RUN_PARTS)
        return {
            "dataset": self.dataset.json(),
            "bundle": self.bundle.json(),
            **{name: parts[name] for name in order if parts[name] is not None},
        }


def _secondary(document: Json) -> SecondaryFigures | None:
    return SecondaryFigures.of(document["more"]) if "more" in document else None


def _lifts(document: Json) -> Lifts:
    return {metric: Difference(value.get("difference", math.nan), value["ci95"]) for metric, value in document.items()}


def _lifts_json(lifts: Lifts) -> Json:
    return {metric: {"difference": lift.difference, "ci95": lift.ci95} for metric, lift in lifts.items()}


def _rankings(document: Json) -> RankingsByMask:
    return {
        name: {mask: RankingFigures.of(figures) for mask, figures in by_mask.items()}
        for name, by_mask in document.items()
    }


def _rankings_json(rankings: RankingsByMask) -> Json:
    return {name: {mask: figures.json() for mask, figures in by_mask.items()} for name, by_mask in rankings.items()}


def _optional(document: Json | None, kind: Any) -> Any:
    return None if document is None else {name: kind.of(value) for name, value in document.items()}


def _optional_json(parts: Mapping[str, Any] | None) -> Json | None:
    return None if parts is None else {name: part.json() for name, part in parts.items()}
