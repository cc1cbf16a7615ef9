"""Does anybody ever get what belongs to somebody else, when clients leave and Redis is late?

Each user has one item, which no other user has. Many connections ask for random users at once; a part of them leave at
random moments: with half a request sent, right after sending, before or in the middle of the answer. Between the
service and Redis a proxy delays replies, some past the service's time limit, so that exchanges are given up while the
reply is on its way. Some requests are dear, so that they are read, worked on and written in other threads than cheap
ones, and some run out of time. Every answer that arrives must be of its own user: the reasons, the stored events, the
predicted item, the pinned one, the request id.

The last line of the output is JSON; `foreign` and `errors` must be 0.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Annotated, Any, Final

import numpy as np
import typer
import uvloop
from fault_proxy import FaultProxy
from http_connection import HttpAnswer, HttpConnection, request_of
from redis_process import running_redis
from serve_process import running_service

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.redis_keys import Keys
from offline.publishing.publish import PublishConfig, publish

MOST_USERS: Final = 1_000
AT_ONCE: Final = 500  # events in one call
READ_MS, WRITE_MS = 50, 100  # the service's limits for Redis; a batch of ranked answers holds the loop for some 10
DEAR: Final = 0.02  # share of requests that are worked on apart from others
LATE: Final = 0.02  # share of replies that come past them
ANSWER_WITHIN_S: Final = 30.0
PROGRESS: Final = 10_000  # requests between two lines


@dataclass(frozen=True)
class Canary:
    """A user, and the one item that nobody else has."""

    user_id: str
    item_id: str


@dataclass
class Tally:
    """What became of the requests; `answered` and `cancelled` make up all of them, unless an answer never came."""

    requests: int = 0
    answered: int = 0
    cancelled: int = 0  # the client left
    personal: int = 0  # of the answers: told of the user's own item
    degraded: int = 0  # of the answers: given without the user's state
    refused: int = 0  # of the answers: 503, the store was late
    foreign: int = 0  # something of another user was in the answer
    errors: int = 0  # any other wrong
    first_wrong: str = ""

    def wrong(self, what: str, came: object) -> None:
        """Write down what was wrong first."""
        self.first_wrong = self.first_wrong or f"{what}: {came}"


@dataclass(frozen=True)
class Asked:
    """One request."""

    request_id: str
    canary: Canary
    method: str
    path: str
    document: Any = None
    is_pinned: bool = False  # whether the user's own item must come first

    def bytes(self) -> bytes:
        """As sent."""
        return request_of(self.method, self.path, self.document, x_request_id=self.request_id)


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    requests: Annotated[int, typer.Option(min=1, help="How many.")] = 200_000,
    connections: Annotated[int, typer.Option(min=1, help="At once.")] = 64,
    seed: Annotated[int, typer.Option(help="Of all that is random here.")] = 0,
) -> None:
    """Ask a real `aisle-serve` on a real Redis, and leave at random moments."""
    began = time.monotonic()

    def show(tally: Tally) -> None:
        if tally.requests % PROGRESS == 0:
            print(f"{time.monotonic() - began:6.1f} s  {asdict(tally)}", flush=True)

    tally = sing(bundle, requests, connections, seed, show)
    print(json.dumps(asdict(tally) | {"seconds": round(time.monotonic() - began, 1), "command": " ".join(sys.argv)}))
    if tally.foreign or tally.errors:
        raise typer.Exit(1)


def sing(
    bundle: Path, requests: int, connections: int, seed: int, show: Callable[[Tally], None] = lambda _: None
) -> Tally:
    """Serve the bundle, make so many requests, and count what came."""
    with _service(bundle) as (address, proxy):
        canaries = _canaries(bundle)
        asyncio.run(_settle(address, canaries))
        late = Random(seed)
        proxy.slow(lambda: late.uniform(READ_MS, 2 * WRITE_MS) / 1e3 if late.random() < LATE else late.random() / 500)
        tally = uvloop.run(_storm(address, canaries, requests, connections, Random(seed), show))
        proxy.work()
        asyncio.run(_look_at_all(address, canaries, tally))
    return tally


@contextmanager
def _service(bundle: Path) -> Iterator[tuple[str, FaultProxy]]:
    with running_redis() as server, FaultProxy(server.port) as proxy:
        with server.client() as client:
            publish(bundle, client, Keys(), config=PublishConfig(force="for a benchmark"))
        limits = {"redis_timeout_ms": READ_MS, "redis_write_timeout_ms": WRITE_MS}
        with running_service(bundle, proxy.url, clock="bundle", log_level="error", **limits) as service:
            yield service.address, proxy


def _canaries(bundle: Path) -> list[Canary]:
    folder = resolve(bundle)
    ids, absent = TextColumn.read(folder / names.ITEM_IDS), folder / names.ITEM_ABSENT
    never = set(np.load(absent, allow_pickle=False).tolist()) if absent.exists() else set()
    rows = [row for row in range(1, len(ids)) if row not in never]
    return [Canary(f"canary-{row}", ids[row] or "") for row in rows[:MOST_USERS]]


async def _settle(address: str, canaries: Sequence[Canary]) -> None:
    """Tell of each user's item; the time limits are short, so until it is accepted."""
    connection = await HttpConnection.open(address)
    for start in range(0, len(canaries), AT_ONCE):
        events = [_event(canary, f"first-{canary.user_id}") for canary in canaries[start : start + AT_ONCE]]
        await _until(connection, 202, "POST", "/events", events)
    connection.leave()


async def _until(connection: HttpConnection, status: int, method: str, path: str, document: Any = None) -> HttpAnswer:
    deadline = time.monotonic() + ANSWER_WITHIN_S
    while (answer := await connection.ask(method, path, document)).status != status:
        if answer.status != 503 or time.monotonic() > deadline:
            raise RuntimeError(f"expected {status} from {path}, got {answer.body.decode()}")
        await asyncio.sleep(0.05)
    return answer


async def _storm(
    address: str,
    canaries: Sequence[Canary],
    requests: int,
    connections: int,
    rng: Random,
    show: Callable[[Tally], None],
) -> Tally:
    tally = Tally()
    numbers = iter(range(requests))
    await asyncio.gather(*(_client(address, canaries, numbers, rng, tally, show) for _ in range(connections)))
    return tally


async def _client(
    address: str,
    canaries: Sequence[Canary],
    numbers: Iterator[int],
    rng: Random,
    tally: Tally,
    show: Callable[[Tally], None],
) -> None:
    """One request after another; on a new connection after leaving one."""
    connection: HttpConnection | None = None
    for number in numbers:
        asked = _asked(number, rng.choice(canaries), rng)
        tally.requests += 1
        show(tally)
        connection = connection or await HttpConnection.open(address)
        if rng.random() < 0.5:
            await _leave(connection, asked, rng)
            tally.cancelled += 1
            connection = None
            continue
        try:
            await connection.send(asked.bytes())
            answer = await asyncio.wait_for(connection.read(), ANSWER_WITHIN_S)
        except (OSError, EOFError, TimeoutError) as error:
            tally.errors += 1
            tally.wrong("no answer", repr(error))
            connection = None
            continue
        tally.answered += 1
        count(asked, answer, tally)
    if connection is not None:
        connection.leave()


def _asked(number: int, canary: Canary, rng: Random) -> Asked:
    draw = rng.random()
    request_id, user_id = f"r{number}", canary.user_id
    if draw < 0.15:
        return Asked(request_id, canary, "GET", f"/users/{user_id}")
    if draw < 0.3:
        return Asked(request_id, canary, "POST", "/events", _event(canary, request_id))
    document: dict[str, Any] = {"user_id": user_id, "explain": True, "k": 10}
    if draw < 0.4:
        document["timeout_ms"] = rng.uniform(1, 15)
    elif draw < 0.45:
        return Asked(request_id, canary, "POST", "/predict", {"user_id": user_id, "item_ids": [canary.item_id]})
    elif draw < 0.5:
        document |= {"pin": [{"item_id": canary.item_id, "position": 1}]}
        if draw < 0.5 - DEAR:
            return Asked(request_id, canary, "POST", "/recommend", document, is_pinned=True)
        others = [{"field": "title", "eq": f"{number} {place}"} for place in range(200)]
        document |= {"k": 100, "fields": ["title", "price", "category"], "filter": {"not": {"any": others}}}
        return Asked(request_id, canary, "POST", "/recommend", document, is_pinned=True)
    return Asked(request_id, canary, "POST", "/recommend", document)


def _event(canary: Canary, event_id: str) -> dict[str, str]:
    return {"type": "view", "user_id": canary.user_id, "item_id": canary.item_id, "event_id": event_id}


async def _leave(connection: HttpConnection, asked: Asked, rng: Random) -> None:
    """Begin a request, and leave somewhere on the way to its answer."""
    sent = asked.bytes()
    draw = rng.random()
    if draw < 0.2:
        sent = sent[: rng.randrange(len(sent))]
    try:
        await connection.send(sent)
        if draw > 0.4:
            await asyncio.sleep(rng.random() * 2 * READ_MS / 1e3)
        if draw > 0.8:
            await connection.read_some(rng.randrange(1, 200))
    except OSError:
        pass  # it is to be left anyway
    connection.leave(abruptly=rng.random() < 0.5)


def count(asked: Asked, answer: HttpAnswer, tally: Tally) -> None:
    """Look through an answer."""
    if answer.headers.get("x-request-id") != asked.request_id:
        tally.foreign += 1
        tally.wrong("another request's answer", (asked, answer))
        return
    if answer.status == 503 and asked.path != "/recommend" and answer.document["code"] == "store_unavailable":
        tally.refused += 1
        return
    if answer.status != {"/recommend": 200, "/events": 202}.get(asked.path, 200):
        tally.errors += 1
        tally.wrong("status", (asked, answer))
        return
    document = answer.document
    told = items_told(asked, document)
    if told - {asked.canary.item_id} or document.get("request_id", asked.request_id) != asked.request_id:
        tally.foreign += 1
        tally.wrong("of somebody else", (asked, answer))
    elif document.get("degraded"):
        tally.degraded += 1
    elif asked.is_pinned and document["items"][0]["item_id"] != asked.canary.item_id:
        tally.foreign += 1
        tally.wrong("without the item that was pinned", (asked, answer))
    elif told:
        tally.personal += 1
    elif asked.path != "/events":
        tally.errors += 1
        tally.wrong("nothing of its own user", (asked, answer))


def items_told(asked: Asked, document: Any) -> set[str]:
    """The items of a user's past that an answer names; the user's id where it names another."""
    if asked.path == "/predict":
        return {item["item_id"] for item in document["items"]} | set(document["unknown_item_ids"])
    if asked.path == "/recommend":
        reasons = [reason for item in document["items"] for reason in item["reasons"]]
        return {reason["item_id"] for reason in reasons if "item_id" in reason}
    if asked.path == "/events":
        return set()
    told = {event["item_id"] for event in document["events"]}
    return told if document["user_id"] == asked.canary.user_id else told | {document["user_id"]}


async def _look_at_all(address: str, canaries: Sequence[Canary], tally: Tally) -> None:
    """Once it is quiet: each user has the own item, and nothing else."""
    connection = await HttpConnection.open(address)
    for canary in canaries:
        path = f"/users/{canary.user_id}"
        document = (await _until(connection, 200, "GET", path)).document
        if {event["item_id"] for event in document["events"]} != {canary.item_id} or document["seen"] != 1:
            tally.foreign += 1
            tally.wrong("stored", document)
    connection.leave()


if __name__ == "__main__":
    typer.run(main)
