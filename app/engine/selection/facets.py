"""Facets: how many items of a set have each value of a column, exactly."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.engine.selection.filter_columns import Column

MOST_VALUES: Final = 100
"""Values answered of one column, the most frequent first."""


def facet_of(column: Column, mask: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """Values with their counts, the most frequent first, those of one count by value; at most `MOST_VALUES`.

    An item counts once for each of its values, for its category and for all above it. A column of numbers has one
    entry, from the least to the largest; none where no item has a number.

    Args:
        column: of the catalogue.
        mask: `[rows]`, the items that are counted.
    """
    if column.kind == "number":
        found = column.range_of(mask)
        return [] if found is None else [{"from": found[0], "to": found[1], "count": found[2]}]
    counts = column.counts(mask)
    best = np.argsort(-counts, kind="stable")[:MOST_VALUES]  # values stand in their order
    return [{"value": column.value_of(code), "count": int(counts[code])} for code in best.tolist() if counts[code]]
