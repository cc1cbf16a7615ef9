"""Events that were taken back: each undo is matched with the event that it takes back."""

from typing import Final

import polars as pl

PAIR: Final = "pair"
"""Of undone events: a number that an event and its undo share."""

UNDO: Final = "undo"

_KIND = ["user", "item", "type"]


def match_undos(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows in their order, with a column `pair`, without the undos that have nothing to take back.

    An undo takes back the last event before it of the same user, item and type that was not taken back yet. Both get
    the same number, which no other rows of `rows` have; all others have null.

    Args:
        rows: user, item, type and `undo`, each user's rows in the order of time.
    """
    if not rows.get_column(UNDO).any():
        return rows.with_columns(pl.lit(None, pl.UInt32).alias(PAIR))
    rows = rows.with_row_index("row")
    kinds = rows.filter(UNDO).select(_KIND).unique()
    some = rows.select("row", *_KIND, UNDO).join(kinds, on=_KIND, how="semi", maintain_order="left")
    # The events that are not taken back lie on a stack: `level` is its height behind each row. An undo of nothing
    # leaves it at 0. An event is taken back where the stack is lower than behind it at any time later.
    total = pl.when(UNDO).then(-1).otherwise(1).cum_sum().over(_KIND).alias("total")
    some = some.with_columns(total)
    some = some.with_columns(low=pl.min_horizontal(pl.col("total").cum_min().over(_KIND), 0))
    some = some.with_columns(level=pl.col("total") - pl.col("low"))
    nothing_left = pl.col(UNDO) & (pl.col("low") < pl.col("low").shift(1, fill_value=0).over(_KIND))
    lowest = pl.col("level").cum_min(reverse=True).over(_KIND)
    some = some.with_columns(lone=nothing_left, stands=~pl.col(UNDO) & (lowest == pl.col("level")))
    pairs = some.filter(~pl.col("lone") & ~pl.col("stands"))
    place = [*_KIND, pl.col("level") + pl.col(UNDO).cast(pl.Int32)]  # an undo ends the event that last came there
    pairs = pairs.with_columns(pl.when(~pl.col(UNDO)).then("row").forward_fill().over(place).alias(PAIR))
    matched = rows.join(some.filter("lone").select("row"), on="row", how="anti", maintain_order="left")
    return matched.join(pairs.select("row", PAIR), on="row", how="left", maintain_order="left").drop("row")
