"""The features of order and time that a ranker must not read, since the log that it learns from has neither."""

from app.artifact.rank_features import OF_ORDER, OF_TIME
from offline.dataset.split_meta import SplitMeta


def senseless_features(meta: SplitMeta) -> tuple[str, ...]:
    """The features that say nothing in this log, although the events of a live user will have an order and times."""
    return (*(() if meta.has_order else OF_ORDER), *(() if meta.has_time else OF_TIME))
