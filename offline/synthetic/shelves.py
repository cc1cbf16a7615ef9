"""What a shopper finds in a made-up shop: what is popular now, and what lies next to an item."""

from dataclasses import dataclass

import numpy as np

from offline.synthetic.catalogue import Catalogue, Floats, Ints

NEIGHBOURS = 10
PERIODS = 12
"""Popularity is redrawn this many times over the whole log."""

_CHUNK = 1024


@dataclass(frozen=True)
class Shelves:
    """`order` [items]: items by category. `start`, `end` [categories]: their places in it. `popular` [12, items]:
    running totals of popularity in that order. `near` [items, 10]: items of the same category, the most alike first.
    `related` [categories]: where shoppers wander to.
    """

    order: Ints
    start: Ints
    end: Ints
    popular: Floats
    near: Ints
    related: Ints


def make_shelves(catalogue: Catalogue, rng: np.random.Generator) -> Shelves:
    """Shelves of all items but the new ones, which lie on none."""
    items = catalogue.category.size
    # New items come first in their category and weigh nothing, so the last place of a category is never a new one.
    order = np.lexsort((np.arange(items), ~catalogue.is_new, catalogue.category))
    sizes = np.bincount(catalogue.category, minlength=catalogue.n_categories)
    end = np.cumsum(sizes)
    lasting = 1.0 / (1 + rng.permutation(items)) ** 0.8
    peak = rng.uniform(0, PERIODS, items)
    season = 0.2 + np.exp(-((np.arange(PERIODS)[:, None] - peak) ** 2) / (2 * 2.0**2))
    weight = np.where(catalogue.is_new, 0.0, lasting * season)
    n = catalogue.n_categories
    return Shelves(
        order=order,
        start=end - sizes,
        end=end,
        popular=np.cumsum(weight[:, order], axis=1),
        near=_near(catalogue),
        related=np.where(np.arange(n) % 4 == 3, np.arange(n) - 3, (np.arange(n) + 1) % n),
    )


def draw_popular(shelves: Shelves, category: Ints, period: Ints, rng: np.random.Generator) -> Ints:
    """An item for each pair of `category` and `period` [draws], in proportion to its popularity then and there."""
    chosen = np.empty(category.size, dtype=np.int64)
    for now in np.unique(period):
        rows = np.flatnonzero(period == now)
        totals = shelves.popular[now]
        start, end = shelves.start[category[rows]], shelves.end[category[rows]]
        low = np.where(start > 0, totals[start - 1], 0.0)
        aim = low + rng.random(rows.size) * (totals[end - 1] - low)
        chosen[rows] = shelves.order[np.clip(np.searchsorted(totals, aim, side="right"), start, end - 1)]
    return chosen


def _near(catalogue: Catalogue) -> Ints:
    near = np.zeros((catalogue.category.size, NEIGHBOURS), dtype=np.int64)
    for category in range(catalogue.n_categories):
        members = np.flatnonzero((catalogue.category == category) & ~catalogue.is_new)
        style = catalogue.style[members].astype(np.float32)
        length = (style**2).sum(axis=1)
        keep = min(NEIGHBOURS, members.size - 1)
        for start in range(0, members.size, _CHUNK):
            rows = np.arange(start, min(start + _CHUNK, members.size))
            distance = length - 2 * style[rows] @ style.T
            distance[np.arange(rows.size), rows] = np.inf
            best = np.argpartition(distance, keep - 1, axis=1)[:, :keep]
            best = np.take_along_axis(best, np.argsort(np.take_along_axis(distance, best, 1), axis=1), 1)
            near[members[rows]] = members[best[:, np.arange(NEIGHBOURS) % keep]]
    return near
