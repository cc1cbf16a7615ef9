"""Users who make up more of a log than a person does."""

from typing import Final

import polars as pl

LEAST_SHARE: Final = 0.02  # of all events
LEAST_TIMES: Final = 20  # the events of a user on average
SMALL_LOG: Final = 1_000  # events: below, a few customers may well make up the log
MOST_USERS: Final = 20


def heavy_users(events: pl.LazyFrame) -> dict[str, int]:
    """The events of each user with `LEAST_SHARE` of a log and `LEAST_TIMES` the mean, the heaviest first.

    `MOST_USERS` at most, and none in a log of less than `SMALL_LOG` events. `events` holds a column `user_id`.
    """
    users = events.group_by("user_id").len().collect(engine="streaming")
    total = int(users["len"].sum())
    if total < SMALL_LOG:
        return {}
    least = max(LEAST_SHARE * total, LEAST_TIMES * total / users.height)
    heaviest = users.filter(pl.col("len") > least).sort("len", "user_id", descending=[True, False]).head(MOST_USERS)
    return dict(heaviest.iter_rows())
