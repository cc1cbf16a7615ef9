"""Calls that change items, and the catalogue as it is now."""

from functools import partial
from typing import Any, Final

import orjson
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response

from app.api.answers import json_response
from app.api.batch_parsing import (
    BatchLimits,
    Rejection,
    Row,
    object_in,
    operation_of,
    parse_rows,
    rows_of_json,
    rows_of_lines,
)
from app.api.catalogue_schemas import (
    MOST_REJECTED,
    BatchRequest,
    CatalogueAnswer,
    ItemFields,
    ItemsAnswer,
    ItemsRequest,
    NewColumns,
)
from app.api.direct_route import DirectRoute
from app.api.item_parsing import ItemParser, WrongField, checked_id, invalid
from app.api.item_routes import ITEM_ID, TAG
from app.api.openapi import body_of, parameter, with_bounds
from app.api.wire_values import fields_of
from app.api.wire_work import read_request
from app.artifact.item_document import ItemDocument
from app.errors import InvalidRequest, ItemNotFound, StoreUnavailable
from app.serving.catalogue_list import ListedItem, listed_items
from app.serving.catalogue_writer import Applied, Operation
from app.serving.services import Services

NDJSON: Final = frozenset(
    ("application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines")
)
"""Media types of a batch with an operation a line."""
BATCH_PATH: Final = "/items/batch"
_AT_ONCE: Final = 500  # operations that are parsed and written together
_ITEM: Final = {
    "title": "Trail shoe",
    "category": "Shoes > Trail",
    "brand": "Own",
    "price": 99.95,
    "in_stock": True,
    "attributes": {"color": ["red"]},
}
_ANSWER: Final = {"sequence": 81234, "applied": 1, "rejected": [], "rejected_count": 0, "durable": True}
_BATCH: Final = {
    "operations": [{"put": {"item_id": "p3", **_ITEM}}, {"patch": {"item_id": "p9", "price": 89.95}}, {"delete": "p7"}]
}
_NEW_COLUMNS: Final = parameter(
    "query",
    "new_columns",
    "string",
    "What becomes of columns that the catalogue does not know: `keep` stores them for the next training.",
    "keep",
    ("refuse", "keep"),
)


def catalogue_routes(services: Services, limits: BatchLimits) -> list[APIRoute]:
    """`GET /items`, `POST /items/batch`, and `PUT`, `PATCH` and `DELETE /items/{id}`."""
    changes: dict[str, Any] = {
        "answer": CatalogueAnswer,
        "example": _ANSWER,
        "problems": (401, 404, 413, 422, 429, 503),
        "tags": [TAG],
    }
    return [
        DirectRoute(
            "GET",
            "/items",
            partial(get_items, services),
            answer=ItemsAnswer,
            example={
                "items": [{"item_id": "p3", "sequence": 81234, "deleted": False, "hidden": False, "fields": _ITEM}],
                "sequence": 81234,
                "epoch": "5f0c2a9d41e7b836",
                "next_after": None,
            },
            problems=(401, 422, 429),
            summary="The catalogue as it is now",
            operation_id="get_items",
            tags=[TAG],
            openapi_extra={
                "parameters": with_bounds(
                    ItemsRequest,
                    [
                        parameter("query", "limit", "integer", "How many items, at most: 1 to 1,000.", 100),
                        parameter("query", "after", "string", "The id behind which the page begins.", "p2"),
                        parameter(
                            "query", "changed_since", "integer", "Only what changed after this sequence.", 81_000
                        ),
                    ],
                )
            },
        ),
        DirectRoute(
            "POST",
            BATCH_PATH,
            partial(post_batch, services, limits),
            summary="Change many items",
            operation_id="post_items_batch",
            openapi_extra=_batch_body() | {"parameters": [_NEW_COLUMNS]},
            **changes,
        ),
        DirectRoute(
            "PUT",
            "/items/{item_id:id}",
            partial(put_item, services, limits),
            summary="Create or replace an item",
            operation_id="put_item",
            openapi_extra=body_of(ItemFields, _ITEM) | {"parameters": [ITEM_ID, _NEW_COLUMNS]},
            **changes,
        ),
        DirectRoute(
            "PATCH",
            "/items/{item_id:id}",
            partial(patch_item, services, limits),
            summary="Change fields of an item",
            operation_id="patch_item",
            openapi_extra=body_of(ItemFields, {"price": 89.95, "in_stock": False})
            | {"parameters": [ITEM_ID, _NEW_COLUMNS]},
            **changes,
        ),
        DirectRoute(
            "DELETE",
            "/items/{item_id:id}",
            partial(delete_item, services),
            summary="Take an item out of the catalogue",
            operation_id="delete_item",
            openapi_extra={"parameters": [ITEM_ID]},
            **changes,
        ),
    ]


async def get_items(services: Services, request: Request) -> Response:
    """Items by id, hidden ones too, as far as this service knows them now: to compare with the shop's own.

    `next_after` is what the next page begins behind. With `changed_since` those that changed after a sequence number,
    the deleted ones among them: all of them up to the `sequence` of the answer, or, of several pages, up to that of the
    first. Where `epoch` is another than before, so is the counting, and what was known is to be read anew.
    """
    page = ItemsRequest.model_validate(fields_of(request.query_params))
    look = await services.live.look()
    if look.degraded:
        raise StoreUnavailable("the newest changes of the catalogue cannot be read: try again")
    moment = services.live.moment(page.changed_since or 0)
    list_items = partial(listed_items, moment, page.limit, page.after, only_changed=page.changed_since is not None)
    items, next_after = await services.recommender.lanes.wire.run(list_items)
    return json_response(
        {
            "items": [_entry_of(item) for item in items],
            "sequence": moment.head.sequence,
            "epoch": moment.head.epoch,
            "next_after": next_after,
        }
    )


async def put_item(services: Services, limits: BatchLimits, request: Request) -> Response:
    """Creates the item, or replaces all that is known of it: fields that are not given are gone.

    It is there for the very next call. Named are the usual fields, the catalogue's attributes, and its columns for
    display.
    """
    return await _change_one(services, limits, request, "put")


async def patch_item(services: Services, limits: BatchLimits, request: Request) -> Response:
    """Changes the fields that are given; null clears one, the others stay. An item that is not known is a 404."""
    return await _change_one(services, limits, request, "patch")


async def delete_item(services: Services, request: Request) -> Response:
    """The item is answered nowhere any more. Its id may come again; a second time nothing happens."""
    item_id = _id_in(request)
    applied = await services.catalogue.write([Operation(item_id, "delete", {})])
    return json_response(_answer_of(applied, 1, [], 0))


async def post_batch(services: Services, limits: BatchLimits, request: Request) -> Response:
    """Operations in their order, each whole or not at all: one that is wrong is rejected by itself.

    As JSON, or for many (`Content-Type: application/x-ndjson`) with an operation a line; there a rejection also has the
    number of its `line`, and lines without anything are none. A body of which nothing is an operation is a 422.
    """
    parser = _parser_of(services, request)
    body = await request.body()
    is_lines = request.headers.get("content-type", "").partition(";")[0].strip().lower() in NDJSON
    read = partial(rows_of_lines, body, limits.lines) if is_lines else partial(rows_of_json, body, limits.operations)
    rows = await services.recommender.lanes.wire.run(read)
    rejected: list[dict[str, Any]] = []
    rejected_count = applied_count = 0
    has_operation = False
    applied: Applied | None = None
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        results = await services.recommender.lanes.wire.run(partial(parse_rows, parser, limits, part))
        places = [place for place, result in enumerate(results) if isinstance(result, Operation)]
        operations = [result for result in results if isinstance(result, Operation)]
        wrong = {place: result for place, result in enumerate(results) if isinstance(result, Rejection)}
        if operations:
            applied = await services.catalogue.write(operations)
            wrong |= {places[place]: _unknown(operations[place].item_id) for place in applied.unknown}
            applied_count += len(operations) - len(applied.unknown)
        rejected_count += len(wrong)
        rejected += [_rejection_entry(start + place, part[place], wrong[place]) for place in sorted(wrong)]
        del rejected[MOST_REJECTED:]
        has_operation = has_operation or any(not isinstance(one, Rejection) or one.is_operation for one in results)
    if is_lines and rejected and not has_operation:
        raise InvalidRequest(f"the body: no line is an operation; line {rejected[0]['line']}: {rejected[0]['message']}")
    if applied is None:
        applied = await services.catalogue.write([])
    return json_response(_answer_of(applied, applied_count, rejected, rejected_count))


async def _change_one(services: Services, limits: BatchLimits, request: Request, kind: Any) -> Response:
    item_id, parser = _id_in(request), _parser_of(services, request)
    body = await request.body()
    try:
        row = await read_request(services.recommender.lanes, len(body), partial(object_in, body))
        if row.get("item_id", item_id) != item_id:
            raise WrongField("item_id", "expected that of the address, or none")
        operation = operation_of(parser, limits, kind, item_id, row, len(body))
    except WrongField as error:
        raise invalid(error) from error
    applied = await services.catalogue.write([operation])
    if applied.unknown:
        raise ItemNotFound(_unknown(item_id).message)
    return json_response(_answer_of(applied, 1, [], 0))


def _parser_of(services: Services, request: Request) -> ItemParser:
    wishes = NewColumns.model_validate(fields_of(request.query_params))
    return ItemParser(services.recommender.release.snapshot, keeps_new=wishes.new_columns == "keep")


def _id_in(request: Request) -> str:
    try:
        return checked_id(request.path_params["item_id"])
    except WrongField as error:
        raise invalid(error) from error


def _unknown(item_id: str) -> Rejection:
    return Rejection("item_not_found", f"no item {item_id!r} in the catalogue: put it whole first")


def _rejection_entry(index: int, row: Row, rejection: Rejection) -> dict[str, Any]:
    line = {} if row.line is None else {"line": row.line}
    return {"index": index, **line, "code": rejection.code, "message": rejection.message}


def _answer_of(
    applied: Applied, applied_count: int, rejected: list[dict[str, Any]], rejected_count: int
) -> dict[str, Any]:
    return {
        "sequence": applied.head.sequence,
        "applied": applied_count,
        "rejected": rejected,
        "rejected_count": rejected_count,
        "durable": applied.durable,
    }


def _entry_of(item: ListedItem) -> dict[str, Any]:
    document = item.document
    return {
        "item_id": item.item_id,
        "sequence": item.sequence,
        "deleted": document is None,
        "hidden": document is not None and document.hidden,
        "fields": None if document is None else _wire_of(document),
    }


def _wire_of(document: ItemDocument) -> dict[str, Any]:
    """The fields of an item as `PUT` takes them."""
    attributes: dict[str, list[str]] = {}
    for pair in document.attributes:
        name, _, value = pair.partition("=")
        attributes.setdefault(name, []).append(value)
    paths = document.category.split("\n") if document.category else []
    values: dict[str, Any] = {
        "title": document.title,
        "category": paths if len(paths) > 1 else document.category,
        "brand": document.brand,
        "price": document.price,
        "currency": document.currency,
        "description": document.description,
        "in_stock": document.in_stock,
        "added": document.added,
        "attributes": attributes or None,
    }
    values |= {name: orjson.loads(text) for name, text in (*document.display.items(), *document.further.items())}
    return {name: value for name, value in values.items() if value is not None}


def _batch_body() -> dict[str, Any]:
    body = body_of(BatchRequest, _BATCH)
    line = orjson.dumps(_BATCH["operations"][0]).decode()
    content = body["requestBody"]["content"]
    content["application/x-ndjson"] = {"schema": {"type": "string"}, "example": f"{line}\n"}
    return body
