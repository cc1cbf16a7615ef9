"""The ids of items, as filters name them: an allow-list of ids is a usual wish."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from app.artifact.filter_columns import Kind
from app.artifact.ids import composed_id
from app.engine.catalogue import Items
from app.engine.selection.filters import Comparison

ITEM_ID: Final = "item_id"


@dataclass(frozen=True, eq=False)
class ItemIds:
    """What a filter of `item_id` compares with: one value an item, the very id. Facets and groups do not know it."""

    items: Items
    span: int  # rows of the item tables
    name: str = ITEM_ID
    path: str = ITEM_ID
    kind: Kind = "text"
    kinds: tuple[Kind, ...] = ("text",)

    def passing(self, comparisons: Iterable[Comparison]) -> NDArray[np.bool_]:
        """`[span]`, the items whose id passes all comparisons."""
        passing = np.ones(self.span, dtype=np.bool_)
        for comparison in comparisons:
            value = comparison.value
            if comparison.operator == "exists":
                passing &= bool(value)
                continue
            ids = value if isinstance(value, tuple) else (value,)
            chosen = np.zeros(self.span, dtype=np.bool_)
            chosen[self.items.rows_of(composed_id(str(item_id)) for item_id in ids)] = True
            passing &= chosen
        return passing
