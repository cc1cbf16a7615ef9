"""The items nearest to texts in meaning, out of the whole catalogue: no filter and no user bears on them."""

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.names import PADDING_ROW
from app.artifact.rank_features import CandidateList
from app.artifact.rank_tables import RankTables
from app.engine.candidates import Source
from app.engine.kernels.cosines import cosines_of
from app.engine.requests import blank_batch
from app.engine.retriever import Retrieves
from app.engine.text.hits import NearItems

NEAREST: Final = 200
"""Items that a text may find by meaning alone."""


@dataclass(frozen=True)
class Nearest:
    """Looks for the nearest items of texts.

    Args:
        retriever: searches all items.
        tables: with the vectors of the items.
        window: events of a request.
    """

    retriever: Retrieves
    tables: RankTables
    window: int

    def __call__(self, vectors: NDArray[np.float32]) -> list[NearItems]:
        """The items nearest to each vector, `[n, dim]`; none for a vector of zeros."""
        near = [NearItems.none()] * len(vectors)
        with_meaning = np.flatnonzero(vectors.any(axis=1))
        if not len(with_meaning):
            return near
        given = vectors[with_meaning]
        batch = blank_batch(len(given), self.window, vectors.shape[1])
        batch = replace(batch, given_query=given, given=np.ones(len(given), dtype=np.bool_))
        near_rows = self.retriever.run(batch, NEAREST).rows
        lists = [rows[rows != PADDING_ROW] for rows in near_rows]
        offsets = offsets_of([len(rows) for rows in lists])
        candidates = CandidateList(
            request_index=np.repeat(np.arange(len(lists)), np.diff(offsets)),
            rows=np.concatenate(lists),
            sources=np.full(int(offsets[-1]), Source.RETRIEVAL, dtype=np.uint8),
            offsets=offsets,
        )
        cosines = cosines_of(self.tables, candidates, given)
        for index, request in enumerate(with_meaning.tolist()):
            part = candidates.part(index)
            near[request] = NearItems(candidates.rows[part], cosines[part])
        return near
