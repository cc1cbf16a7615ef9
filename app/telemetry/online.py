"""Metrics of what shoppers do with answers, by the version that answered; each name written once.

Rates and means follow by division, over any time: CTR is `aisle_online_answers_with_total{type="click"}` by
`aisle_online_followed_answers_total`, conversion the same of `purchase`, MRR `aisle_online_reciprocal_rank_total` by
the same. Behind replicas that share the traffic at random, an event often reaches one that did not answer: then divide
by `aisle_online_answers_total` and by the share of events whose `outcome` is not `unknown_request`.
"""

from collections.abc import Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter

TYPES: Final = ("click", "cart", "purchase")
OUTCOMES: Final = ("attributed", "repeated", "other_item", "unknown_request")


class OnlineMetrics:
    """Counters, all with the label `version`, but for the counter of events.

    Args:
        registry: takes the counters.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"aisle_online_{name}", text, labels, registry=registry)

        self._answers = counter("answers", "Answers with items.", "version")
        self._followed = counter("followed_answers", "Answers of which it is counted what becomes of them.", "version")
        self._shown = counter("shown_items", "Items in the answers that are followed.", "version")
        self._items = counter("items", "Shown items that were clicked, carted or purchased.", "version", "type")
        self._answers_with = counter("answers_with", "Followed answers with at least one of them.", "version", "type")
        self._reciprocal_rank = counter(
            "reciprocal_rank", "Sum over followed answers of 1 / rank of the highest clicked item.", "version"
        )
        self._events = counter("events", "Events that name an answer, by what was known of it.", "outcome")
        for outcome in OUTCOMES:
            self._events.labels(outcome)
        self._of_version: dict[str, tuple[Counter, Counter, Counter]] = {}  # `labels()` takes a lock

    def count_answer(self, version: str, items: int, *, is_followed: bool) -> None:
        """Count one answer with so many items."""
        children = self._of_version.get(version)
        if children is None:
            children = self._of_version[version] = self._begin(version)
        answers, followed, shown = children
        answers.inc()
        if is_followed:
            followed.inc()
            shown.inc(items)

    def count_item(self, version: str, types: Sequence[str], first_types: Sequence[str], reciprocal: float) -> None:
        """Count one item of an answer that was clicked, carted or purchased.

        Args:
            version: the version that showed it.
            types: those that the item did not have yet.
            first_types: those of them that no item of its answer had yet.
            reciprocal: what its answer's reciprocal rank grew by.
        """
        for kind in types:
            self._items.labels(version, kind).inc()
        for kind in first_types:
            self._answers_with.labels(version, kind).inc()
        if reciprocal > 0:
            self._reciprocal_rank.labels(version).inc(reciprocal)

    def count_event(self, outcome: str) -> None:
        """Count one event that names an answer."""
        self._events.labels(outcome).inc()

    def _begin(self, version: str) -> tuple[Counter, Counter, Counter]:
        """Let all counters of a version begin with 0, so that the first step up counts in a rate."""
        for kind in TYPES:
            self._items.labels(version, kind)
            self._answers_with.labels(version, kind)
        self._reciprocal_rank.labels(version)
        return self._answers.labels(version), self._followed.labels(version), self._shown.labels(version)
