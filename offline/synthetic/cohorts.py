"""Large logs of a made-up shop, one cohort of shoppers after the other, so that memory does not grow with the log."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from offline.synthetic.catalogue import Ints
from offline.synthetic.sessions import Log, Shop, make_log
from offline.synthetic.shoppers import Shoppers
from offline.workspace.progress import Progress, silent

COHORT_EVENTS = 1_000_000
"""About so many events are made at once; a shop with no more is made whole."""


@dataclass(frozen=True)
class Cohort:
    """The log of some shoppers: `users` are their rows among all, and `log.user` counts from 0 among them.

    Sessions are numbered through over all cohorts.
    """

    users: Ints
    log: Log


def make_cohorts(events: int, shop: Shop, rng: np.random.Generator, *, progress: Progress) -> Iterator[Cohort]:
    """About `events` events over all cohorts, each cohort in the order of time; its own generator draws it."""
    users = shop.shoppers.activity.size
    count = min(users, max(1, -(-events // COHORT_EVENTS)))
    bounds = np.linspace(0, users, count + 1).astype(np.int64)
    sessions = 0
    for number, own in enumerate(rng.spawn(count)):
        start, end = int(bounds[number]), int(bounds[number + 1])
        progress(number, count, "letting shoppers browse")
        cohort_events = events * end // users - events * start // users
        cohort_shop = replace(shop, shoppers=_slice(shop.shoppers, start, end))
        log = make_log(cohort_events, cohort_shop, own, progress=silent)
        yield Cohort(np.arange(start, end), replace(log, session=log.session + sessions))
        sessions += int(log.session.max(initial=-1)) + 1
    progress(count, count, "letting shoppers browse")


def _slice(shoppers: Shoppers, start: int, end: int) -> Shoppers:
    activity = shoppers.activity[start:end]
    return Shoppers(
        tastes=shoppers.tastes[start:end],
        style=shoppers.style[start:end],
        budget=shoppers.budget[start:end],
        activity=activity / activity.sum(),
    )
