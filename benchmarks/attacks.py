"""What one caller can do to others: requests as dear as they may be, or not requests at all, again and again.

Each kind is sent to a running `aisle-serve` every `--every` seconds, for `--seconds`; one that is not over yet is not
sent again. The last line of the output is JSON: of each kind how often it was sent, the statuses that came back (0
where the connection was closed without an answer), the slowest in seconds and the largest answer in bytes. `--alone`
sends each kind once, one after another, and tells how long a `/livez` beside it had to wait at most.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from time import perf_counter
from typing import Annotated, Any, Final
from urllib.parse import quote

import typer
import uvloop
from http_connection import HttpConnection, request_of

PATIENCE_S: Final = 30.0
QUIET_S: Final = 0.02  # between looks at `/livez`
MEGABYTE: Final = 2**20

Attack = Callable[["Target"], Awaitable[tuple[int, int]]]


@dataclass(frozen=True)
class Target:
    """A service, and names in its catalogue."""

    address: str
    items: list[str]
    users: list[str]
    fields: list[str]
    numbers: "count[int]" = field(default_factory=count)  # for what has to differ each time

    async def ask(self, method: str, path: str, document: Any = None) -> tuple[int, int]:
        """Status and bytes of an answer."""
        return await self.send(request_of(method, path, document))

    async def send(self, request: bytes) -> tuple[int, int]:
        """The same for bytes that need not be a request."""
        connection = await HttpConnection.open(self.address)
        sending = asyncio.create_task(connection.send(request))  # an answer may come before the whole is sent
        try:
            answer = await connection.read()
        except (OSError, EOFError):
            return 0, 0
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            connection.leave()
        return answer.status, len(answer.body)


def _recommend(document: Callable[[Target], dict[str, Any]]) -> Attack:
    async def attack(target: Target) -> tuple[int, int]:
        return await target.ask("POST", "/recommend", document(target))

    return attack


def _chains(_: Target) -> dict[str, Any]:
    chain: dict[str, Any] = {"any": []}
    chains = []
    for number in range(12_000):
        chain = {"all": [chain]} if number % 12 else {"not": {"any": []}}
        chains.append({"any": [{"not": chain}]})
    return {"filter": {"all": chains[:6_000]}}


def _conditions(target: Target, count: int) -> dict[str, Any]:
    """A filter of some conditions that no request had before."""
    return {"any": [{"field": target.fields[0], "eq": f"no-{next(target.numbers)}"} for _ in range(count)]}


def _boosts(target: Target) -> dict[str, Any]:
    return {"boost": [{"filter": _conditions(target, 256), "factor": 1.01} for _ in range(20)], "timeout_ms": 50}


def _few_boosts(target: Target) -> dict[str, Any]:
    return {"boost": [{"filter": _conditions(target, 20), "factor": 1.01} for _ in range(10)], "k": 200}


def _reasons(target: Target) -> dict[str, Any]:
    history = [{"item_id": target.items[number % len(target.items)], "type": "view"} for number in range(1_000)]
    return {"k": 200, "explain": True, "recent_events": history, "query": "black", "timeout_ms": 50}


def _fewer_reasons(target: Target) -> dict[str, Any]:
    history = [{"item_id": item, "type": "view"} for item in target.items[:20]]
    return {"k": 50, "explain": True, "recent_events": history, "query": "black"}


def _kept_masks(target: Target) -> dict[str, Any]:
    number = next(target.numbers)
    values = [f"\N{GRINNING FACE}{number}-{place}" + "x" * 950 for place in range(900)]
    return {"filter": {"field": target.fields[0], "in": values}, "k": 1}


async def _many_parameters(target: Target) -> tuple[int, int]:
    return await target.ask("GET", "/recommend?" + "&".join(f"a{number}=" for number in range(5_000)))


async def _repeated_parameter(target: Target) -> tuple[int, int]:
    return await target.ask("GET", "/recommend?k=200&fields=" + ",".join([target.fields[0]] * 6_000))


async def _similar(target: Target) -> tuple[int, int]:
    names = ",".join([target.fields[0]] * 6_000)
    return await target.ask("GET", f"/items/{quote(target.items[0], safe='')}/similar?k=200&fields={names}")


async def _endless_header(target: Target) -> tuple[int, int]:
    return await target.send(b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"a" * (64 * MEGABYTE))


async def _endless_headers(target: Target) -> tuple[int, int]:
    return await target.send(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n" + b"X-Line: ab\r\n" * 750_000)


async def _endless_address(target: Target) -> tuple[int, int]:
    return await target.send(b"GET /" + b"a" * (4 * MEGABYTE) + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")


async def _bodies_without_end(target: Target) -> tuple[int, int]:
    """Twenty bodies of a megabyte whose last byte does not come, held for some seconds."""
    head = f"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Length: {MEGABYTE}\r\n\r\n".encode()
    opened = []
    try:
        for _ in range(20):
            connection = await HttpConnection.open(target.address)
            opened.append(connection)
            await asyncio.wait_for(connection.send(head + b"[" * (MEGABYTE - 1)), 1.0)
        await asyncio.sleep(3.0)
    except (OSError, TimeoutError):
        pass
    for connection in opened:
        connection.leave()
    return 0, 0


async def _silence(target: Target) -> tuple[int, int]:
    """Fifty connections that say nothing, held for some seconds."""
    opened = []
    try:
        opened += [await HttpConnection.open(target.address) for _ in range(50)]
        await asyncio.sleep(3.0)
    except OSError:
        pass
    for connection in opened:
        connection.leave()
    return 0, 0


async def _crawler(target: Target) -> tuple[int, int]:
    """A thousand events of one guest, each on another item."""
    start = next(target.numbers) * 1_000
    events = [
        {"type": "view", "visitor_id": "crawler", "item_id": f"unknown-{start + place}"}
        if place % 2
        else {"type": "view", "visitor_id": "crawler", "item_id": target.items[(start + place) % len(target.items)]}
        for place in range(1_000)
    ]
    return await target.ask("POST", "/events", events)


ATTACKS: Final[dict[str, Attack]] = {
    "100,000 times one field": _recommend(lambda target: {"k": 200, "fields": [target.fields[0]] * 100_000}),
    "one field in an address": _repeated_parameter,
    "one field of similar items": _similar,
    "5,000 parameters": _many_parameters,
    "100,000 empty events": _recommend(lambda _: {"recent_events": [{}] * 100_000}),
    "200,000 numbers for ids": _recommend(lambda _: {"exclude_item_ids": [7] * 200_000}),
    "chains without conditions": _recommend(_chains),
    "a header of 64 MB": _endless_header,
    "9 MB of header lines": _endless_headers,
    "an address of 4 MB": _endless_address,
    "20 bodies without an end": _bodies_without_end,
    "50 silent connections": _silence,
    "20 boosts of 256 conditions": _recommend(_boosts),
    "10 boosts of 20 conditions": _recommend(_few_boosts),
    "reasons for 200 items by 1,000 events": _recommend(_reasons),
    "reasons for 50 items by 20 events": _recommend(_fewer_reasons),
    "a filter of 900 kB, another each time": _recommend(_kept_masks),
    "1,000 events of a crawler": _crawler,
}


@dataclass
class Seen:
    """What came of one kind."""

    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0
    largest: int = 0
    waited_s: float = 0.0  # of a look beside it, the longest

    def add(self, status: int, size: int, seconds: float) -> None:
        """Count one."""
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, seconds)
        self.largest = max(self.largest, size)

    def document(self) -> dict[str, Any]:
        """As it is printed."""
        statuses = {str(status): number for status, number in sorted(self.statuses.items())}
        return {
            "sent": self.statuses.total(),
            "statuses": statuses,
            "slowest_s": round(self.slowest_s, 3),
            "largest_bytes": self.largest,
        }


def main(
    address: Annotated[str, typer.Argument(help="Of the service, such as http://127.0.0.1:8000.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of the run.")] = 60.0,
    every: Annotated[float, typer.Option(min=0.01, help="Seconds between two of a kind.")] = 1.0,
    only: Annotated[str, typer.Option(help="Kinds whose name has this text.")] = "",
    alone: Annotated[bool, typer.Option(help="Each kind once, one after another, with a look beside it.")] = False,
) -> None:
    """Attack a service that is yours."""
    kinds = {name: attack for name, attack in ATTACKS.items() if only in name}
    seen = uvloop.run(_one_by_one(address, kinds) if alone else _again_and_again(address, kinds, seconds, every))
    documents = {name: each.document() for name, each in seen.items()}
    if alone:
        print("| what is sent | status | answer, bytes | seconds | a look beside it waited |\n|---|---|---|---|---|")
        for name, each in seen.items():
            status = "closed" if 0 in each.statuses else next(iter(each.statuses))
            print(f"| {name} | {status} | {each.largest} | {each.slowest_s:.3f} | {each.waited_s:.3f} |")
            documents[name] |= {"look_waited_s": round(each.waited_s, 3)}
    print(json.dumps(documents))


async def _target_at(address: str) -> Target:
    connection = await HttpConnection.open(address)
    demo = (await connection.ask("GET", "/demo/users")).document
    found = (await connection.ask("POST", "/recommend", {"k": 200})).document
    connection.leave()
    users = [user if isinstance(user, str) else user["user_id"] for user in demo["users"]]
    texts = [facet["field"] for facet in demo["facets"] if facet["kind"] == "text"]
    return Target(
        address, [item["item_id"] for item in found["items"]], users, sorted(texts or demo["fields"], key=len)
    )


async def _one_by_one(address: str, kinds: dict[str, Attack]) -> dict[str, Seen]:
    target = await _target_at(address)
    found = {}
    for name, attack in kinds.items():
        seen = found[name] = Seen()
        looking = asyncio.create_task(_look(address, seen))
        await asyncio.sleep(5 * QUIET_S)
        await _once(target, attack, seen)
        await asyncio.sleep(5 * QUIET_S)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    return found


async def _again_and_again(address: str, kinds: dict[str, Attack], seconds: float, every: float) -> dict[str, Seen]:
    target = await _target_at(address)
    found = {name: Seen() for name in kinds}
    end = perf_counter() + seconds

    async def repeat(name: str, first: float) -> None:
        await asyncio.sleep(first)
        while (begin := perf_counter()) < end:
            await _once(target, kinds[name], found[name])
            await asyncio.sleep(max(0.0, begin + every - perf_counter()))

    await asyncio.gather(*(repeat(name, every * place / len(kinds)) for place, name in enumerate(kinds)))
    return found


async def _once(target: Target, attack: Attack, seen: Seen) -> None:
    begin = perf_counter()
    try:
        status, size = await asyncio.wait_for(attack(target), PATIENCE_S)
    except (OSError, TimeoutError):
        status, size = 0, 0
    seen.add(status, size, perf_counter() - begin)


async def _look(address: str, seen: Seen) -> None:
    connection = await HttpConnection.open(address)
    while True:
        begin = perf_counter()
        try:
            await connection.ask("GET", "/livez")
        finally:  # one that is still waiting when the attack is over counts too
            seen.waited_s = max(seen.waited_s, perf_counter() - begin)
        await asyncio.sleep(QUIET_S)


if __name__ == "__main__":
    typer.run(main)
