"""The ways to cut a log in two: what was known, and what is held out.

Events are sorted by (user_id, order). A cut returns one boolean a row: held out or not.
"""

from itertools import pairwise

import numpy as np
import polars as pl

from app.artifact.behaviours import PURCHASE
from offline.errors import DatasetError
from offline.split.coded_events import PARTS

USERS_SHARE = 0.1
LEAST_USERS, MOST_USERS = 2_000, 5_000
MOST_USERS_SHARE = 0.5
ITEMS_SHARE = 0.2
MIN_EVENTS_NEXT_ITEM = 3
QUERIES_SHARE = 0.2
QUERY_EVENTS_SHARE = 0.1
NEW_PAIRS_SHARE = 0.3
MOST_NEW_PAIRS = 20_000
ONE_QUERY_SHARE = 0.02
"""Of the events; a query that more have is one that everybody knows, never a new one, unless all are like it."""

_HELD = "held_out"
_PAIR = ("user_id", "item_id", "type", "order")
RANGE_EVENTS = 2_000_000


def time_of_share(times: pl.Series, share: float) -> float:
    """The clock time (unix seconds) strictly before which about `share` of `times` lie.

    Raises:
        DatasetError: nothing lies before it.
    """
    ordered = times.drop_nulls().sort()
    if ordered.is_empty():
        raise DatasetError("expected clock times to split by, got none: split by `last` or `random` instead")
    cut = float(ordered[min(int(share * ordered.len()), ordered.len() - 1)])
    if cut <= ordered[0]:
        raise DatasetError(
            f"expected events before the cut at a share of {share:g}, got none "
            f"(too many of the {ordered.len()} times are the same): "
            "split by a larger share, by `last` or by `random`"
        )
    return cut


def validation_users(users: int) -> int:
    """How many of so many users validate: a tenth, but at least `LEAST_USERS` and at most `MOST_USERS`.

    Choices are made and the ranker learns by them, so that a small set gives a larger share, up to half.
    """
    count = min(max(int(users * USERS_SHARE), LEAST_USERS), MOST_USERS)
    return max(1, min(count, int(users * MOST_USERS_SHARE)))


def last_item(
    events: pl.DataFrame,
    is_target: pl.Expr,
    rng: np.random.Generator,
    *,
    unseen: bool = False,
    min_events: int = MIN_EVENTS_NEXT_ITEM,
    max_users: int | None = None,
) -> pl.Series:
    """Held out: the last target event of sampled users, and all that follows it; everybody keeps an event.

    With `unseen`, the user's earlier events on that item are held out too: a ranking that hides seen items
    could never show it. Users with fewer than `min_events` events are never sampled; at most `max_users` are.
    """
    placed = events.select(
        "user_id",
        "item_id",
        pl.int_range(pl.len()).over("user_id").alias("index"),
        pl.len().over("user_id").alias("of"),
        is_target.alias("is_target"),
    )
    last = (
        placed.filter(pl.col("is_target") & (pl.col("index") > 0) & (pl.col("of") >= min_events))
        .group_by("user_id")
        .agg(pl.col("index").max().alias("from"), pl.col("item_id").sort_by("index").last().alias("held_item"))
    )
    again = (pl.col("item_id") == pl.col("held_item")) if unseen else pl.lit(value=False)
    placed = placed.join(last, on="user_id", how="left", maintain_order="left").with_columns(
        ((pl.col("index") >= pl.col("from")) | again).fill_null(value=False).alias(_HELD)
    )
    able = (
        placed.group_by("user_id")
        .agg(pl.col(_HELD).any().alias("any"), pl.col(_HELD).all().alias("all"))
        .filter(pl.col("any") & ~pl.col("all"))
        .sort("user_id")
        .select("user_id", pl.lit(value=True).alias("chosen"))
    )
    chosen = _sample(able, rng, max_users)
    held = placed.join(chosen, on="user_id", how="left", maintain_order="left")
    return held.select((pl.col(_HELD) & pl.col("chosen")).fill_null(value=False)).to_series()


def some_items(
    events: pl.DataFrame,
    is_target: pl.Expr,
    rng: np.random.Generator,
    *,
    items_share: float = ITEMS_SHARE,
    unseen: bool = True,
    max_users: int | None = None,
) -> pl.Series:
    """Held out: every event of sampled users on a random `items_share` of their distinct items of target events.

    Without `unseen`, the target events on them alone. Users with a single such item are never sampled; at most
    `max_users` are. At least one item is held out and one is left.
    """
    pairs = events.filter(is_target).select("user_id", "item_id").unique().sort("user_id", "item_id")
    able = pairs.group_by("user_id").len("of").filter(pl.col("of") >= 2).sort("user_id")
    chosen = _sample(able, rng, max_users)
    drawn = pairs.join(chosen, on="user_id", how="inner", maintain_order="left")
    drawn = drawn.with_columns(pl.Series("draw", rng.random(drawn.height), pl.Float64))
    quota = (pl.col("of") * items_share).floor().clip(1, None)
    taken = drawn.filter(pl.col("draw").rank("ordinal").over("user_id") <= quota)
    return _on_pairs(events, taken, is_target, unseen=unseen)


def new_queries(
    events: pl.DataFrame,
    is_target: pl.Expr,
    keys: pl.Series,
    rng: np.random.Generator,
    *,
    queries_share: float = QUERIES_SHARE,
    events_share: float = QUERY_EVENTS_SHARE,
    pairs_share: float = NEW_PAIRS_SHARE,
) -> tuple[pl.Series, pl.Series]:
    """Which rows have a query that is to be new, and which are held out to be searched by it.

    New are a random `queries_share` of the queries, none of which has many of the events (see `ONE_QUERY_SHARE`), nor
    all together more than `events_share`. Held out is a random `pairs_share` of the pairs of user and item that such a
    query led to, with all the pair's events, since a ranking would find the item in the history. Every item and every
    user keeps at least one of those pairs. `keys` are the queries of the rows, null without one; equal for equal ones.
    """
    rows = events.select("user_id", "item_id", keys.alias("key"), is_target.alias("is_target"))
    is_searched = pl.col("is_target") & pl.col("key").is_not_null()
    sizes = rows.filter(is_searched).group_by("key").len("size").sort("key")
    most = max(ONE_QUERY_SHARE, 1 / max(sizes.height, 1)) * events.height
    drawn = sizes[rng.permutation(sizes.height)].filter(pl.col("size") <= most)
    drawn = drawn.filter(pl.col("size").cum_sum() <= events_share * events.height)
    drawn = drawn.head(int(queries_share * sizes.height))
    new = rows.get_column("key").is_in(drawn.get_column("key").implode()).fill_null(value=False)
    pairs = rows.filter(new & is_searched).select("user_id", "item_id").unique().sort("user_id", "item_id")
    pairs = pairs.with_columns(pl.Series("draw", rng.random(pairs.height), pl.Float64))
    later = [pl.col("draw") > pl.col("draw").min().over(name) for name in ("user_id", "item_id")]
    chosen = pairs.filter((pl.col("draw") >= 1 - pairs_share) & later[0] & later[1]).tail(MOST_NEW_PAIRS)
    held = events.select("user_id", "item_id").join(
        chosen.select("user_id", "item_id", pl.lit(value=True).alias(_HELD)),
        on=["user_id", "item_id"],
        how="left",
        maintain_order="left",
    )
    return new, held.get_column(_HELD).fill_null(value=False)


def any_item(
    events: pl.DataFrame,
    is_target: pl.Expr,
    rng: np.random.Generator,
    *,
    unseen: bool = False,
    max_users: int | None = None,
) -> pl.Series:
    """Held out: the target events of sampled users on one random item each; for histories without an order.

    With `unseen`, all events of the user on that item are held out. Users without an event on another item are never
    sampled; at most `max_users` are.
    """
    pairs = events.filter(is_target).select("user_id", "item_id").unique().sort("user_id", "item_id")
    several = events.group_by("user_id").agg(pl.col("item_id").n_unique().alias("of")).filter(pl.col("of") >= 2)
    able = pairs.join(several, on="user_id", how="semi").select("user_id").unique().sort("user_id")
    drawn = pairs.join(_sample(able, rng, max_users), on="user_id", how="inner", maintain_order="left")
    drawn = drawn.with_columns(pl.Series("draw", rng.random(drawn.height), pl.Float64))
    taken = drawn.filter(pl.col("draw").rank("ordinal").over("user_id") == 1)
    return _on_pairs(events, taken, is_target, unseen=unseen)


def _on_pairs(events: pl.DataFrame, pairs: pl.DataFrame, is_target: pl.Expr, *, unseen: bool) -> pl.Series:
    """Which rows are on one of the `pairs` of user and item: all of them, or without `unseen` the targets alone."""
    held = events.select("user_id", "item_id", is_target.alias("is_target")).join(
        pairs.select("user_id", "item_id", pl.lit(value=True).alias(_HELD)),
        on=["user_id", "item_id"],
        how="left",
        maintain_order="left",
    )
    is_held = pl.col(_HELD).fill_null(value=False)
    return held.select(is_held if unseen else is_held & pl.col("is_target")).to_series()


def drawn_order(events: pl.DataFrame, seed: int) -> pl.DataFrame:
    """Events without an order of their own in one that is drawn: `order` counts from 0 for each user.

    The draw depends on the events alone, never on the order of rows, and each value of `split` has its own, so that
    the rows of one move none of another. Times, which test rows alone may have, come before the draw.
    """
    content = ["user_id", "item_id", "type", "query", "time"]
    parts = []
    for (name,), part in events.partition_by("split", as_dict=True).items():
        rng = np.random.default_rng([seed, 5, len(PARTS) if name is None else PARTS.index(str(name))])
        parts.append(part.sort(content).with_columns(pl.Series("draw", rng.random(part.height), pl.Float64)))
    order = pl.int_range(pl.len(), dtype=pl.Int32).over("user_id").alias("order")
    return pl.concat(parts).sort("user_id", "time", "draw").with_columns(order).drop("draw")


def target_rows(events: pl.DataFrame, task: str, eligible: pl.Expr, held_out: pl.Expr) -> pl.Series:
    """Which rows are the targets, among those both `held_out` and `eligible`.

    next_item: the first of each user. all_items: the first of each user and item. search: those with a query,
    the first of each user, query and item.
    """
    keys = {"all_items": ["user_id", "item_id"], "search": ["user_id", "query", "item_id"]}.get(task, ["user_id"])
    is_searched = pl.col("query").is_not_null() if task == "search" else pl.lit(value=True)
    rows = events.lazy().with_row_index("row").filter(held_out & eligible & is_searched).select("row", *keys).collect()
    first = rows.unique(keys, keep="first", maintain_order=True).get_column("row")
    marks = np.zeros(events.height, dtype=np.bool_)
    marks[first.to_numpy()] = True
    return pl.Series("target", marks)


def not_bought_before(events: pl.DataFrame) -> pl.Series:
    """Where the user had not purchased the row's item before that row."""
    bought = pl.col("order").filter(pl.col("type") == PURCHASE).min().over("user_id", "item_id")
    fresh = (bought.is_null() | (bought >= pl.col("order"))).alias("fresh")
    # Some users at a time: the groups of all pairs of user and item at once take several times the events' memory.
    return pl.concat([some.select(fresh).to_series() for some in _by_users(events.select(_PAIR))])


def _by_users(events: pl.DataFrame) -> list[pl.DataFrame]:
    """`events`, sorted by user_id, in pieces of about `RANGE_EVENTS` rows that hold users whole; at least one piece."""
    users = events.get_column("user_id")
    near = users.gather(np.arange(RANGE_EVENTS, len(users), RANGE_EVENTS))
    bounds = [0, *dict.fromkeys(users.search_sorted(near, side="left").to_list()), len(users)]
    return [events[start:end] for start, end in pairwise(bounds)]


def _sample(users: pl.DataFrame, rng: np.random.Generator, at_most: int | None) -> pl.DataFrame:
    """A draw of `users`, all of them at most."""
    count = users.height if at_most is None else min(users.height, at_most)
    return users[np.sort(rng.choice(users.height, size=count, replace=False))] if count else users
