"""A rehearsal: a release answers requests of every kind before anybody else asks it, by the code that does so later.

Requests are made of what the bundle has, and go as JSON and parameters through the endpoints of the calls, into
services of their own with a store of their own. Checks of files say what is wrong with them; the rehearsal finds what
no check knows.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlencode

import numpy as np
import orjson
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message

from app.api.demo_routes import get_demo_users
from app.api.event_routes import post_events
from app.api.item_routes import get_item, get_similar_items
from app.api.predict_routes import post_predict
from app.api.recommend_parsing import Limits
from app.api.recommend_routes import get_recommend, post_recommend
from app.api.schemas import MAX_TIMEOUT_MS
from app.api.suggest_routes import get_suggest
from app.api.user_routes import delete_user, get_user, merge_user
from app.artifact.filter_columns import ADDED
from app.engine.selection.column_view import AnyColumn
from app.errors import AisleError, BundleCorrupt, RequestError
from app.serving.release import Release
from app.serving.service import ServiceLimits
from app.serving.services import FollowOptions, ImpressionOptions, Services, build_services
from app.stores.memory import MemoryUserStore
from app.stores.published import FixedModels, model_from_manifest
from app.telemetry.stages import TRACE, Trace

Endpoint = Callable[[Request], Awaitable[Response]]
Rehearsal = tuple[str, Endpoint, Request]
"""A kind of request, the endpoint of its call, and the request."""

_LIMITS: Final = Limits(max_events=100, max_item_ids=500)
_VISITOR: Final = "rehearsal"
_USER: Final = "rehearsal of a user"  # where the bundle has none
_MOST_COLUMNS: Final = 6
_TITLE: Final = "title"
_NEAREST: Final = 10


@dataclass(frozen=True)
class Rehearsed:
    """One request and how it was answered."""

    kind: str
    status: int
    document: Any  # the answer's; `None` where the request was refused


def rehearse(release: Release) -> None:
    """Answer requests of every kind; runs a loop of its own, so it needs a thread without one.

    Raises:
        BundleCorrupt: one was not answered, or with scores that are no numbers; names its kind.
    """
    _rehearse_meaning(release)
    asyncio.run(answers_of(release))


async def answers_of(release: Release) -> list[Rehearsed]:
    """The requests that `rehearse` makes, with their answers; a request that does not fit the bundle is a 422.

    Raises:
        BundleCorrupt: as `rehearse`.
    """
    fixed = FixedModels(model_from_manifest(release.snapshot.manifest))
    services = build_services(
        release,
        MemoryUserStore(),
        FollowOptions(fixed, None),
        ServiceLimits(timeout_ms=MAX_TIMEOUT_MS),
        ImpressionOptions(),
    )
    try:
        async with services.running():
            lists = [_recommendations(services, release), _others(services, release)]
            first = [_answer(release, *request) for of in lists for request in of]
            together = _all_of(await asyncio.gather(*first, return_exceptions=True))  # none goes on when one has failed
            later = [*_further(services, together), *_story(services, release)]
            return [*together, *[await _answer(release, *request) for request in later]]
    finally:  # they refer to each other, and through that to a release that may never be served
        for part in (services.recommender, services.predictor, services.store, services.live):
            vars(part).clear()


def _rehearse_meaning(release: Release) -> None:
    """Compare a few texts with all items and kinds by the text encoder, where there is one."""
    encoder, table = release.snapshot.encoder, release.snapshot.meaning
    if encoder is None or table is None:
        return
    for text in _queries(release):
        (vector,) = encoder.vectors_of([text])
        cosines = table.cosines(vector)
        table.best(cosines, _NEAREST, release.snapshot.items.selectable[0])
        for numbers in (cosines, table.kind_cosines(vector)):
            if not np.isfinite(numbers).all():
                raise BundleCorrupt(
                    f"{release.snapshot.folder}: expected cosines of a query's meaning, got some that are no numbers: "
                    "export it again"
                )


def _all_of(outcomes: Sequence[Rehearsed | BaseException]) -> list[Rehearsed]:
    """The answers, or the first failure."""
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if isinstance(outcome, Rehearsed)]


async def _answer(release: Release, kind: str, endpoint: Endpoint, request: Request) -> Rehearsed:
    folder = release.snapshot.folder
    try:
        response = await endpoint(request)
        document = orjson.loads(bytes(response.body))
    except (RequestError, ValidationError):
        return Rehearsed(kind, 422, None)
    except AisleError as error:
        raise BundleCorrupt(f"{folder}: expected an answer to {kind}, got {error.message}: export it again") from error
    except Exception as error:
        raise BundleCorrupt(
            f"{folder}: expected an answer to {kind}, got {type(error).__name__} ({str(error).partition(chr(10))[0]}): "
            "export it again"
        ) from error
    wrong = _wrong_in(document)
    if wrong is not None:
        raise BundleCorrupt(f"{folder}: expected a whole answer to {kind}, got {wrong}: export it again")
    return Rehearsed(kind, response.status_code, document)


def _wrong_in(document: Any) -> str | None:
    """What an answer has that none should have: scores and probabilities that are no numbers, or something missing."""
    items = document.get("items", [])
    for item in items:
        numbers = [value for name, value in item.items() if name not in {"item_id", "rank", "fields", "reasons"}]
        numbers += [reason["weight"] for reason in item.get("reasons", ())]
        if any(not isinstance(number, float | int) or not math.isfinite(number) for number in numbers):
            return f"a score that is no number for item {item['item_id']!r}"
    return f"an answer without {document['degraded']}" if document.get("degraded") else None


def _recommendations(services: Services, release: Release) -> Iterator[Rehearsal]:
    """Of `POST /recommend`, and one by its address; they are answered in few runs, since all come at once."""
    for kind, body in _bodies(release):
        yield kind, partial(post_recommend, services, _LIMITS), _request("POST", body)
    yield "a request by address", partial(get_recommend, services, _LIMITS), _request("GET", query={"k": 3})


def _further(services: Services, answers: list[Rehearsed]) -> Iterator[Rehearsal]:
    """Of the second page of a list."""
    cursors = [
        answer.document["next_cursor"] for answer in answers if answer.document and "next_cursor" in answer.document
    ]
    for cursor in [cursor for cursor in cursors if cursor][:1]:
        yield "further items", partial(post_recommend, services, _LIMITS), _request("POST", {"cursor": cursor, "k": 5})


def _others(services: Services, release: Release) -> Iterator[Rehearsal]:
    """Of the other calls that read a bundle."""
    snapshot = release.snapshot
    item_ids = [release.item_ids[row] for row in snapshot.items.popular_rows[:3].tolist()]
    if snapshot.ranker is not None:
        body = {"user_id": _user(release), "item_ids": [*item_ids, release.item_ids[-1]]}
        yield "a prediction", partial(post_predict, services, _LIMITS), _request("POST", body)
    for text in _typed(release):
        yield "a completion", partial(get_suggest, services), _request("GET", query={"q": text})
    item = {"item_id": item_ids[0]}
    yield "similar items", partial(get_similar_items, services), _request("GET", query={"k": 5}, path=item)
    for item_id in (item_ids[0], release.item_ids[-1]):
        path = {"item_id": item_id}
        yield "an item", partial(get_item, services.live), _request("GET", path=path)
    yield "the demo's users", partial(get_demo_users, services), _request("GET")


def _story(services: Services, release: Release) -> Iterator[Rehearsal]:
    """Of the calls that store something, each resting on those before it."""
    snapshot, store = release.snapshot, services.store
    item_id = release.item_ids[int(snapshot.items.popular_rows[0])]
    recommend = partial(post_recommend, services, _LIMITS)
    lanes, types = services.recommender.lanes, snapshot.manifest.event_types
    tell = partial(post_events, services.events, store, 10, services.metrics, lanes, lambda: types)
    event = {"visitor_id": _VISITOR, "item_id": item_id, "type": "view"}
    yield "an event", tell, _request("POST", event)
    yield "a visitor with an event", recommend, _request("POST", {"visitor_id": _VISITOR, "k": 5, "exclude": "seen"})
    user = {"user_id": _user(release)}
    yield "a merge", partial(merge_user, services.users), _request("POST", {"visitor_id": _VISITOR}, path=user)
    yield "a user's past", partial(get_user, services.users, services.item_ids_of), _request("GET", path=user)
    yield "an erasure", partial(delete_user, services.users), _request("DELETE", path=user)


def _bodies(release: Release) -> Iterator[tuple[str, dict[str, Any]]]:
    """Kinds of `POST /recommend`, and a body of each."""
    snapshot = release.snapshot
    items = [release.item_ids[row] for row in snapshot.items.popular_rows[:5].tolist()]
    user = {"user_id": _user(release)}
    fields = snapshot.catalogue.fields[:50]
    columns = _columns(release)
    yield "nobody in particular", {"k": 5, "explain": True, "fields": fields}
    yield "a user", user | {"k": 5, "explain": True, "fields": fields}
    yield "a page of items", user | {"k": 5, "context": {"item_ids": items[:3]}, "exclude": "seen"}
    history = [{"item_id": items[0], "type": type_} for type_ in ("view", "cart", "purchase")]
    history.append({"item_id": release.item_ids[-1], "type": "view", "time": release.wall_clock() // 1})
    yield "a history", {"k": 5, "recent_events": history, "diversity": 0.5}
    for objective in () if snapshot.ranker is None else snapshot.ranker.objectives[-1:]:
        yield "an objective", user | {"k": 5, "objective": objective}
    for index, text in enumerate(_queries(release)):
        yield "a query", {"k": 5, "query": text, "explain": index == 0}
        if index == 0:
            yield "a user's query", user | {"k": 5, "query": text}
    if columns:
        conditions = [_condition(column) for column in columns]
        names = [column.name for column in columns]
        yield "a filter", user | {"k": 5, "filter": {"any": conditions}, "facets": names, "fields": names}
        yield "a filter for nobody", {"k": 5, "filter": conditions[0]}
        yield "a boost", user | {"k": 5, "boost": [{"filter": conditions[0], "factor": 2.0}]}
    yield "a pin", user | {"k": 5, "pin": [{"item_id": items[-1], "position": 2}]}
    for name, sort in (("price", "price_asc"), (ADDED, "newest")):
        if name in {column.name for column in columns if column.kind == "number"}:
            yield "an order", {"k": 5, "sort": sort}
    for name in [column.name for column in columns if column.kind != "number" and column.has_one_value][:1]:
        yield "groups", user | {"k": 5, "group_by": name}


def _columns(release: Release) -> list[AnyColumn]:
    """Columns of all kinds that the bundle has."""
    filters = release.snapshot.filters
    columns: dict[Any, AnyColumn] = {}
    for name in ["price", ADDED, *filters.names[:200]]:
        if filters.has(name):
            column = filters.column(name, name)
            kind = (column.kind, column.attribute, column.nested, column.by_reference, column.name == ADDED)
            columns.setdefault(kind, column)
    return list(columns.values())[:_MOST_COLUMNS]


def _condition(column: AnyColumn) -> dict[str, Any]:
    if column.kind == "number":
        return {"field": column.name, "gte": 0}
    return {"field": column.name, "eq": column.value_of(0)} if column.values else {"field": column.name, "exists": True}


def _user(release: Release) -> str:
    return next(iter(release.snapshot.manifest.sample_users), _USER)


def _queries(release: Release) -> list[str]:
    """Texts to search for: a title, one with a typo, the beginning of a word, and nothing that anybody knows."""
    titles = release.snapshot.catalogue.texts.get(_TITLE)
    title = (
        "" if titles is None else next((text for row in range(1, min(len(titles), 50)) if (text := titles[row])), "")
    )
    title = title[:100]
    return [text for text in (title, title[1 : max(4, len(title) // 2)], "zzqxjw 12") if text]


def _typed(release: Release) -> list[str]:
    return ["", *(text[:4] for text in _queries(release)[:2])]


def _request(
    method: str, body: Any = None, query: dict[str, Any] | None = None, path: dict[str, str] | None = None
) -> Request:
    content = b"" if body is None else orjson.dumps(body)

    async def receive() -> Message:
        return {"type": "http.request", "body": content, "more_body": False}

    scope = {
        "type": "http",
        "method": method,
        "path": "/",
        "headers": [],
        "query_string": urlencode(query or {}).encode(),
        "path_params": path or {},
        TRACE: Trace("rehearsal"),
    }
    return Request(scope, receive)
