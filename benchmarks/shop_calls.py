"""Requests like those of a storefront, in the shares in which the shoppers of `tests/load` make them."""

import json
import random
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

from http_connection import request_of
from open_loop import Call

sys.path.append(str(Path(__file__).parents[1] / "tests" / "load"))  # Locust wants its files beside each other

from shop import Shop, read_shop

SHARES: Final = {"suggest": 0.24, "recommend": 0.30, "search": 0.16, "similar": 0.10, "events": 0.20}
_TIMEOUT_S: Final = 30


def shop_at(address: str) -> Shop:
    """The shop that a service serves."""

    def ask(method: str, path: str, body: Any) -> Any:
        payload = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{address}{path}", payload, {"Content-Type": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
                return json.load(response)
        except urllib.error.HTTPError as error:
            if error.code in {404, 501}:
                return None
            raise

    return read_shop(ask)


def storefront_calls(shop: Shop, number: int, seed: int) -> list[Call]:
    """Calls in those shares, at random; shoppers, items and queries by Zipf's law."""
    rng = random.Random(seed)
    kinds = rng.choices(list(SHARES), weights=list(SHARES.values()), k=number)
    return [_call(kind, shop, rng) for kind in kinds]


def _call(kind: str, shop: Shop, rng: random.Random) -> Call:
    match kind:
        case "suggest":
            query = shop.query(rng)
            typed = query[: rng.randint(1, min(8, len(query)))]
            return Call(kind, request_of("GET", "/suggest?" + urlencode({"q": typed, "limit": 8})))
        case "similar":
            return Call(kind, request_of("GET", f"/items/{quote(shop.item(rng), safe='')}/similar?k=12"))
        case "search":
            body = shop.shopper(rng) | {"query": shop.query(rng), "k": 20, "facets": shop.facets, "fields": shop.fields}
            return Call(kind, request_of("POST", "/recommend", body))
        case "events":
            body = shop.shopper(rng) | {"type": rng.choice(("view",) * 8 + ("cart",) * 2), "item_id": shop.item(rng)}
            return Call(kind, request_of("POST", "/events", body), status=202)
        case _:
            body = shop.shopper(rng) | {"k": 20, "fields": shop.fields}
            if rng.random() < 0.6:
                body |= {"context": {"item_ids": [shop.item(rng)]}, "k": 12}
            return Call(kind, request_of("POST", "/recommend", body))
