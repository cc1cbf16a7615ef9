"""The items nearest to query vectors: int8 products with all of them, and the best."""

import ctypes
from ctypes import byref, c_int64, c_void_p
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.rank_features import quantised_queries
from app.engine.kernels.library import Library, address, contiguous, library
from app.engine.kernels.search import BestItems, Products, numpy_best_items

LARGEST_DIM: Final = 1_024
"""Numbers of a vector up to which products are whole in float32."""


class _Vectors(ctypes.Structure):
    _fields_ = (
        ("vectors", c_void_p),
        ("scales", c_void_p),
        *((name, c_int64) for name in ("rows", "dim", "level")),
    )


@dataclass(frozen=True, eq=False)
class ItemVectors:
    """What queries are multiplied with."""

    codes: NDArray[np.int8]  # [rows, dim], dim at most `LARGEST_DIM`
    score_scales: NDArray[np.float32]  # [rows]; a score is product times unit of the query times scale

    def nearest(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_], exclude_rows: NDArray[np.int64]
    ) -> BestItems:
        """The `k` items with the best scores of each query vector, `[batch, dim]`.

        Args:
            k: at most the number of rows.
            allowed: `[1 or batch, rows]`, which items may be answered.
            exclude_rows: `[batch, excluded]` rows that must not be; 0 and rows that there are not pad.
        """
        compiled = library()
        if compiled is None:
            return self.numpy_nearest(queries, k, allowed, exclude_rows)
        return self._compiled_nearest(compiled, queries, k, allowed, exclude_rows)

    def numpy_nearest(
        self, queries: NDArray[np.float32], k: int, allowed: NDArray[np.bool_], exclude_rows: NDArray[np.int64]
    ) -> BestItems:
        """As `nearest`, by NumPy."""
        codes, units = quantised_queries(queries)
        products = (codes @ self.codes.astype(np.float32).T).astype(np.int32)
        may = np.array(np.broadcast_to(allowed, products.shape))
        request, place = np.nonzero(exclude_rows < len(self.codes))
        may[request, exclude_rows[request, place]] = False
        return numpy_best_items(Products(products, units, self.score_scales), k, may, exclude_rows[:, :0])

    def _compiled_nearest(
        self,
        compiled: Library,
        queries: NDArray[np.float32],
        k: int,
        allowed: NDArray[np.bool_],
        exclude_rows: NDArray[np.int64],
    ) -> BestItems:
        structure, _ = self._readable
        batch, excluded = exclude_rows.shape
        if allowed.shape[1] != structure.rows or queries.shape != (batch, structure.dim):
            raise IndexError(
                f"expected a mask of {structure.rows} rows and {batch} queries of {structure.dim} numbers, got "
                f"{allowed.shape[1]} and {queries.shape}"
            )
        allowed = allowed if allowed.strides[1] == 1 else np.ascontiguousarray(allowed)
        queries, exclude_rows = contiguous(queries, np.float32), contiguous(exclude_rows, np.int64)
        scores, best = np.empty((batch, k), dtype=np.float32), np.empty((batch, k), dtype=np.int64)
        size = compiled.nearest_scratch(batch, structure.rows, structure.dim, excluded, k)
        scratch = np.empty(size // 8 + 1, dtype=np.uint64)
        compiled.nearest_items(
            byref(structure),
            batch,
            *(address(queries), address(allowed), 0 if len(allowed) == 1 else allowed.strides[0]),
            *(address(exclude_rows), excluded, k, address(scores), address(best), address(scratch)),
        )
        return scores, best

    @cached_property
    def _readable(self) -> tuple[_Vectors, tuple[NDArray[Any], ...]]:
        """The vectors as the kernel reads them, and the arrays that it points into."""
        codes, scales = contiguous(self.codes, np.int8), contiguous(self.score_scales, np.float32)
        if codes.ndim != 2 or scales.shape != codes.shape[:1] or codes.shape[1] > LARGEST_DIM:
            raise IndexError(f"expected vectors of at most {LARGEST_DIM} numbers and a scale each")
        return _Vectors(address(codes), address(scales), *codes.shape, product_level()), (codes, scales)


def product_level() -> int:
    """What the kernels multiply bytes by on this machine: 0 nothing made for it, 1 AVX2, 2 VNNI."""
    compiled = library()
    return 0 if compiled is None else int(compiled.product_level())
