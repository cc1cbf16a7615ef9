"""Prometheus metrics, each name written once."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
_BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64)


class Metrics:
    """The metrics of one application, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
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
            "aisle_bundle", "1 for the bundle that is served.", ("version", "dataset"), registry=self.registry
        )
        # `labels()` takes a lock; the request path finds its children here.
        self._request_children: dict[tuple[str, str, int], Counter] = {}
        self._stage_children: dict[str, Histogram] = {}

    def count_request(self, method: str, route: str, status: int) -> None:
        """One answered request."""
        key = (method, route, status)
        child = self._request_children.get(key)
        if child is None:
            child = self._request_children[key] = self._requests.labels(method, route, str(status))
        child.inc()

    def observe_stage(self, stage: str, seconds: float) -> None:
        """How long a stage took."""
        child = self._stage_children.get(stage)
        if child is None:
            child = self._stage_children[stage] = self._stage_seconds.labels(stage)
        child.observe(seconds)

    def observe_batch(self, size: int) -> None:
        """How many requests went together."""
        self._batch_size.observe(size)

    def count_degraded(self, missing: str) -> None:
        """One answer for which `missing` was not there."""
        self._degraded.labels(missing).inc()

    def show_bundle(self, version: str, dataset: str) -> None:
        """Name the bundle that is served from now on."""
        self._bundle.clear()
        self._bundle.labels(version, dataset).set(1)

    def exposition(self) -> bytes:
        """The metrics in the Prometheus text format."""
        return generate_latest(self.registry)
