"""A storefront under load: what shoppers do from the home page to the order, as a locustfile.

`make load` runs it without a page; `locust -f tests/load/storefront.py --host http://...` with Locust's own. Shoppers
arrive by Zipf's law, look around, search as they type, open what stands high, and some of them buy; between steps they
think. What the service answers is checked: a status, a missing item or a degraded answer is a failure.
"""

import json
import random
from argparse import Namespace
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, urlencode

import gevent
from limits import PERCENTILES, Limits, read_limits
from locust import FastHttpUser, events, task
from locust.argument_parser import LocustArgumentParser
from locust.env import Environment
from shop import Shop, read_shop, thinking

K: Final = 20
KEYSTROKE_S: Final = 0.15
SEEN_DOWN_TO: Final = 0.7  # how likely somebody looks at the next item of a list, too
_NUMBERS: Final = count()
AISLE: Final = "aisle"  # where the shop hangs on Locust's environment


class Shopper(FastHttpUser):
    """One shopper after another, each for one visit."""

    connection_timeout = 10.0
    network_timeout = 10.0

    def on_start(self) -> None:
        """Each has a generator of its own, so that what shoppers choose can be repeated."""
        options: Namespace = self.environment.parsed_options
        self.shop: Shop = getattr(self.environment, AISLE)
        self.rng = random.Random(f"{options.seed} {next(_NUMBERS)}")
        self.think_s = options.think
        self.headers = _headers(options)

    @task
    def visit(self) -> None:
        """From the home page to where the shopper leaves."""
        self.who = self.shop.shopper(self.rng)
        self.basket: list[str] = []
        self.told = 0
        self.look(self.ask("home", self.who | {"k": K, "exclude": "purchased", "fields": self.shop.fields}))
        while self.rng.random() < 0.75:
            self.think()
            if self.rng.random() < 0.6:
                self.search()
            else:
                self.product(self.shop.item(self.rng), None, 1)
        if self.basket:
            self.order()

    def search(self) -> None:
        """Typed letter by letter; then narrowed, and paged through."""
        query = self.shop.query(self.rng)
        for end in range(2, min(len(query), 8) + 1, 2):
            self.get("suggest", "/suggest?" + urlencode({"q": query[:end], "limit": 8}))
            self.wait_for(KEYSTROKE_S * 2)
        request = self.who | {"query": query, "k": K, "fields": self.shop.fields, "facets": self.shop.facets}
        answer = self.ask("search", request)
        self.look(answer)
        chosen = self.narrowed(answer)
        if chosen is not None and self.rng.random() < 0.4:
            self.think()
            request |= {"filter": chosen}
            answer = self.ask("search, filtered", request)
            self.look(answer)
        if answer and answer["next_cursor"] and self.rng.random() < 0.3:
            self.think()
            self.look(self.ask("next page", request | {"cursor": answer["next_cursor"]}))

    def narrowed(self, answer: dict[str, Any] | None) -> dict[str, Any] | None:
        """A filter by what the answer counts: a value, or the lower half of a range."""
        counted = [(name, values) for name, values in ((answer or {}).get("facets") or {}).items() if values]
        if not counted:
            return None
        name, values = self.rng.choice(counted)
        value = self.rng.choice(values[:5])
        if "value" in value:
            return {"field": name, "in": [value["value"]]}
        return {"field": name, "lte": (value["from"] + value["to"]) / 2}

    def look(self, answer: dict[str, Any] | None) -> None:
        """Down a list, as far as interest goes; what stands higher is opened more often."""
        if not answer or not answer["items"] or self.rng.random() < 0.4:
            return
        place = 0
        while place + 1 < len(answer["items"]) and self.rng.random() < SEEN_DOWN_TO:
            place += 1
        self.think()
        item = answer["items"][place]
        self.product(item["item_id"], answer["request_id"], item["rank"])

    def product(self, item_id: str, request_id: str | None, position: int) -> None:
        """A page with the item, what is like it and what goes with it; perhaps into the basket."""
        path = f"/items/{quote(item_id, safe='')}"
        self.get("item", path)
        self.get("similar", f"{path}/similar?k=12")
        self.ask("goes with this", self.who | {"context": {"item_ids": [item_id]}, "k": 12})
        shown = {} if request_id is None else {"request_id": request_id, "position": position}
        self.tell([("view", item_id, shown)])
        if self.rng.random() < 0.3:
            self.think()
            self.tell([("cart", item_id, shown)])
            self.basket.append(item_id)

    def order(self) -> None:
        """The basket, with what goes with all of it; most are ordered."""
        self.think()
        self.ask("basket", self.who | {"context": {"item_ids": self.basket}, "k": 8})
        if self.rng.random() < 0.6:
            self.think()
            self.tell([("purchase", item_id, {"quantity": 1}) for item_id in self.basket])

    def tell(self, what: list[tuple[str, str, dict[str, Any]]]) -> None:
        """Events of this shopper."""
        body = [self.who | {"type": kind, "item_id": item_id} | more for kind, item_id, more in what]
        with self.client.post(
            "/events", json=body, headers=self.headers, name="events", catch_response=True
        ) as response:
            if response.status_code != 202:
                response.failure(_status(response))
            elif response.json()["accepted"] != len(body):
                response.failure("an event was not accepted")

    def ask(self, name: str, request: dict[str, Any]) -> dict[str, Any] | None:
        """What is recommended or found; None where that failed. Only a filtered list may have no items."""
        with self.client.post(
            "/recommend", json=request, headers=self.headers, name=name, catch_response=True
        ) as response:
            if response.status_code != 200:
                response.failure(_status(response))
                return None
            answer: dict[str, Any] = response.json()
            if answer["degraded"]:
                response.failure(f"degraded: {', '.join(answer['degraded'])}")
            elif not answer["items"] and "filter" not in request:
                response.failure("no items")
            return answer

    def get(self, name: str, path: str) -> None:
        """A call without a body."""
        with self.client.get(path, headers=self.headers, name=name, catch_response=True) as response:
            if response.status_code != 200:
                response.failure(_status(response))

    def think(self) -> None:
        """Read before going on."""
        self.wait_for(thinking(self.think_s, self.rng))

    def wait_for(self, seconds: float) -> None:
        """Let others go on."""
        gevent.sleep(seconds)


def _status(response: Any) -> str:
    return f"status {response.status_code}" if response.status_code else f"no answer ({response.error})"


def _headers(options: Namespace) -> dict[str, str]:
    return {"Authorization": f"Bearer {options.key}"} if options.key else {}


@events.init_command_line_parser.add_listener
def add_options(parser: LocustArgumentParser) -> None:
    """Options of this test, beside Locust's own."""
    group = parser.add_argument_group("Aisle")
    group.add_argument("--think", type=float, default=2.0, help="Seconds between two steps of a shopper, on average.")
    group.add_argument("--key", default="", env_var="LOAD_KEY", help="Read key of the service.")
    group.add_argument("--seed", type=int, default=0, help="Of the shoppers' choices.")
    group.add_argument("--max-error-share", type=float, default=0.001, help="Of the requests of a scenario.")
    group.add_argument("--p95-ms", type=float, default=100.0, help="Largest p95 of a scenario.")
    group.add_argument("--p99-ms", type=float, default=250.0, help="Largest p99 of a scenario.")
    group.add_argument(
        "--limit", action="append", default=[], help="Of one scenario, instead: search:p95=80. May be repeated."
    )
    group.add_argument("--figures", type=Path, default=None, help="File to write the figures to, as JSON.")


@events.test_start.add_listener
def look_around(environment: Environment, **_: Any) -> None:
    """Read the shop, once for all shoppers."""
    from geventhttpclient.useragent import UserAgent

    agent = UserAgent(connection_timeout=10.0, network_timeout=30.0)
    headers = _headers(environment.parsed_options) | {"Content-Type": "application/json"}

    def ask(method: str, path: str, body: Any) -> Any:
        payload = "" if body is None else json.dumps(body)
        response = agent.urlopen(f"{environment.host}{path}", method=method, headers=headers, payload=payload)
        if response.status_code in {404, 501}:
            return None
        if response.status_code != 200:
            raise RuntimeError(f"{method} {path}: expected 200, got {response.status_code}: {response.read()[:300]!r}")
        return json.loads(response.read())

    setattr(environment, AISLE, read_shop(ask))


@events.quitting.add_listener
def judge(environment: Environment, **_: Any) -> None:
    """Write the figures, and fail where a limit was not kept to."""
    options: Namespace = environment.parsed_options
    limits = Limits(options.max_error_share, {"p95": options.p95_ms, "p99": options.p99_ms}, read_limits(options.limit))
    entries = sorted(environment.stats.entries.values(), key=lambda entry: entry.name)
    figures: dict[str, dict[str, float]] = {
        entry.name: {
            "requests": entry.num_requests,
            "failures": entry.num_failures,
            "per_s": round(entry.total_rps, 2),
        }
        | {name: round(entry.get_response_time_percentile(part), 1) for name, part in PERCENTILES.items()}
        for entry in entries
    }
    broken = limits.broken_by(figures)
    failures = [
        f"{error.name}: {error.error} ({error.occurrences} times)" for error in environment.stats.errors.values()
    ]
    if options.figures is not None:
        document = {"scenarios": figures, "broken_limits": broken, "failures": failures}
        options.figures.write_text(json.dumps(document), encoding="utf-8")
    environment.process_exit_code = 1 if broken else 0
