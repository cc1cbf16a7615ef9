"""The JSON documents of answers."""

from typing import Any, Final

import orjson
from starlette.responses import Response

from app.artifact.names import PADDING_ROW
from app.engine.catalogue import Items
from app.engine.reasons import Reason
from app.engine.selection.fields import texts_of
from app.engine.snapshot import Snapshot
from app.serving.call import Answer

JSON: Final = "application/json"
_CONTENT_TYPE: Final = b"content-type", JSON.encode("ascii")
_WEIGHT_DECIMALS: Final = 3


def json_response(document: Any, status: int = 200) -> Response:
    """The response with a document as JSON."""
    return json_body_response(orjson.dumps(document), status)


class _JsonResponse(Response):
    """A response with JSON; it writes its two headers without asking which there are."""

    def __init__(self, body: bytes, status: int) -> None:
        self.body, self.status_code, self.background = body, status, None
        self.raw_headers = [(b"content-length", b"%d" % len(body)), _CONTENT_TYPE]


def json_body_response(body: bytes, status: int = 200) -> Response:
    """The response with a document that is JSON already."""
    return _JsonResponse(body, status)


def answer_body(answer: Answer, request_id: str, fields: list[str] | None, snapshot: Snapshot) -> bytes:
    """The JSON of a `RecommendAnswer`.

    Args:
        answer: what the service answered.
        request_id: the id of the HTTP request.
        fields: catalogue columns and attributes to add to each item; `None` adds no `fields` at all.
        snapshot: the bundle with their values.
    """
    items: list[dict[str, Any]] = [
        {"item_id": item_id, "rank": rank, "score": score}
        for rank, (item_id, score) in enumerate(
            zip(answer.item_ids, answer.scores, strict=True), start=answer.first_rank
        )
    ]
    if fields is not None:
        _add_fields(items, answer.item_rows, fields, snapshot)
    if answer.reasons is not None:
        ids: dict[int, str] = {}
        for item, reasons in zip(items, answer.reasons, strict=True):
            item["reasons"] = [_reason(reason, snapshot.items, ids) for reason in reasons]
    document = {
        "request_id": request_id,
        "model_version": answer.model_version,
        "items": items,
        "total": answer.total,
        "next_cursor": answer.next_cursor,
        "facets": answer.facets,
        "corrected_query": answer.corrected_query,
        "matched_by": answer.matched_by,
        "dropped_words": list(answer.dropped_words),
        "query_kinds": [
            {"kind": kind.name, "weight": round(kind.weight, _WEIGHT_DECIMALS)} for kind in answer.query_kinds
        ],
        "similar_queries": answer.similar_queries,
        "popular_items": None if answer.popular_rows is None else _popular(answer.popular_rows, fields, snapshot),
        "degraded": answer.degraded,
        "unknown_item_ids": answer.unknown_item_ids,
    }
    return orjson.dumps(document)


def _popular(rows: list[int], fields: list[str] | None, snapshot: Snapshot) -> list[dict[str, Any]]:
    """Items that stand beside a list: without rank and score."""
    items: list[dict[str, Any]] = [{"item_id": snapshot.items.id_of(row)} for row in rows]
    if fields is not None:
        _add_fields(items, rows, fields, snapshot)
    return items


def _add_fields(items: list[dict[str, Any]], rows: list[int], fields: list[str], snapshot: Snapshot) -> None:
    for item, text in zip(items, texts_of(rows, fields, snapshot.catalogue, snapshot.filters), strict=True):
        item["fields"] = orjson.Fragment(text)


def _reason(reason: Reason, items: Items, ids: dict[int, str]) -> dict[str, Any]:
    kind, weight, row, terms, position = reason
    if row != PADDING_ROW:
        item_id = ids.get(row)
        if item_id is None:  # a text column is slow to read item by item
            item_id = ids.setdefault(row, items.id_of(row))
        return {"kind": kind, "item_id": item_id, "weight": weight}
    document: dict[str, Any] = {"kind": kind}
    if terms is not None:
        document["terms"] = terms
    if position is not None:
        document["position"] = position
    document["weight"] = weight
    return document
