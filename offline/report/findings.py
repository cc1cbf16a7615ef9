"""What the rules of the verdict look at, and what they find."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from offline.evaluation.document import (
    ITEM_KNN,
    ITEM_KNN_WINDOW,
    LEXICAL,
    POPULARITY,
    QUERY_ALONE,
    QUERY_AND_USER,
    QUERY_COUNTS,
    SEMANTIC,
    TF_IDF,
    USER_ALONE,
    VECTOR,
    EvaluationDocument,
)
from offline.evaluation.serving_document import ServingDocument

Document = dict[str, Any]


class Decision(StrEnum):
    """What to do with the bundle."""

    PUBLISH = "publish"
    LOOK = "look closer"
    REFUSE = "do not publish"


class Weight(StrEnum):
    """How much a finding counts."""

    GOOD = "good"
    NOTE = "note"  # worth knowing; decides nothing
    LOOK = "look closer"
    BAD = "do not publish"


@dataclass(frozen=True)
class Finding:
    """The outcome of one rule."""

    weight: Weight
    sentence: str
    next_step: str = ""  # what to do about it; empty where there is nothing to do

    def json(self) -> Document:
        """The finding as JSON."""
        return {"weight": self.weight, "sentence": self.sentence, "next_step": self.next_step}


@dataclass(frozen=True)
class Verdict:
    """The decision and its reasons, the weightiest first."""

    decision: Decision
    findings: Sequence[Finding]

    def sentences(self) -> list[str]:
        """The reasons."""
        return [finding.sentence for finding in self.findings]

    def against(self) -> list[Finding]:
        """The reasons that keep it from `publish`."""
        return [finding for finding in self.findings if finding.weight in (Weight.BAD, Weight.LOOK)]


@dataclass(frozen=True)
class Evidence:
    """What the rules look at."""

    document: EvaluationDocument
    summary: Document | None = None  # of ingest
    compression: Sequence[Document] = ()  # of the manifest
    curves: Sequence[tuple[str, Document]] = ()  # what was trained, and its history
    version: str | None = None  # that the bundle was measured as which would be published
    serving: ServingDocument | None = None


NAMES = {
    POPULARITY: "popularity",
    ITEM_KNN: "item-kNN",
    ITEM_KNN_WINDOW: "item-kNN of near events",
    TF_IDF: "tf-idf",
    QUERY_COUNTS: "counts of what followed a query",
    QUERY_AND_USER: "counts of queries joined with item-kNN",
    VECTOR: "the bundle without its ranker",
    LEXICAL: "words alone",
    SEMANTIC: "meaning alone",
    QUERY_ALONE: "the query alone, whoever asks",
    USER_ALONE: "the user alone, whatever is asked",
}
"""What rankings are called in sentences."""


def scored_ones(document: EvaluationDocument) -> str:
    """The noun for what is scored: users, queries or searches."""
    return document.cases
