"""The union of candidate sources against sets."""

import numpy as np
import pytest
from rank_tables_made_up import made_up_batch, made_up_tables

from app.engine.candidate_sources import NEIGHBOURS_EACH, NEIGHBOURS_OF, POPULAR, union_of_sources
from app.engine.candidates import Candidates, Source
from app.engine.requests import ItemMask


def retrieved_of(rng: np.random.Generator, size: int, items: int) -> Candidates:
    rows = np.stack([rng.permutation(np.arange(1, items + 1))[:8] for _ in range(size)]).astype(np.int64)
    rows[rng.random(rows.shape) < 0.2] = 0
    return Candidates(rows, np.zeros(rows.shape, np.float32), np.ones(rows.shape, np.uint8), np.zeros((size, 8), "f4"))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("masked", ["no", "one", "each"])
def test_union_holds_every_source_once_less_what_is_excluded(seed: int, masked: str) -> None:
    rng = np.random.default_rng(seed)
    size, items = 7, 40
    tables, batch, retrieved = made_up_tables(rng, items), made_up_batch(rng, size, items), retrieved_of(rng, 7, items)
    popular = rng.permutation(np.arange(1, items + 1))
    mask = None if masked == "no" else rng.random((1 if masked == "one" else size, items + 1)) < 0.7
    asked = np.where(rng.random((size, 3)) < 0.6, rng.integers(1, items + 1, (size, 3)), 0)
    listed = union_of_sources(batch, retrieved, tables, popular, ItemMask(mask), asked)
    for line in range(size):
        events = [int(row) for row in batch.event_rows[line] if row]
        near = {
            int(row) for event in events[::-1][:NEIGHBOURS_OF] for row in tables.neighbours[event][:NEIGHBOURS_EACH]
        }
        sources = {
            Source.RETRIEVAL: set(retrieved.rows[line].tolist()),
            Source.HISTORY: set(events),
            Source.CO_OCCURRENCE: near,
            Source.POPULAR: set(popular[:POPULAR].tolist()),
            Source.NAMED: set(asked[line].tolist()),
        }
        allowed = set(range(1, items + 1)) - set(batch.exclude_rows[line].tolist())
        if mask is not None:
            allowed &= set(np.flatnonzero(mask[line if len(mask) > 1 else 0]).tolist())
        expected = ((set().union(*sources.values()) & allowed) | set(asked[line].tolist())) - {0}
        part = slice(listed.offsets[line], listed.offsets[line + 1])
        assert listed.rows[part].tolist() == sorted(expected)
        assert (listed.request_index[part] == line).all()
        for row, bits in zip(listed.rows[part].tolist(), listed.sources[part].tolist(), strict=True):
            assert bits == sum(source for source, rows in sources.items() if row in rows)


def test_union_of_requests_without_anything_to_offer_is_empty() -> None:
    rng = np.random.default_rng(0)
    tables, batch = made_up_tables(rng), made_up_batch(rng, 3)
    nothing = Candidates(
        np.zeros((3, 4), np.int64), np.zeros((3, 4), "f4"), np.zeros((3, 4), "u1"), np.zeros((3, 8), "f4")
    )
    nobody = np.zeros((1, 41), dtype=bool)
    listed = union_of_sources(batch, nothing, tables, np.arange(1, 41), ItemMask(nobody))
    assert len(listed) == 0
    assert listed.offsets.tolist() == [0, 0, 0, 0]
