"""What a load test knows of a shop: read from the service itself, by calls that any storefront may make."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Final

Ask = Callable[[str, str, Any], Any]
"""Makes a call: method, path and body in, the document of the answer out; None where there is no such call."""

LETTERS: Final = "abcdefghijklmnopqrstuvwxyz"
NEW_SHOPPERS: Final = 10_000  # names besides those that the bundle knows
_PAGE: Final = 200
_PAGES: Final = 5


class Zipf:
    """Draws places 0, 1, ... with a weight of 1 / (place + 1) ** exponent (Zipf 1949).

    Args:
        count: places.
        exponent: 1 is that of words and of what shoppers like.
    """

    def __init__(self, count: int, exponent: float = 1.0) -> None:
        self._places = range(count)
        self._sums = list(accumulate(1.0 / (place + 1) ** exponent for place in self._places))

    def draw(self, rng: random.Random) -> int:
        """A place."""
        return rng.choices(self._places, cum_weights=self._sums)[0]


@dataclass(frozen=True)
class Shop:
    """Items, the most popular first, words, and shoppers with a history."""

    items: Sequence[str]
    queries: Sequence[str]
    shoppers: Sequence[dict[str, str]]  # as requests and events name them
    facets: Sequence[str]
    fields: Sequence[str]
    by_item: Zipf = field(init=False)
    by_query: Zipf = field(init=False)
    by_shopper: Zipf = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "by_item", Zipf(len(self.items)))
        object.__setattr__(self, "by_query", Zipf(len(self.queries)))
        object.__setattr__(self, "by_shopper", Zipf(len(self.shoppers) + NEW_SHOPPERS, 0.8))

    def item(self, rng: random.Random) -> str:
        """An item that somebody looks for."""
        return self.items[self.by_item.draw(rng)]

    def query(self, rng: random.Random) -> str:
        """Words that somebody types."""
        return self.queries[self.by_query.draw(rng)]

    def shopper(self, rng: random.Random) -> dict[str, str]:
        """Who comes next: a user that the shop knows, or a visitor, who may come again."""
        place = self.by_shopper.draw(rng)
        if place < len(self.shoppers):
            return self.shoppers[place]
        return {"visitor_id": f"load-{place - len(self.shoppers)}"}


def read_shop(ask: Ask) -> Shop:
    """Look around in the shop.

    Raises:
        ValueError: it has no items.
    """
    start = ask("GET", "/demo/users", None) or {}
    facets = [each["field"] for each in start.get("facets", [])]
    fields = [name for name in ("title", "price") if name in start.get("fields", [])]
    suggested = [each["text"] for letter in ("", *LETTERS) for each in _suggested(ask, letter)]
    queries = list(dict.fromkeys(suggested))
    items = _listed(ask, {"k": _PAGE})
    items += _listed(ask, {"k": _PAGE, "sort": "newest"})
    for query in queries[:: max(1, len(queries) // 20)]:
        items += _listed(ask, {"k": _PAGE, "query": query}, pages=1)
    if not items:
        raise ValueError("expected a service with items, got none: publish a bundle first")
    shoppers = [{"user_id": user} for user in start.get("users", [])]
    shoppers += [{"visitor_id": visitor} for visitor in start.get("visitors", [])]
    return Shop(list(dict.fromkeys(items)), queries or ["a"], shoppers, facets[:3], fields)


def _suggested(ask: Ask, typed: str) -> list[dict[str, Any]]:
    found = ask("GET", f"/suggest?q={typed}&limit=20", None) or {}
    suggestions: list[dict[str, Any]] = found.get("suggestions", [])
    return suggestions


def _listed(ask: Ask, request: dict[str, Any], pages: int = _PAGES) -> list[str]:
    items: list[str] = []
    for _ in range(pages):
        answer = ask("POST", "/recommend", request) or {}
        items += [item["item_id"] for item in answer.get("items", [])]
        if not answer.get("next_cursor"):
            break
        request = {"cursor": answer["next_cursor"], "k": _PAGE}
    return items


def thinking(mean_s: float, rng: random.Random) -> float:
    """Seconds that somebody reads before going on: log-normal, as reading times are, half of them below 0.6 means."""
    return mean_s * 0.6 * math.exp(rng.gauss(0.0, 1.0))
