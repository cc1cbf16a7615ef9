"""The people of a made-up shop: which categories, styles and prices each of them likes."""

from dataclasses import dataclass

import numpy as np

from offline.synthetic.catalogue import STYLE_DIM, Catalogue, Floats, Ints
from offline.synthetic.words import CATEGORIES

TASTES = 4
_TASTE_SHARES = np.array([0.5, 0.25, 0.15, 0.1])


@dataclass(frozen=True)
class Shoppers:
    """`tastes` [users, 4]: favourite categories, the dearest first. `style` [users, 8]. `budget` [users]: a factor on
    the usual price. `activity` [users]: expected share of all sessions.
    """

    tastes: Ints
    style: Floats
    budget: Floats
    activity: Floats


def make_shoppers(users: int, catalogue: Catalogue, rng: np.random.Generator) -> Shoppers:
    """`users` people with tastes: the first two favourites share a department, the others are anywhere."""
    n = catalogue.n_categories
    tastes = rng.integers(n, size=(users, TASTES))
    department = np.unique([CATEGORIES[c].department for c in range(n)], return_inverse=True)[1]
    partner = np.array([rng.choice(np.flatnonzero(department == department[c])) for c in range(n)])
    tastes[:, 1] = partner[tastes[:, 0]]
    activity = np.exp(rng.normal(0, 0.8, users))
    return Shoppers(
        tastes=tastes,
        style=rng.normal(0, 1, (users, STYLE_DIM)) / np.sqrt(STYLE_DIM),
        budget=np.exp(rng.normal(0, 0.35, users)),
        activity=activity / activity.sum(),
    )


def draw_taste(shoppers: Shoppers, user: Ints, rng: np.random.Generator) -> Ints:
    """A category for each of `user` [sessions], drawn from that user's tastes."""
    return shoppers.tastes[user, rng.choice(TASTES, size=user.size, p=_TASTE_SHARES)]
