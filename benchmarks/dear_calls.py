"""Calls that are allowed and cost much, by kind: each as large as a limit lets it be, none like the one before it.

To make one costs as much as to answer it. So some are made beforehand, and a number in them changes from call to call.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import cycle
from typing import Any, Final
from urllib.parse import urlencode

from http_connection import request_of
from open_loop import Call
from shop_calls import Shop

EVENTS: Final = 1_000  # of one call, and of `recent_events`
CONDITIONS: Final = 256  # of one filter
CONDITIONS_IN_ALL: Final = 512
BOOSTS: Final = 20
DEEP: Final = 200  # the largest `k`
QUERY: Final = 512  # characters of a query
MADE: Final = 10  # calls beforehand
_NUMBER: Final = "77777777"  # in texts, numbers and ids of a call that is made beforehand


def dear_calls(kind: str, shop: Shop, seed: int) -> Iterator[Call]:
    """Calls of a kind of `KINDS`, without end."""
    rng = random.Random(seed)
    made = [KINDS[kind](shop, rng, f"{seed}-{number}-{_NUMBER}") for number in range(MADE)]
    for number, calls in enumerate(cycle(made), start=10_000_000 + seed * 1_000_000):
        for call in calls:
            yield replace(call, request=call.request.replace(_NUMBER.encode(), b"%d" % number))


def _recommend(kind: str, status: int = 200, **fields: Any) -> list[Call]:
    return [Call(kind, request_of("POST", "/recommend", fields), status)]


def _conditions(shop: Shop, rng: random.Random, number: int) -> dict[str, Any]:
    """A filter with so many conditions, each of which looks something up."""
    return {
        "any": [
            {"field": "title", "eq": f"{shop.query(rng)} {place} {_NUMBER}"}
            if place % 2
            else {"field": "price", "gte": rng.random(), "lte": float(f"{rng.randrange(1, 1_000)}.{_NUMBER}")}
            for place in range(number)
        ]
    }


def _events(shop: Shop, rng: random.Random, number: int, **who: str) -> list[dict[str, Any]]:
    return [who | {"type": "view", "item_id": rng.choice(shop.items)} for _ in range(number)]


def _deep(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    facets = {"facets": list(shop.facets), "fields": [*shop.fields, *shop.facets]}
    asked = {"k": DEEP, "filter": {"field": "price", "gte": float(f"0.{_NUMBER}")}, "diversity": 1.0}
    grouped = {"k": DEEP, "group_by": "title", "query": shop.query(rng)}
    return [
        *_recommend("deep", **shop.shopper(rng), **asked, **facets),
        *_recommend("deep", **shop.shopper(rng), **grouped, **facets),
        *_recommend(
            "deep",
            k=DEEP,
            sort="price_asc",
            exclude_item_ids=rng.sample(shop.items, min(500, len(shop.items))),
            **facets,
        ),
    ]


def _explain(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    recent = _events(shop, rng, 50)
    return _recommend("explain", k=DEEP, explain=True, query=shop.query(rng), recent_events=recent)


def _filter(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    texts = {"field": "title", "in": [f"{shop.query(rng)} {place} {_NUMBER}" for place in range(1_000)]}
    return [
        *_recommend("filter", **shop.shopper(rng), filter=_conditions(shop, rng, CONDITIONS)),
        *_recommend("filter", **shop.shopper(rng), filter=texts),
    ]


def _boosts(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    each = CONDITIONS_IN_ALL // BOOSTS
    boost = [{"filter": _conditions(shop, rng, each), "factor": 1.5} for _ in range(BOOSTS)]
    return _recommend("boosts", **shop.shopper(rng), boost=boost)


def _too_many_boosts(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    boost = [{"filter": _conditions(shop, rng, CONDITIONS), "factor": 1.5} for _ in range(BOOSTS)]
    return _recommend("boosts past the limit", 422, **shop.shopper(rng), boost=boost)


def _all(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    recent = _events(shop, rng, EVENTS)
    boost = [{"filter": _conditions(shop, rng, 32), "factor": 1.5} for _ in range(7)]
    asked = {"k": DEEP, "explain": True, "query": shop.query(rng), "recent_events": recent, "boost": boost}
    asked |= {"filter": {"not": _conditions(shop, rng, CONDITIONS)}, "diversity": 1.0, "facets": list(shop.facets)}
    return _recommend("all at once", **asked)


def _large_body(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    ids = [f"{rng.random()}".ljust(240, "x") for _ in range(1_000)]
    return _recommend("large bodies", exclude_item_ids=ids, context={"item_ids": [*ids[1:], rng.choice(shop.items)]})


def _thousand_events(shop: Shop, rng: random.Random, name: str) -> list[Call]:
    return [
        Call("events", request_of("POST", "/events", _events(shop, rng, EVENTS, visitor_id=f"neighbour-{name}")), 202)
    ]


def _merges(shop: Shop, rng: random.Random, name: str) -> list[Call]:
    document = {"visitor_id": f"neighbour-{name}"}
    merge = request_of("POST", f"/users/neighbour-{rng.randrange(10)}/merge", document)
    return [*_thousand_events(shop, rng, name), Call("merges", merge)]


def _predict(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    document = {
        "item_ids": rng.sample(shop.items, min(1_000, len(shop.items))),
        "recent_events": _events(shop, rng, EVENTS),
    }
    return [Call("predict", request_of("POST", "/predict", document))]


def _suggest(shop: Shop, rng: random.Random, _: str) -> list[Call]:
    words = " ".join(shop.query(rng)[::-1] for _ in range(40))[:QUERY]
    return [Call("suggest", request_of("GET", "/suggest?" + urlencode({"q": words, "limit": 20})))]


KINDS: Final = {
    "deep lists, facets, groups": _deep,
    "explain on 200 items": _explain,
    "filters of 256 conditions, of 1,000 values": _filter,
    "20 boosts of 25 conditions": _boosts,
    "20 boosts of 256 conditions (refused)": _too_many_boosts,
    "all of it at once": _all,
    "2,000 long ids": _large_body,
    "1,000 events a call": _thousand_events,
    "merges of 1,000 events": _merges,
    "/predict of 1,000 items": _predict,
    "a storm of /suggest": _suggest,
}
"""What calls of each kind are, by its name in tables."""
