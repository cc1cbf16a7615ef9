"""Item tables and requests drawn at random, for the ranker's parts."""

import numpy as np

from app.artifact.quantise import quantise_rows
from app.artifact.rank_tables import RankTables
from app.engine.requests import RequestBatch


def made_up_tables(rng: np.random.Generator, items: int = 40, dim: int = 8, content: int = 4) -> RankTables:
    """Tables of `items` items in rows from 1; some have no price, category or brand."""
    rows = items + 1

    def units(width: int) -> tuple[np.ndarray, np.ndarray]:
        drawn = rng.normal(size=(rows, width)).astype(np.float32)
        drawn /= np.maximum(np.linalg.norm(drawn, axis=1, keepdims=True), 1e-9)
        drawn[0] = 0
        return quantise_rows(drawn)

    vectors, scales = units(dim)
    placed, placed_scales = units(content) if content else (np.zeros((rows, 0), np.int8), np.zeros(rows, np.float32))
    neighbours = np.stack([rng.permutation(np.arange(1, rows))[:6] for _ in range(rows)]).astype(np.int32)
    neighbours[rng.random(neighbours.shape) < 0.2] = 0
    weights = -np.sort(-rng.random(neighbours.shape), axis=1).astype(np.float16)
    price = rng.normal(3, 1, rows).astype(np.float32)
    price[rng.random(rows) < 0.3] = np.nan
    price[0] = np.nan
    counts = rng.poisson(3, (rows, 3)).astype(np.float32)
    counts[rng.random(rows) < 0.1] = 0
    counts[0] = 0
    popularity = (counts.sum(axis=1) / max(counts.sum(axis=1).max(), 1)).astype(np.float32)
    return RankTables(
        vectors=vectors,
        scales=scales,
        score_scales=(scales * rng.uniform(0.5, 1.5, rows)).astype(np.float32),
        content=placed,
        content_scales=placed_scales,
        neighbours=np.where(np.arange(rows)[:, None] > 0, neighbours, 0).astype(np.int32),
        neighbour_weights=np.where(neighbours > 0, weights, 0).astype(np.float16),
        counts=counts,
        popularity=popularity,
        codes=np.where(np.arange(rows)[:, None] > 0, rng.integers(0, 4, (rows, 2)), 0).astype(np.int32),
        log_price=price,
    )


def made_up_batch(rng: np.random.Generator, size: int, items: int = 40, window: int = 12, dim: int = 8) -> RequestBatch:
    """Requests with histories of all lengths, some without times."""
    rows = np.zeros((size, window), dtype=np.int32)
    types = np.zeros((size, window), dtype=np.uint8)
    times = np.full((size, window), np.nan)
    for line in range(size):
        count = int(rng.integers(0, window + 1))
        if count:
            rows[line, -count:] = rng.integers(1, items + 1, count)
            types[line, -count:] = rng.integers(1, 4, count)
            if line % 3:
                times[line, -count:] = np.sort(rng.uniform(0, 1e5, count))
    exclude = np.where(rng.random((size, 5)) < 0.5, rng.integers(1, items + 1, (size, 5)), 0)
    return RequestBatch(
        now=np.full(size, 1.2e5),
        event_rows=rows,
        event_types=types,
        event_times=times,
        long_vector=np.zeros((size, dim), np.float32),
        long_weight=np.zeros(size, np.float32),
        exclude_rows=exclude.astype(np.int64),
    )
