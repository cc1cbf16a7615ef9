"""What compression cost: the bundle's top 10 beside those of the network in full precision."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact.event_features import age_buckets
from app.artifact.names import PADDING_ROW
from app.engine.loading import golden_overlap
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.errors import GoldenMismatch
from offline.training.scoring import rank_items
from offline.training.trained import Trained

DEPTH = 10
_RETRIEVAL = Stages(ranking=False)
_AT_ONCE = 64  # requests
MIN_OVERLAP = 0.9
MAX_QUERY_ERROR = 0.05
NEAR = 0.005
"""Of a request's best score: what rounding to eight bits does to a score. Items so near to the tenth are as good."""


@dataclass(frozen=True)
class Fidelity:
    """How near a bundle's answers are to those of its network in full precision."""

    requests: int
    overlap_at_10: float  # mean share of the network's top 10 that the bundle answers too
    near_at_10: float  # mean share of the bundle's top 10 that by the network's own scores are in its top 10, or `NEAR`
    query_error: float  # largest distance of a query vector, relative to its length


@torch.no_grad()
def measure_fidelity(trained: Trained, snapshot: Snapshot, batch: RequestBatch) -> Fidelity:
    """Answer `batch` both ways.

    Raises:
        GoldenMismatch: they differ by more than rounding can explain.
    """
    network = trained.network.cpu()
    units, lengths = network.item_vectors(trained.graph.to(torch.device("cpu")), trained.known.cpu())
    rows = torch.from_numpy(batch.event_rows.astype(np.int64))
    ages = torch.from_numpy(age_buckets(batch.event_times, batch.now[:, None]))
    queries = network.queries(
        units[rows] * (rows > 0)[:, :, None],
        torch.from_numpy(batch.event_types.astype(np.int64)),
        ages[:, None, :],
        torch.from_numpy(batch.long_vector),
        torch.from_numpy(batch.long_weight)[:, None],
    )[:, 0]
    nothing = np.zeros(0, dtype=np.int64)
    items = units * lengths[:, None]
    exact = rank_items(queries, items, nothing, nothing.astype(np.int32), DEPTH, snapshot.tables.absent)
    rows_of_bundle, vectors_of_bundle = _answers(snapshot, batch)
    overlap = golden_overlap(exact, rows_of_bundle)
    near = share_near(queries, items, exact, rows_of_bundle)
    error = np.linalg.norm(queries.numpy() - vectors_of_bundle, axis=1) / np.linalg.norm(queries.numpy(), axis=1)
    fidelity = Fidelity(len(batch), overlap, near, float(error.max(initial=0.0)))
    if fidelity.near_at_10 < MIN_OVERLAP or fidelity.query_error > MAX_QUERY_ERROR:
        raise GoldenMismatch(
            f"{snapshot.folder}: expected answers like the network's (at least {MIN_OVERLAP:.0%} of the top 10 in its "
            f"own or as good within {NEAR:.1%}, query vectors within {MAX_QUERY_ERROR:.0%}), got "
            f"{fidelity.near_at_10:.1%} and {fidelity.query_error:.1%}; the export is at fault: keep the run folder "
            "and report it"
        )
    return fidelity


def _answers(snapshot: Snapshot, batch: RequestBatch) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The bundle's rows and query vectors, a few requests after another: without kernels each takes all scores."""
    parts = [
        recommend(snapshot, batch.take(np.arange(start, min(start + _AT_ONCE, len(batch)))), DEPTH, _RETRIEVAL)
        for start in range(0, len(batch), _AT_ONCE)
    ]
    return np.concatenate([part.rows for part in parts]), np.concatenate([part.query_vectors for part in parts])


def share_near(
    queries: torch.Tensor, items: torch.Tensor, exact: NDArray[np.integer], answered: NDArray[np.integer]
) -> float:
    """The share of answered rows that the network scores like its own tenth, `NEAR` of its best score aside.

    Items of one category without events lie next to each other, and which of them come first says nothing.

    Args:
        queries: `[n, dim]`.
        items: `[rows, dim]`, in full precision.
        exact: `[n, DEPTH]` the network's top rows.
        answered: `[n, DEPTH]` those of the bundle; `PADDING_ROW` pads.
    """

    def scores(rows: NDArray[np.integer]) -> NDArray[np.float32]:
        chosen = items[torch.from_numpy(rows.astype(np.int64))]
        return torch.einsum("bd,bkd->bk", queries, chosen).numpy()

    best = scores(exact)
    least = best.min(axis=1) - NEAR * np.abs(best).max(axis=1)
    is_item = answered[:, :DEPTH] != PADDING_ROW
    near = (scores(answered[:, :DEPTH]) >= least[:, None]) & is_item
    return float(near.sum() / max(1, is_item.sum()))
