"""Prometheus metrics, each name written once."""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_VIEW_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)
MISSING: Final = ("user_state", "catalogue", "timeout")  # label values that counters begin with
DROPPED: Final = ("overloaded", "client_left")
IMPRESSIONS: Final = ("kept", "dropped_here", "dropped_store", "dropped_full")
LOADS: Final = ("loaded", "refused")
BACKGROUND: Final = ("follow", "presence", "impressions", "probe", "activity")  # tasks
EVENTS: Final = ("accepted", "duplicate", "rejected")
CLOSED: Final = ("idle", "refused", "head_timeout", "body_timeout", "answer_timeout", "crowded_out")
DAMAGED: Final = (
    "catalogue", "erased", "event_stream", "events", "impression_stream", "items", "long_vector", "models", "pointer",
    "state",
)  # fmt: skip


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)  # memory, processor time, open files, as `process_*`
        self._requests = Counter(
            "aisle_requests", "Requests answered.", ("method", "route", "status"), registry=self.registry
        )
        self._stage_seconds = Histogram(
            "aisle_stage_seconds",
            "Time by stage; `total` is a whole request, the stages of a batch count once a batch.",
            ("stage",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self._batch_size = Histogram(
            "aisle_batch_size", "Requests answered in one run.", buckets=_BATCH_SIZES, registry=self.registry
        )
        self._degraded = Counter(
            "aisle_degraded_answers", "Answers given although something was missing.", ("missing",),
            registry=self.registry,
        )  # fmt: skip
        self._bundle = Gauge(
            "aisle_bundle", "1 for the bundle that is served.", ("version", "dataset", "device"), registry=self.registry
        )
        self._kernels = Gauge(
            "aisle_kernels",
            "1 for what the loops of the engine run in: the kind of processor they were compiled for, or numpy.",
            ("kind",),
            registry=self.registry,
        )
        self._bundle_created = Gauge(
            "aisle_bundle_created_timestamp_seconds", "When the bundle that is served was made.", ("version",),
            registry=self.registry,
        )  # fmt: skip
        self._newest_event = Gauge(
            "aisle_bundle_newest_event_timestamp_seconds",
            "The newest event that the bundle that is served has learned from, where its data has times.",
            ("version",),
            registry=self.registry,
        )
        self._dropped = Counter(
            "aisle_dropped_requests", "Requests not worked for.", ("reason",), registry=self.registry
        )
        self._impressions = Counter(
            "aisle_impressions", "Answers noted as shown, by what became of the note.", ("outcome",),
            registry=self.registry,
        )  # fmt: skip
        self._loads = Counter(
            "aisle_bundle_loads", "Bundles loaded or refused while serving.", ("outcome",), registry=self.registry
        )
        self._bundle_store = Gauge(
            "aisle_bundle_store_available",
            "1 while the store of bundles can be read; 0 where a store of objects does not answer.",
            registry=self.registry,
        )
        self._bundle_store.set(1)
        self._background = Counter(
            "aisle_background_failures",
            "Turns of work in the background that failed; the next one comes all the same.",
            ("task",),
            registry=self.registry,
        )
        self._pending = Gauge("aisle_pending_requests", "Requests that wait or are under way.", registry=self.registry)
        self._store_available = Gauge(
            "aisle_store_available", "1 while the store of user states takes reads and writes.", registry=self.registry
        )
        self._store_warnings = Gauge(
            "aisle_store_warnings",
            "Warnings on how the store of user states is kept; /readyz has their words.",
            registry=self.registry,
        )
        self._waiting_events = Gauge(
            "aisle_waiting_events", "Events that wait to be collected.", registry=self.registry
        )
        self._connections = Gauge("aisle_open_connections", "Connections that are open.", registry=self.registry)
        self._held_bytes = Gauge(
            "aisle_request_body_bytes", "Bytes of requests that arrive, wait or are not answered yet.",
            registry=self.registry,
        )  # fmt: skip
        self._unread_bytes = Gauge(
            "aisle_unread_answer_bytes", "Bytes of answers that their clients do not take, at most.",
            registry=self.registry,
        )  # fmt: skip
        self._closed = Counter(
            "aisle_closed_connections", "Connections closed by this service, by reason.", ("reason",),
            registry=self.registry,
        )  # fmt: skip
        self._damaged = Counter(
            "aisle_damaged_values", "Stored values that were no records and counted as none.", ("value",),
            registry=self.registry,
        )  # fmt: skip
        self._catalogue_sequence = Gauge(
            "aisle_catalogue_sequence", "The change of the catalogue that is served.", registry=self.registry
        )
        self._catalogue_lag = Gauge(
            "aisle_catalogue_lag", "Changes of the catalogue that are accepted and not served here yet.",
            registry=self.registry,
        )  # fmt: skip
        self._catalogue_items = Gauge(
            "aisle_catalogue_live_items", "Items that were changed since the bundle.", registry=self.registry
        )
        self._view_seconds = Histogram(
            "aisle_catalogue_view_seconds", "Time to make a view of the catalogue out of changes.",
            buckets=_VIEW_SECONDS, registry=self.registry,
        )  # fmt: skip
        self._changes = Counter(
            "aisle_catalogue_changes", "Changes of items that are served here.", registry=self.registry
        )
        self._events = Counter("aisle_events", "Events sent to this service.", ("outcome",), registry=self.registry)
        self._begin()
        # `labels()` takes a lock; the request path finds its children here.
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._stage_children: dict[str, Histogram] = {}

    def _begin(self) -> None:
        """Let counters begin with 0: a rate misses the first increment of a counter that begins with 1."""
        for counter, values in (
            (self._degraded, MISSING),
            (self._dropped, DROPPED),
            (self._impressions, IMPRESSIONS),
            (self._loads, LOADS),
            (self._events, EVENTS),
            (self._background, BACKGROUND),
            (self._closed, CLOSED),
            (self._damaged, DAMAGED),
        ):
            for value in values:
                counter.labels(value)

    def count_request(self, method: str, route: str, status: int) -> None:
        """Count one answered request."""
        key = (method, route, status)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(method, route, str(status))
        child.inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """Record how long a stage took."""
        child = self._stage_children.get(stage)
        if child is None:
            child = self._stage_children[stage] = self._stage_seconds.labels(stage)
        child.observe(seconds)

    def observe_batch(self, size: int) -> None:
        """Record how many requests were answered in one run."""
        self._batch_size.observe(size)

    def count_degraded(self, missing: str) -> None:
        """Count one answer that was given without `missing`."""
        self._degraded.labels(missing).inc()

    def count_dropped(self, reason: str) -> None:
        """Count one request that was not worked for."""
        self._dropped.labels(reason).inc()

    def count_impressions(self, outcome: str, number: int) -> None:
        """Count what became of impressions."""
        self._impressions.labels(outcome).inc(number)

    def count_load(self, outcome: str) -> None:
        """Count one bundle that was loaded or refused while serving."""
        self._loads.labels(outcome).inc()

    def show_bundle_store(self, answers: bool) -> None:
        """Show whether the store of bundles could be read just now."""
        self._bundle_store.set(float(answers))

    def count_background_failure(self, task: str) -> None:
        """Count one turn of a task in the background that failed."""
        self._background.labels(task).inc()

    def count_events(self, outcome: str, number: int) -> None:
        """Count what became of events."""
        if number:
            self._events.labels(outcome).inc(number)

    def count_closed(self, reason: str) -> None:
        """Count one connection that this service closed."""
        self._closed.labels(reason).inc()

    def watch_connections(
        self, open_: Callable[[], float], held_bytes: Callable[[], float], unread_bytes: Callable[[], float]
    ) -> None:
        """Call these whenever metrics are read."""
        self._connections.set_function(open_)
        self._held_bytes.set_function(held_bytes)
        self._unread_bytes.set_function(unread_bytes)

    def watch_catalogue(
        self, sequence: Callable[[], float], lag: Callable[[], float], items: Callable[[], float]
    ) -> None:
        """Call these whenever metrics are read."""
        self._catalogue_sequence.set_function(sequence)
        self._catalogue_lag.set_function(lag)
        self._catalogue_items.set_function(items)

    def observe_view(self, seconds: float, changes: int) -> None:
        """Record how long it took to make a view of the catalogue out of so many changes."""
        self._view_seconds.observe(seconds)
        self._changes.inc(changes)

    def count_damaged(self, value: str, number: int) -> None:
        """Count stored values that were no records."""
        self._damaged.labels(value).inc(number)

    def watch_pending(self, pending: Callable[[], float]) -> None:
        """Call `pending` for how many requests wait whenever metrics are read."""
        self._pending.set_function(pending)

    def watch_store(
        self, available: Callable[[], float], warnings: Callable[[], float], waiting_events: Callable[[], float]
    ) -> None:
        """Call these whenever metrics are read."""
        self._store_available.set_function(available)
        self._store_warnings.set_function(warnings)
        self._waiting_events.set_function(waiting_events)

    def show_bundle(
        self, version: str, dataset: str, device: str, created_s: float, newest_event_s: float | None
    ) -> None:
        """Name the bundle that is served from now on, where retrieval runs, and how old it is (unix seconds)."""
        for gauge in (self._bundle, self._bundle_created, self._newest_event):
            gauge.clear()
        self._bundle.labels(version, dataset, device).set(1)
        self._bundle_created.labels(version).set(created_s)
        if newest_event_s is not None:
            self._newest_event.labels(version).set(newest_event_s)

    def show_kernels(self, kind: str) -> None:
        """Name what the loops of the engine run in."""
        self._kernels.clear()
        self._kernels.labels(kind).set(1)

    def exposition(self) -> bytes:
        """The metrics in the Prometheus text format."""
        return generate_latest(self.registry)
