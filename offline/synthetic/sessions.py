"""What happens in a made-up shop: sessions of views that lead from item to item, to carts and to purchases."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from app.artifact.behaviours import CART, PURCHASE, VIEW
from offline.synthetic.catalogue import QUERIES_PER_ITEM, Catalogue, Floats, Ints
from offline.synthetic.shelves import NEIGHBOURS, PERIODS, Shelves, draw_popular
from offline.synthetic.shoppers import Shoppers, draw_taste
from offline.workspace.progress import Progress

DAYS = 60
START = 1_735_689_600
"""The first second of the log, unix time: 2025-01-01 UTC."""
END = START + DAYS * 86_400
"""The second after the last in which a session begins."""

EVENTS_PER_SESSION = 7.0

_DAY_S = 86_400
_MAX_VIEWS = 24
_STOP = 1 / 6
_CANDIDATES = 5
_AGAIN, _NEAR, _POPULAR, _RELATED = 0.10, 0.66, 0.10, 0.08
_RESUME = 0.7
_QUERY_FIRST, _QUERY_MOVED = 0.45, 0.25

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Log:
    """One entry an event: `user`, `item`, `session` (rows of their tables), `type` (1..3), `time` (unix seconds),
    `query` (a row of the catalogue's queries, or -1).
    """

    user: Ints
    item: Ints
    session: Ints
    type: Ints
    time: Ints
    query: Ints


@dataclass(frozen=True)
class Shop:
    """A made-up shop before anything happens in it."""

    catalogue: Catalogue
    shoppers: Shoppers
    shelves: Shelves


@dataclass(frozen=True)
class _Views:
    session: Ints
    item: Ints
    query: Ints


def make_log(events: int, shop: Shop, rng: np.random.Generator, *, progress: Progress) -> Log:
    """About `events` events, in the order of time; every shopper has a session, if so many events allow it."""
    activity = shop.shoppers.activity
    users = activity.size
    spare = max(0, round(1.2 * events / EVENTS_PER_SESSION) - users)
    user = np.concatenate([rng.permutation(users), rng.choice(users, size=spare, p=activity)])
    day = DAYS * rng.beta(1.2, 1.0, user.size)
    second = np.clip(rng.normal(17, 4, user.size), 0, 23.9) * 3600
    begin = START + day.astype(np.int64) * _DAY_S + second.astype(np.int64)
    period = np.minimum((day / DAYS * PERIODS).astype(np.int64), PERIODS - 1)
    last = np.full(users, -1, dtype=np.int64)
    steps: list[_Views] = []
    done = 0
    for sessions in _rounds(user, begin):
        progress(done, user.size, "letting shoppers browse")
        steps += _walk(sessions, user[sessions], period[sessions], last, shop, rng)
        done += sessions.size
    progress(done, user.size, "letting shoppers browse")
    log = _funnel(steps, user, begin, shop, rng)
    fits = np.cumsum(np.bincount(log.session, minlength=user.size)) <= events
    fits[: min(users, user.size)] |= events >= users
    rows = np.flatnonzero(fits[log.session])
    rows = rows[np.lexsort((rows, log.session[rows], log.time[rows]))]
    return Log(log.user[rows], log.item[rows], log.session[rows], log.type[rows], log.time[rows], log.query[rows])


def _rounds(user: Ints, begin: Ints) -> list[Ints]:
    """The sessions [rows] that are somebody's first, then those that are somebody's second, and so on."""
    order = np.lexsort((begin, user))
    owner = user[order]
    first = np.flatnonzero(np.concatenate([[True], owner[1:] != owner[:-1]]))
    nth = np.empty(user.size, dtype=np.int64)
    nth[order] = np.arange(user.size) - np.repeat(first, np.diff(np.concatenate([first, [user.size]])))
    by_nth = np.argsort(nth, kind="stable")
    return np.split(by_nth, np.cumsum(np.bincount(nth))[:-1])


def _walk(sessions: Ints, user: Ints, period: Ints, last: Ints, shop: Shop, rng: np.random.Generator) -> list[_Views]:
    """The views of `sessions`: all first ones, all second ones, and so on, each of the sessions that last so long.

    `user` and `period` are those of `sessions`. `last` [users] is where everybody stopped last time, -1 for nowhere;
    it is brought up to date.
    """
    length = np.minimum(rng.geometric(_STOP, sessions.size), _MAX_VIEWS)
    trail = np.full((sessions.size, _MAX_VIEWS), -1, dtype=np.int64)
    steps = []
    for step in range(int(length.max())):
        live = np.flatnonzero(length > step)
        if step == 0:
            item, asks = _first_views(user, period, last[user], shop, rng)
        else:
            item, asks = _next_views(trail[live, :step], user[live], period[live], shop, rng)
        trail[live, step] = item
        query = np.where(asks, item * QUERIES_PER_ITEM + rng.integers(QUERIES_PER_ITEM, size=live.size), -1)
        steps.append(_Views(sessions[live], item, query))
    last[user] = trail[np.arange(sessions.size), length - 1]
    return steps


def _first_views(user: Ints, period: Ints, last: Ints, shop: Shop, rng: np.random.Generator) -> tuple[Ints, Flags]:
    """Where sessions begin: near the `last` item of the one before, or at something that the user likes."""
    resumes = (last >= 0) & (rng.random(user.size) < _RESUME)
    item = np.empty(user.size, dtype=np.int64)
    item[resumes] = _neighbour(last[resumes], user[resumes], shop, rng)
    fresh = ~resumes
    item[fresh] = _favourite(draw_taste(shop.shoppers, user[fresh], rng), user[fresh], period[fresh], shop, rng)
    return item, rng.random(user.size) < _QUERY_FIRST


def _next_views(trail: Ints, user: Ints, period: Ints, shop: Shop, rng: np.random.Generator) -> tuple[Ints, Flags]:
    """The item after each `trail` [sessions, views so far], and whether a query led there."""
    previous = trail[:, -1]
    item = _neighbour(previous, user, shop, rng)
    bound = np.cumsum([_AGAIN, _NEAR, _POPULAR, _RELATED])
    draw = rng.random(user.size)
    again = np.flatnonzero(draw < bound[0])
    item[again] = trail[again, (rng.random(again.size) * trail.shape[1]).astype(np.int64)]
    moved = draw >= bound[1]
    rows = np.flatnonzero(moved)
    category = shop.catalogue.category[previous[rows]]
    category = np.where(draw[rows] < bound[2], category, shop.shelves.related[category])
    elsewhere = draw[rows] >= bound[3]
    category = np.where(elsewhere, draw_taste(shop.shoppers, user[rows], rng), category)
    item[rows] = _favourite(category, user[rows], period[rows], shop, rng)
    return item, moved & (rng.random(user.size) < _QUERY_MOVED)


def _neighbour(item: Ints, user: Ints, shop: Shop, rng: np.random.Generator) -> Ints:
    """An item much like each of `item` [draws], the nearest the likeliest, with an eye to the user's style."""
    near = shop.shelves.near[item]
    style = np.einsum("snd,sd->sn", shop.catalogue.style[near], shop.shoppers.style[user])
    score = np.arange(NEIGHBOURS) * np.log(0.6) + 0.5 * style + rng.gumbel(size=style.shape)
    return np.take_along_axis(near, score.argmax(axis=1)[:, None], axis=1)[:, 0]


def _favourite(category: Ints, user: Ints, period: Ints, shop: Shop, rng: np.random.Generator) -> Ints:
    """Of a few popular items of `category` [draws], the one that suits the user's style and budget best."""
    wide = np.repeat(category, _CANDIDATES), np.repeat(period, _CANDIDATES)
    items = draw_popular(shop.shelves, *wide, rng).reshape(category.size, _CANDIDATES)
    liking = _fit(items, user[:, None], shop) + rng.gumbel(size=items.shape)
    return np.take_along_axis(items, liking.argmax(axis=1)[:, None], axis=1)[:, 0]


def _fit(items: Ints, user: Ints, shop: Shop) -> Floats:
    """How well each of `items` suits its `user`, in the shape of `items`; about 0 on average."""
    style = (shop.catalogue.style[items] * shop.shoppers.style[user]).sum(axis=-1)
    off_budget = np.abs(shop.catalogue.dearness[items] - np.log(shop.shoppers.budget)[user])
    fit: Floats = 1.5 * style - off_budget
    return fit


def _funnel(steps: list[_Views], user: Ints, begin: Ints, shop: Shop, rng: np.random.Generator) -> Log:
    """The events of all views: each a view, some a cart after it, and some of these a purchase."""
    session = np.concatenate([views.session for views in steps])
    item = np.concatenate([views.item for views in steps])
    query = np.concatenate([views.query for views in steps])
    time = np.empty(session.size, dtype=np.int64)
    clock = begin.copy()
    start = 0
    for views in steps:
        end = start + views.session.size
        time[start:end] = clock[views.session]
        clock[views.session] += 10 + rng.exponential(50, views.session.size).astype(np.int64)
        start = end
    fit = _fit(item, user[session], shop)
    carted = np.flatnonzero(rng.random(item.size) < 1 / (1 + np.exp(2.6 - fit)))
    bought = carted[rng.random(carted.size) < 0.45]
    view = np.concatenate([np.arange(item.size), carted, bought])
    kind = np.repeat([VIEW, CART, PURCHASE], [item.size, carted.size, bought.size])
    return Log(user[session[view]], item[view], session[view], kind, time[view] + 3 * (kind - 1), query[view])
