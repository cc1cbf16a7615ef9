"""What compression cost: the bundle's top 10 beside those of the network in full precision."""

from dataclasses import dataclass

import numpy as np
import torch

from app.artifact.event_features import age_buckets
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.errors import GoldenMismatch
from offline.training.scoring import rank_items
from offline.training.trained import Trained

DEPTH = 10
MIN_OVERLAP = 0.9
MAX_QUERY_ERROR = 0.05


@dataclass(frozen=True)
class Fidelity:
    """How near a bundle's answers are to those of its network in full precision."""

    requests: int
    overlap_at_10: float  # mean share of the network's top 10 that the bundle answers too
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
    exact = rank_items(queries, units * lengths[:, None], nothing, nothing.astype(np.int32), DEPTH)
    answered = recommend(snapshot, batch, DEPTH, Stages(ranking=False))
    overlap = np.mean([len(np.intersect1d(*pair)) / DEPTH for pair in zip(exact, answered.rows, strict=True)])
    error = np.linalg.norm(queries.numpy() - answered.query_vectors, axis=1) / np.linalg.norm(queries.numpy(), axis=1)
    fidelity = Fidelity(len(batch), float(overlap), float(error.max(initial=0.0)))
    if fidelity.overlap_at_10 < MIN_OVERLAP or fidelity.query_error > MAX_QUERY_ERROR:
        raise GoldenMismatch(
            f"{snapshot.folder}: expected answers like the network's (overlap@10 of at least {MIN_OVERLAP}, query "
            f"vectors within {MAX_QUERY_ERROR:.0%}), got {fidelity.overlap_at_10:.3f} and {fidelity.query_error:.1%}; "
            "the export is at fault: keep the run folder and report it"
        )
    return fidelity
