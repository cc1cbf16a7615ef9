"""The attributes of a graph: their order, and how rare each is."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Attributes:
    """The attributes that are nodes of a graph, `table`: name, count of those that have it, by node."""

    table: pl.DataFrame

    @classmethod
    def of(cls, names: pl.Series, fewest: int) -> "Attributes":
        """Those that at least `fewest` have, in the order of their names; `names` holds one entry for each of them."""
        counted = names.rename("name").to_frame().group_by("name").agg(count=pl.len())
        return cls(counted.filter(pl.col("count") >= fewest).sort("name"))

    def __len__(self) -> int:
        return self.table.height

    def names(self) -> list[str]:
        """The name of every node."""
        names: list[str] = self.table["name"].to_list()
        return names

    def edges(self, pairs: pl.DataFrame) -> pl.DataFrame:
        """The `pairs` (column `name`) whose attribute is a node, with its number `attribute` and their `weight`.

        Rare attributes say more: an edge weighs the inverse root of the count.
        """
        numbered = self.table.with_row_index("attribute").with_columns(weight=1 / pl.col("count").sqrt())
        return pairs.join(numbered.select("name", "attribute", "weight"), on="name")
