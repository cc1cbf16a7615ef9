"""What a shopper finds in a made-up shop: what is popular now, and what lies next to an item."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from offline.synthetic.catalogue import Catalogue, Floats, Ints

NEIGHBOURS = 10
PERIODS = 12
"""Popularity is redrawn this many times over the whole log."""

_CHUNK = 1024
_COMPARED = 4096
"""Items of a category that are compared each with each."""


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
        for part in _alike(catalogue.style, members):
            near[part] = part[_nearest(catalogue.style[part].astype(np.float32))]
    return near


def _alike(style: Floats, members: Ints) -> list[Ints]:
    """`members` in parts of few enough to compare each with each, of items that are more alike than others.

    A part that is too large is halved where its styles differ most.
    """
    if members.size <= _COMPARED:
        return [members]
    widest = int(np.ptp(style[members], axis=0).argmax())
    order = np.argsort(style[members, widest], kind="stable")
    middle = members.size // 2
    return [part for half in (order[:middle], order[middle:]) for part in _alike(style, np.sort(members[half]))]


def _nearest(style: NDArray[np.float32]) -> Ints:
    """`[items, 10]` the others of the most alike style; they are repeated where there are fewer."""
    length = (style**2).sum(axis=1)
    keep = min(NEIGHBOURS, len(style) - 1)
    nearest = np.empty((len(style), NEIGHBOURS), dtype=np.int64)
    for start in range(0, len(style), _CHUNK):
        rows = np.arange(start, min(start + _CHUNK, len(style)))
        distance = length - 2 * style[rows] @ style.T
        distance[np.arange(rows.size), rows] = np.inf
        best = np.argpartition(distance, keep - 1, axis=1)[:, :keep]
        best = np.take_along_axis(best, np.argsort(np.take_along_axis(distance, best, 1), axis=1), 1)
        nearest[rows] = best[:, np.arange(NEIGHBOURS) % keep]
    return nearest
