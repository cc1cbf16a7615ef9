"""The yardstick: a typed FastAPI endpoint that does nothing, written and served the way it is usually done.

The request is parsed into a model; the answer is a model of 20 items that lies ready. Whatever a service of this kind
does on top of it can only be slower, unless it leaves FastAPI's own way.
"""

import sys

import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel


class Event(BaseModel):
    """One event of the history."""

    item_id: str
    type: str = "view"
    time: str | None = None


class Context(BaseModel):
    """The page."""

    item_ids: list[str] = []


class Asked(BaseModel):
    """The request."""

    user_id: str | None = None
    visitor_id: str | None = None
    context: Context | None = None
    recent_events: list[Event] | None = None
    exclude_item_ids: list[str] = []
    k: int = 20


class Item(BaseModel):
    """One item."""

    item_id: str
    rank: int
    score: float


class Answer(BaseModel):
    """The answer."""

    request_id: str
    model_version: str
    items: list[Item]
    total: int
    degraded: list[str]


app = FastAPI()
_READY = Answer(
    request_id="01JDE4M8N2Q0V7T5X3Y1Z9W6CB",
    model_version="2026-11-23T10-15-00-3f2a",
    items=[Item(item_id=f"p{100_000 + rank}", rank=rank, score=1 / rank) for rank in range(1, 21)],
    total=200,
    degraded=[],
)


@app.get("/readyz")
async def ready() -> None:
    """It listens."""


@app.post("/recommend")
async def recommend(asked: Asked) -> Answer:  # noqa: ARG001 - to be parsed is all it is for
    """Nothing but the parsing and the answer."""
    return _READY


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False, log_level="warning")
