"""The ranker: orders the union of candidates by their features, and says how likely each behaviour is."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.artifact import names
from app.artifact.rank_features import FEATURES, AskedBy, CandidateList, rank_features
from app.artifact.rank_tables import RankTables
from app.artifact.ranker_spec import RankerSpec
from app.engine.candidate_sources import union_of_sources
from app.engine.candidates import Candidates
from app.engine.requests import OBJECTIVES, RequestBatch
from app.engine.runtime import open_session
from app.errors import BundleCorrupt

_SCORE: Final = FEATURES.index("score")
_REVENUE: Final = OBJECTIVES["revenue"]


@dataclass(frozen=True)
class Ranker:
    """`rank.onnx`, opened, with the tables that its features read."""

    session: Any
    spec: RankerSpec
    tables: RankTables
    popular_rows: NDArray[np.int64]

    @property
    def objectives(self) -> list[str]:
        """What a request may wish for."""
        revenue = ["revenue"] if "purchase" in self.spec.behaviours else []
        return [*self.spec.behaviours, *revenue]

    def ranks(self, batch: RequestBatch) -> NDArray[np.bool_]:
        """`[batch]`, the requests whose order is the ranker's."""
        wants = batch.objective
        orders = np.full(len(batch), self.spec.orders, dtype=np.bool_)
        return batch.has_events() & (orders if wants is None else orders | (wants > 0))

    def rank(
        self,
        batch: RequestBatch,
        candidates: Candidates,
        depth: int,
        item_mask: NDArray[np.bool_] | None = None,
        ranked: int | None = None,
    ) -> Candidates:
        """The best `depth` of all sources, where a request has events; elsewhere the candidates as they are.

        Args:
            batch: the requests.
            candidates: of retrieval.
            depth: items a request.
            item_mask: `[1 or batch, rows]`, false for items that must not be answered.
            ranked: candidates that are read, those of the further sources besides; the others follow as they stand.
        """
        lines = np.flatnonzero(self.ranks(batch))
        if not len(lines):
            return candidates
        whole = candidates.take(lines)
        chosen = whole if ranked is None else whole.head(ranked)
        asking = batch.take(lines)
        mask = item_mask if item_mask is None or len(item_mask) == 1 else item_mask[lines]
        listed = union_of_sources(asking, chosen, self.tables, self.popular_rows, mask)
        scores = self.scores(asking, listed, self.features(asking, chosen, listed))
        best = best_of(listed, scores, depth)
        if chosen.rows.shape[1] < whole.rows.shape[1]:
            best = _followed_by(listed, best, whole, chosen.rows.shape[1])
        return candidates.with_lines(lines, *best)

    def scores(self, batch: RequestBatch, listed: CandidateList, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """What orders the given candidates, `[listed]`, from their features."""
        order, chain = self.run(features)
        if not self.spec.orders:
            order = features[:, _SCORE]
        wants = np.zeros(len(batch), dtype=np.uint8) if batch.objective is None else batch.objective
        return np.asarray(order + self._wished(listed, chain, wants), dtype=np.float32)

    def features(self, batch: RequestBatch, candidates: Candidates, listed: CandidateList) -> NDArray[np.float32]:
        """Features `[listed, features]`; `candidates` holds the query vectors of the same requests."""
        return rank_features(self.tables, listed, asked_by(batch, candidates.query_vectors))

    def run(self, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Order `[listed]` and log-odds of the chain of behaviours `[listed, behaviours]`."""
        # A companion row of zeros: a product of a single row would round otherwise than one of several.
        beside = np.concatenate([features, np.zeros((1, features.shape[1]), dtype=np.float32)])
        order, chain = self.session.run((names.OUT_ORDER, names.OUT_CHAIN), {names.IN_FEATURES: beside})
        return order[:-1], chain[:-1]

    def probabilities(self, chain: NDArray[np.float32]) -> NDArray[np.float64]:
        """Calibrated probabilities `[listed, behaviours]`; a later behaviour is never likelier than an earlier one."""
        raw = np.exp(log_chain(chain))
        found = np.empty_like(raw)
        for column, curve in enumerate(self.spec.calibrations):
            found[:, column] = np.interp(raw[:, column], curve.raw, curve.calibrated)
        return np.minimum.accumulate(found, axis=1)

    def predict(
        self, batch: RequestBatch, candidates: Candidates, asked: NDArray[np.int64]
    ) -> list[NDArray[np.float64]]:
        """Probabilities `[items, behaviours]` of the named items of each request, beside its other candidates.

        Args:
            batch: the requests.
            candidates: of retrieval.
            asked: `[batch, items]` rows, padded with 0; a row may come twice.
        """
        listed = union_of_sources(batch, candidates, self.tables, self.popular_rows, asked=asked)
        _, chain = self.run(self.features(batch, candidates, listed))
        found = self.probabilities(chain)
        answers = []
        for line, rows in enumerate(asked):
            part = slice(int(listed.offsets[line]), int(listed.offsets[line + 1]))
            answers.append(found[part][np.searchsorted(listed.rows[part], rows[rows != names.PADDING_ROW])])
        return answers

    def wished(
        self, listed: CandidateList, features: NDArray[np.float32], wants: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """What the objective of each request adds to scores of the given candidates, `[listed]`."""
        return self._wished(listed, self.run(features)[1], wants)

    def _wished(
        self, listed: CandidateList, chain: NDArray[np.float32], wants: NDArray[np.uint8]
    ) -> NDArray[np.float32]:
        """What a request's objective adds to the order: the log-probability of the behaviour, and of revenue the price.

        Uncalibrated, since calibration flattens what it cannot tell apart.
        """
        added = np.zeros(len(listed), dtype=np.float32)
        if not wants.any():
            return added
        logs = log_chain(chain)
        wish = wants[listed.lines]
        for column, behaviour in enumerate(self.spec.behaviours):
            here = wish == OBJECTIVES[behaviour]
            if behaviour == "purchase":
                here |= wish == _REVENUE
            added[here] += logs[here, column].astype(np.float32)
        price = self.tables.log_price[listed.rows]
        price = np.where(np.isfinite(price), price, self.spec.mean_log_price)
        return np.where(wish == _REVENUE, added + price, added).astype(np.float32)


def read_ranker(folder: Path, tables: RankTables, popular_rows: NDArray[np.int64], threads: int) -> Ranker | None:
    """The ranker of the bundle in `folder`, `None` where it has none.

    Raises:
        BundleCorrupt: it cannot be read, or is of other features than this code's.
    """
    path = folder / names.RANKER
    if not path.exists():
        return None
    try:
        spec = RankerSpec.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise BundleCorrupt(f"{path}: not the description of a ranker ({error}); export the bundle again") from error
    if spec.features != list(FEATURES):
        raise BundleCorrupt(f"{path}: written for other features than this service computes; export the bundle again")
    return Ranker(open_session(folder / names.RANK_GRAPH, threads), spec, tables, popular_rows)


def asked_by(batch: RequestBatch, query_vectors: NDArray[np.float32]) -> AskedBy:
    """What the features are told of who asks."""
    return AskedBy(batch.event_rows, batch.event_types, batch.event_times, batch.now, query_vectors)


def log_chain(chain: NDArray[np.float32]) -> NDArray[np.float64]:
    """Logs of P(view), P(cart), .. from the log-odds of each given the one before: P(cart) = P(view) P(cart | view)."""
    return np.asarray(-np.logaddexp(0.0, -chain.astype(np.float64)).cumsum(axis=1))


def best_of(
    listed: CandidateList, scores: NDArray[np.float32], depth: int
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
    """Rows, scores and sources `[batch, depth]`, best first; ties go by row."""
    size = len(listed.offsets) - 1
    rows = np.full((size, depth), names.PADDING_ROW, dtype=np.int64)
    best = np.full((size, depth), -np.inf, dtype=np.float32)
    sources = np.zeros((size, depth), dtype=np.uint8)
    order = np.lexsort((-scores, listed.lines))  # stable: candidates stand by row
    line = listed.lines[order]
    place = np.arange(len(order)) - listed.offsets[line]
    kept = place < depth
    at = (line[kept], place[kept])
    rows[at], best[at], sources[at] = listed.rows[order][kept], scores[order][kept], listed.sources[order][kept]
    return rows, best, sources


def _followed_by(
    listed: CandidateList,
    best: tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]],
    whole: Candidates,
    ranked: int,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.uint8]]:
    """What was ranked, and behind it retrieval's candidates past the first `ranked`, each item once.

    Their scores go on from the last ranked one by the same differences as retrieval's.
    """
    rows, scores, sources = best
    width = rows.shape[1]
    for line in range(len(rows)):
        inside = listed.rows[listed.offsets[line] : listed.offsets[line + 1]]
        start = min(len(inside), width)
        rest = np.flatnonzero((whole.rows[line] != names.PADDING_ROW) & ~np.isin(whole.rows[line], inside))
        rest = rest[rest >= ranked][: width - start]
        if not len(rest):
            continue
        place = slice(start, start + len(rest))
        last = scores[line, start - 1] if start else whole.scores[line, rest[0]]
        rows[line, place], sources[line, place] = whole.rows[line, rest], whole.sources[line, rest]
        scores[line, place] = last + (whole.scores[line, rest] - whole.scores[line, rest[0]])
    return rows, scores, sources
