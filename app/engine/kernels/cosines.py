"""Cosines of queries and the items that are candidates. Their NumPy form is the function of the same name in
`app.artifact`.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import search_features as numpy_form
from app.artifact.rank_features import CandidateList, quantised_queries
from app.artifact.rank_tables import RankTables
from app.engine.kernels.features import KernelTables
from app.engine.kernels.library import address, contiguous, library

_LARGEST_DIM: Final = 1_024  # up to which sums of products of 127 and less are whole in float32, in any order


def cosines_of(tables: RankTables, candidates: CandidateList, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Cosines of queries and items, `[candidates]`, to the last bit those of `app.artifact.search_features`.

    Raises:
        IndexError: a row of a candidate is none of the tables'.
    """
    compiled = library()
    if compiled is None or vectors.shape[1] > _LARGEST_DIM:
        return numpy_form.cosines_of(tables, candidates, vectors)
    codes, units = quantised_queries(vectors)
    codes, units = contiguous(codes, np.float32), contiguous(units, np.float32)
    rows, offsets = contiguous(candidates.rows, np.int64), contiguous(candidates.offsets, np.int64)
    cosines = np.empty(len(rows), dtype=np.float32)
    read = KernelTables.of(tables).structure
    if not compiled.scores_of_candidates(
        *(read.vectors, read.scales, read.rows, read.dim, address(rows), address(offsets), len(vectors)),
        *map(address, (codes, units, cosines)),
    ):
        raise IndexError(f"expected rows below {read.rows}, got another")
    return cosines
