"""Users who make up more of a log than a person does."""

from typing import Final

import polars as pl

LEAST_SHARE: Final = 0.02  # of all events
LEAST_TIMES: Final = 20  # the events of a user on average, of those with fewer
MOST_OF_USERS: Final = 0.2  # more are no few robots among people
SMALL_LOG: Final = 1_000  # events: below, a few customers may well make up the log
MOST_USERS: Final = 20


def heavy_users(events: pl.LazyFrame) -> dict[str, int]:
    """The events of each user with `LEAST_SHARE` of a log and `LEAST_TIMES` the mean of the lighter, heaviest first.

    `MOST_USERS` at most, and none in a log of less than `SMALL_LOG` events. `events` holds a column `user_id`.
    """
    users = events.group_by("user_id").len().collect(engine="streaming")
    total = int(users["len"].sum())
    if total < SMALL_LOG:
        return {}
    ranked = users.sort("len", "user_id", descending=[True, False]).with_row_index("above")
    lighter = (total - pl.col("len").cum_sum()) / (users.height - 1 - pl.col("above"))
    stands_out = (pl.col("len") > LEAST_SHARE * total) & (pl.col("len") > LEAST_TIMES * lighter)
    is_among_few = pl.col("above") < max(1.0, MOST_OF_USERS * users.height)
    last = ranked.filter(stands_out & is_among_few).get_column("above").max()
    heaviest = ranked.head(min(MOST_USERS, last + 1) if isinstance(last, int) else 0)
    return dict(heaviest.select("user_id", "len").iter_rows())
