"""Re-ranking: orders the union of the candidate sources by their features, and predicts each behaviour."""

import json
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.artifact import names
from app.artifact.rank_features import FEATURES, CandidateList
from app.artifact.rank_tables import RankTables
from app.artifact.ranker_spec import RankerSpec
from app.engine.candidate_sources import union_of_sources
from app.engine.candidates import Candidates, top_k
from app.engine.graph_checks import check_ranker
from app.engine.graph_cut import FLOAT, NotCut, Tensor, cut_graph
from app.engine.kernels.features import rank_features
from app.engine.kernels.nearest import product_level
from app.engine.kernels.network import OrderNetwork
from app.engine.order_graph import read_order
from app.engine.requests import ALL_ITEMS, OBJECTIVES, ItemMask, RequestBatch, user_context_of
from app.engine.runtime import open_session
from app.errors import BundleCorrupt

log = logging.getLogger(__name__)

_SCORE: Final = FEATURES.index("score")
_REVENUE: Final = OBJECTIVES["revenue"]


@dataclass(frozen=True)
class Ranker:
    """`rank.onnx`, opened, with the tables that its features read."""

    session: Any
    order: OrderNetwork | Any  # the part of it that gives the order alone: the kernel, or a session
    spec: RankerSpec
    tables: RankTables
    popular_rows: NDArray[np.int64]

    @property
    def objectives(self) -> list[str]:
        """The objectives that a request may have."""
        revenue = ["revenue"] if "purchase" in self.spec.behaviours else []
        return [*self.spec.behaviours, *revenue]

    def ranks(self, batch: RequestBatch) -> NDArray[np.bool_]:
        """`[batch]`, the requests that the ranker orders."""
        orders = np.full(len(batch), self.spec.orders, dtype=np.bool_)
        return batch.has_events() & (orders if batch.objective is None else orders | (batch.objective > 0))

    def rank(
        self,
        batch: RequestBatch,
        candidates: Candidates,
        depth: int,
        item_mask: ItemMask = ALL_ITEMS,
        rerank_depth: int | None = None,
    ) -> Candidates:
        """The best `depth` of all candidate sources for the requests that the ranker orders; the others are unchanged.

        Args:
            candidates: of retrieval.
            rerank_depth: how many of them are re-ranked, besides those of the other sources; the rest follow in their
                order. All of them by default.
        """
        requests = np.flatnonzero(self.ranks(batch))
        if not len(requests):
            return candidates
        retrieved = candidates
        if len(requests) < len(batch):
            batch, retrieved, item_mask = batch.take(requests), candidates.take(requests), item_mask.take(requests)
        head = retrieved if rerank_depth is None else retrieved.head(rerank_depth)
        candidate_list = union_of_sources(batch, head, self.tables, self.popular_rows, item_mask)
        scores = self.scores(batch, candidate_list, self.features(batch, head, candidate_list))
        best = replace(
            top_k(candidate_list, scores, depth, head.query_vectors), compared_rows=candidate_list.rows_of_requests()
        )
        if head.rows.shape[1] < retrieved.rows.shape[1]:
            _append_unranked(best, candidate_list, retrieved, head.rows.shape[1])
        return candidates.with_requests(requests, best)

    def scores(
        self, batch: RequestBatch, candidate_list: CandidateList, features: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The scores `[candidates]` that order the candidates, from their features."""
        if batch.objective is None or not batch.objective.any():
            return self.order_scores(features)
        chain, order = self.run(features)[1], self.order_scores(features)
        return np.asarray(order + self._objective_gain(candidate_list, chain, batch.objective), dtype=np.float32)

    def order_scores(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of candidates without an objective, `[candidates]`: the chain of behaviours is not asked for."""
        if not self.spec.orders:
            return np.ascontiguousarray(features[:, _SCORE])
        if isinstance(self.order, OrderNetwork):
            return self.order.scores(features)
        (order,) = self.order.run((names.OUT_ORDER,), {names.IN_FEATURES: _padded(features)})
        scores: NDArray[np.float32] = order[:-1]
        return scores

    def features(
        self, batch: RequestBatch, candidates: Candidates, candidate_list: CandidateList
    ) -> NDArray[np.float32]:
        """Features `[candidates, features]`; `candidates` holds the query vectors of the same requests."""
        return rank_features(self.tables, candidate_list, user_context_of(batch, candidates.query_vectors))

    def run(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Order `[candidates]` and log-odds of the chain of behaviours `[candidates, behaviours]`."""
        order, chain = self.session.run((names.OUT_ORDER, names.OUT_CHAIN), {names.IN_FEATURES: _padded(features)})
        return order[:-1], chain[:-1]

    def probabilities(self, chain: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities `[candidates, behaviours]`, none larger than that of the behaviour before it."""
        raw = np.exp(log_chain(chain))
        calibrated = np.empty_like(raw)
        for column, curve in enumerate(self.spec.calibrations):
            calibrated[:, column] = np.interp(raw[:, column], curve.raw, curve.calibrated)
        return np.minimum.accumulate(calibrated, axis=1)

    def predict(
        self, batch: RequestBatch, candidates: Candidates, named_rows: NDArray[np.int64]
    ) -> list[NDArray[np.float64]]:
        """Probabilities `[items, behaviours]` of the named items of each request, ranked among its candidates.

        Args:
            candidates: of retrieval.
            named_rows: `[batch, items]`, padded with 0; a row may be repeated.
        """
        candidate_list = union_of_sources(batch, candidates, self.tables, self.popular_rows, named_rows=named_rows)
        _, chain = self.run(self.features(batch, candidates, candidate_list))
        probabilities = self.probabilities(chain)
        predictions = []
        for request, rows in enumerate(named_rows):
            part = candidate_list.part(request)
            positions = np.searchsorted(candidate_list.rows[part], rows[rows != names.PADDING_ROW])
            predictions.append(probabilities[part][positions])
        return predictions

    def objective_gain(
        self, candidate_list: CandidateList, features: NDArray[np.float32], objective: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """What the objective of each request, `[batch]`, adds to the scores of its candidates, `[candidates]`."""
        return self._objective_gain(candidate_list, self.run(features)[1], objective)

    def _objective_gain(
        self, candidate_list: CandidateList, chain: NDArray[np.float32], objective: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """The log-probability of the behaviour, and for revenue the log price on top of that of a purchase.

        The probabilities are not calibrated, since calibration gives equal values to what it cannot distinguish.
        """
        gain = np.zeros(len(candidate_list), dtype=np.float32)
        if not objective.any():
            return gain
        log_probabilities = log_chain(chain)
        candidate_objective = objective[candidate_list.request_index]
        for column, behaviour in enumerate(self.spec.behaviours):
            inside = candidate_objective == OBJECTIVES[behaviour]
            if behaviour == "purchase":
                inside |= candidate_objective == _REVENUE
            gain[inside] += log_probabilities[inside, column].astype(np.float32)
        price = self.tables.log_price[candidate_list.rows]
        price = np.where(np.isfinite(price), price, self.spec.mean_log_price)
        return np.where(candidate_objective == _REVENUE, gain + price, gain).astype(np.float32)


def read_ranker(folder: Path, tables: RankTables, popular_rows: NDArray[np.int64], threads: int) -> Ranker:
    """The ranker of the bundle in `folder`.

    Raises:
        BundleCorrupt: it cannot be read, or was trained on other features than this code computes.
    """
    path = folder / names.RANKER
    try:
        spec = RankerSpec.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise BundleCorrupt(f"{path}: not the description of a ranker ({error}): export the bundle again") from error
    if spec.features != list(FEATURES):
        raise BundleCorrupt(f"{path}: written for other features than this service computes: export the bundle again")
    graph = folder / names.RANK_GRAPH
    session = open_session(graph, threads)
    check_ranker(graph, session, len(spec.behaviours))
    return Ranker(session, _order_of(graph, session, threads), spec, tables, popular_rows)


def _order_of(path: Path, session: Any, threads: int) -> OrderNetwork | Any:
    """The part of the graph that gives the order; `session` runs the whole of it."""
    try:
        model = cut_graph(path.read_bytes(), [Tensor(names.OUT_ORDER, FLOAT)])
    except NotCut as reason:
        log.info("the ranker works out more than its order: %s", reason, extra={"path": str(path)})
        return session
    if product_level():  # the processor fuses products and sums
        try:
            return read_order(model, session)
        except NotCut as reason:
            log.info("the ranker's graph works out the order itself: %s", reason, extra={"path": str(path)})
    return open_session(path, threads, model)


def _padded(features: NDArray[np.float32]) -> NDArray[np.float32]:
    """With one more row, of zeros: a product of a single row would be rounded differently from one of several."""
    return np.concatenate([features, np.zeros((1, features.shape[1]), dtype=np.float32)])


def log_chain(chain: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logs of P(view), P(cart), .. from the log-odds of each given the one before: P(cart) = P(view) P(cart | view)."""
    return np.asarray(-np.logaddexp(0.0, -chain.astype(np.float64)).cumsum(axis=1))


def _append_unranked(best: Candidates, candidate_list: CandidateList, retrieved: Candidates, rerank_depth: int) -> None:
    """Write retrieval's candidates past the first `rerank_depth` behind the re-ranked ones, each item once.

    Their scores continue from the last re-ranked score by the same differences as retrieval's.
    """
    width = best.rows.shape[1]
    for request in range(len(best)):
        ranked_rows = candidate_list.rows[candidate_list.part(request)]
        start = min(len(ranked_rows), width)
        rows, scores = retrieved.rows[request], retrieved.scores[request]
        rest = np.flatnonzero((rows != names.PADDING_ROW) & ~np.isin(rows, ranked_rows))
        rest = rest[rest >= rerank_depth][: width - start]
        if not len(rest):
            continue
        target = slice(start, start + len(rest))
        last = best.scores[request, start - 1] if start else scores[rest[0]]
        best.rows[request, target], best.sources[request, target] = rows[rest], retrieved.sources[request, rest]
        best.scores[request, target] = last + (scores[rest] - scores[rest[0]])
