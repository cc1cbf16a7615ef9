"""Events that were taken back, in a log that is cut: what is known of an undo begins with the undo.

An event and the row that took it back, its undo, share a number in `pair`. Where both are in one part, both are gone.
An event whose undo is in another part stays what it was: whoever looks at its part cannot know of the undo yet.
"""

from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from offline.ingest.undo_events import PAIR, UNDO
from offline.split import cuts
from offline.split.coded_events import CodedEvents

STANDS: Final = pl.col(PAIR).is_null()
"""Whether a row is an event that is not taken back, where there is a column `pair`."""


def with_undone(coded: CodedEvents) -> pl.DataFrame:
    """The events; where some were taken back, these and their undos among them, with columns `pair` and `undo`."""
    if coded.undone is None:
        return coded.events
    nothing = pl.lit(None, coded.undone.schema[PAIR]).alias(PAIR), pl.lit(value=False).alias(UNDO)
    return pl.concat([coded.events.with_columns(nothing), coded.undone]).sort("user_id", "order")


def without_pairs(events: pl.DataFrame, *, open_part: str | None = None) -> pl.DataFrame:
    """The events without pairs of one `part`; of other pairs the event stays, as any other does.

    Pairs of the part `open_part` are left as they are, since it will be cut again. Otherwise nothing of pairs is left.
    """
    if PAIR not in events.columns:
        return events
    undos = events.filter(pl.col(UNDO)).select(PAIR, pl.col("part").alias("undone_in"))
    marked = events.join(undos, on=PAIR, how="left", maintain_order="left")
    together = (pl.col("undone_in") == pl.col("part")).fill_null(value=False)
    if open_part is None:
        return marked.filter(~pl.col(UNDO) & ~together).drop("undone_in", PAIR, UNDO)
    is_open = together & (pl.col("part") == open_part)
    opened = marked.filter(is_open | (~pl.col(UNDO) & ~together))
    return opened.with_columns(pl.when(is_open).then(PAIR).alias(PAIR)).drop("undone_in")


def hold_last(
    events: pl.DataFrame,
    rows: NDArray[np.bool_],
    findable: pl.Expr,
    rng: np.random.Generator,
    *,
    unseen: bool = False,
    min_events: int = cuts.MIN_EVENTS_NEXT_ITEM,
    max_users: int | None = None,
) -> NDArray[np.bool_]:
    """As `cuts.last_item` among some rows of `events`, `[rows]`; what was taken back is nobody's target.

    Pairs go with the target of their user: what is later than it is held out, and with `unseen` what is on its item.
    `findable` may use `fresh`: the user had not purchased the item before.
    """
    stands = rows if PAIR not in events.columns else rows & events.select(STANDS).to_series().to_numpy()
    some = events if stands.all() else events.filter(stands)
    some = some.with_columns(cuts.not_bought_before(some))
    last = cuts.last_item(some, findable, rng, unseen=unseen, min_events=min_events, max_users=max_users)
    held = np.zeros(events.height, dtype=np.bool_)
    held[stands] = last.to_numpy()
    if stands is rows:
        return held
    targets = some.filter(last & some.select(findable).to_series())
    begins = targets.group_by("user_id").agg(
        pl.col("order").max().alias("from"), pl.col("item_id").sort_by("order").last().alias("held_item")
    )
    placed = events.select("user_id", "item_id", "order").join(begins, on="user_id", how="left", maintain_order="left")
    follows = pl.col("order") > pl.col("from")
    if unseen:
        follows |= pl.col("item_id") == pl.col("held_item")
    followers: NDArray[np.bool_] = placed.select(follows.fill_null(value=False)).to_series().to_numpy()
    return np.asarray(held | (rows & ~stands & followers))
