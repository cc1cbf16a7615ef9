"""Facets: how many items of a set have each value of a column, exactly."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.column_view import AnyColumn

MOST_VALUES: Final = 100
"""Limit of the values of one column, the most frequent first."""


def facet_of(column: AnyColumn, mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Values with their counts, the most frequent first and equal counts by value; at most `MOST_VALUES`.

    An item counts once for each of its values; with a category it counts for those above it, too. A column of numbers
    has one entry, from the least to the largest; none where no item has a number.

    Args:
        mask: `[rows]`, the items to count.
    """
    if column.kind == "number":
        number_range = column.range_of(mask)
        if number_range is None:
            return []
        least, largest, count = number_range
        return [{"from": least, "to": largest, "count": count}]
    counts = column.counts(mask)
    best = np.argsort(-counts, kind="stable")[:MOST_VALUES]  # values are in their order
    return [{"value": column.value_of(code), "count": int(counts[code])} for code in best.tolist() if counts[code]]
