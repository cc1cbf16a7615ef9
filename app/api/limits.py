"""The table of limits: each bound of a request or a connection once, for the API's own document and for SETTINGS.md.

A further bound is a further `Limit` in `LIMITS`, with the constant or the setting that the code itself reads. `make
docs` writes it into app/SETTINGS.md, `/openapi.json` has it among `x-limits`, `/docs` shows it, and
tests/app/api/test_limits.py fails until it shows there, by what goes past the bound, that the status and the code are
those of the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from app.api import catalogue_schemas, item_parsing, json_members, schemas, suggest_schemas, wire_values
from app.api.problems import MOST_ERRORS, MOST_LOOKED_AT, status_of
from app.artifact.ids import MAX_ID
from app.engine.selection import filter_index, filter_parsing
from app.engine.text.operators import MOST_OPERATORS, MOST_READ
from app.engine.text.suggest import MOST_LETTERS
from app.errors import (
    AisleError,
    BodyCrowdedOut,
    BodyTooLarge,
    CursorExpired,
    HeadTooLarge,
    InvalidRequest,
    Overloaded,
    RequestTimeout,
    StoreUnavailable,
    TargetTooLong,
)
from app.serving.cursor import LASTS_S
from app.settings import MAX_HEADERS, MAX_K, MAX_PIPELINED, MAX_QUERY, PREFIX, Settings

Unit = Literal["", "characters", "bytes", "MB", "ms", "s", "a second"]


@dataclass(frozen=True, slots=True)
class Limit:
    """One bound, and what becomes of what goes past it."""

    name: str
    """Stable, and the only one of this name."""
    bounds: str
    """What is bounded."""
    value: float | None = None
    """The bound where it is no setting."""
    setting: str | None = None
    """The field of `Settings` that holds the bound."""
    unit: Unit = ""
    error: type[AisleError] | None = None
    """What it is answered with; `None` where that is no problem document."""
    status: int | None = None
    """The status of an answer that is no problem document."""
    then: str = ""
    """What happens, beyond what status and code say."""

    @property
    def default(self) -> float:
        """The bound, if nobody set another one."""
        value = self.value if self.setting is None else Settings.model_fields[self.setting].default
        assert value is not None  # noqa: S101 - one of the two is given
        return float(value)

    @property
    def answer(self) -> tuple[int | None, str | None]:
        """Status and code of what goes past it; no status where nothing is answered, no code where it is no problem."""
        return (self.status, None) if self.error is None else (int(status_of(self.error())), self.error.code)


LIMITS: Final = (
    # Connections
    Limit(
        "head",
        "the head of a request, with its request line",
        setting="max_head_bytes",
        unit="bytes",
        error=HeadTooLarge,
        then="closed behind the answer",
    ),
    Limit(
        "target",
        "the same, where it is the address that is long",
        setting="max_head_bytes",
        unit="bytes",
        error=TargetTooLong,
        then="closed behind the answer",
    ),
    Limit(
        "headers", "header lines of a request", value=MAX_HEADERS, error=HeadTooLarge, then="closed behind the answer"
    ),
    Limit(
        "framing",
        "sizes of the chunks of a body, their extensions, and trailers, together",
        setting="max_head_bytes",
        unit="bytes",
        error=HeadTooLarge,
        then="closed behind the answer",
    ),
    Limit(
        "head_time",
        "the time from the first byte of a head (for the first one, from the beginning of the connection) to its last",
        setting="head_timeout_s",
        unit="s",
        error=RequestTimeout,
        then="closed behind the answer; without one where nothing came",
    ),
    Limit(
        "body_time",
        "the time from the end of a head to the end of the body",
        setting="body_timeout_s",
        unit="s",
        error=RequestTimeout,
        then="closed behind the answer",
    ),
    Limit(
        "held_bodies",
        "request bodies that arrive or are not answered yet, and requests read ahead of answers, of all connections",
        setting="held_body_mb",
        unit="MB",
        error=BodyCrowdedOut,
        then="requests sent ahead, then the largest body that still arrives; closed behind the answer",
    ),
    Limit(
        "pipelined",
        "requests read ahead of the answers of one connection",
        value=MAX_PIPELINED,
        status=200,
        then="further ones are read when those are answered",
    ),
    Limit("answer_time", "the time in which a client takes its answer", setting="answer_timeout_s", unit="s"),
    Limit(
        "unread_answers",
        "answers that their clients do not take, of all connections",
        setting="unread_answer_mb",
        unit="MB",
        then="the connection with the largest",
    ),
    Limit("idle_time", "the time that a connection is idle", setting="keep_alive_s", unit="s"),
    Limit(
        "connections",
        "connections, or fewer where there are not so many descriptors",
        setting="max_connections",
        then="the one that has been silent longest",
    ),
    # Requests
    Limit("body", "a request body", setting="max_body_bytes", unit="bytes", error=BodyTooLarge),
    Limit(
        "parameters",
        "query parameters of one call, a repeated one counted each time",
        value=wire_values.MAX_PARAMETERS,
        error=InvalidRequest,
    ),
    Limit("k", "items of an answer, `k`", value=MAX_K, error=InvalidRequest),
    Limit("limit", "completions, `limit` of `/suggest`", value=suggest_schemas.MAX_SUGGESTIONS, error=InvalidRequest),
    Limit(
        "completion",
        "the text of a completion; a longer brand or category is none",
        value=MOST_LETTERS,
        unit="characters",
        status=200,
        then="cut between words, and ends with …",
    ),
    Limit(
        "query",
        "the text of `query`, and of `q` of `/suggest`",
        value=MAX_QUERY,
        unit="characters",
        error=InvalidRequest,
    ),
    Limit("id", "an id", value=MAX_ID, unit="characters", error=InvalidRequest),
    Limit(
        "name", "the name of a column or an attribute", value=schemas.MAX_NAME, unit="characters", error=InvalidRequest
    ),
    Limit("recent_events", "events in `recent_events`", setting="max_events", error=InvalidRequest),
    Limit(
        "item_ids",
        "ids in `exclude_item_ids`, `context.item_ids`, and `item_ids` of `/predict`, each",
        setting="max_item_ids",
        error=InvalidRequest,
    ),
    Limit("batch_body", "the body of `POST /items/batch`", setting="max_batch_bytes", unit="bytes", error=BodyTooLarge),
    Limit(
        "batch_time",
        "the time from the end of its head to the end of that body",
        setting="batch_timeout_s",
        unit="s",
        error=RequestTimeout,
        then="closed behind the answer",
    ),
    Limit("operations", "operations of a batch in JSON", setting="max_batch_operations", error=InvalidRequest),
    Limit("lines", "operations of a batch with one a line", setting="max_batch_lines", error=InvalidRequest),
    Limit("item", "the JSON of one item", setting="max_item_bytes", unit="bytes", error=InvalidRequest),
    Limit(
        "values",
        "values of an attribute, and categories, of one item",
        value=item_parsing.MAX_VALUES,
        error=InvalidRequest,
    ),
    Limit(
        "json_levels",
        "objects and lists within each other in a body that changes items",
        value=json_members.MAX_LEVELS,
        error=InvalidRequest,
    ),
    Limit("listed", "items of one page of `GET /items`", value=catalogue_schemas.MAX_LISTED, error=InvalidRequest),
    Limit(
        "rejected",
        "operations of a batch whose rejection is told; further ones are counted",
        value=catalogue_schemas.MOST_REJECTED,
        status=200,
    ),
    Limit(
        "catalogue_wait",
        "the time that a call waits for changes of items that are accepted and not served yet",
        setting="catalogue_wait_ms",
        unit="ms",
        status=200,
        then="answered without them, `degraded: catalogue`",
    ),
    Limit("events", "events in one `POST /events`", setting="max_event_rows", error=InvalidRequest),
    Limit(
        "fields", "names in `fields`; a repeated one is answered once", value=schemas.MAX_FIELDS, error=InvalidRequest
    ),
    Limit("facets", "names in `facets`", value=schemas.MAX_FACETS, error=InvalidRequest),
    Limit("boost", "rules in `boost`", value=schemas.MAX_BOOSTS, error=InvalidRequest),
    Limit("pin", "rules in `pin`", value=schemas.MAX_PINS, error=InvalidRequest),
    Limit("filter_depth", "levels of a filter", value=filter_parsing.MAX_DEPTH, error=InvalidRequest),
    Limit("filter_conditions", "conditions of a filter", value=filter_parsing.MAX_CONDITIONS, error=InvalidRequest),
    Limit(
        "filter_nodes",
        "nodes of a filter: `all`, `any`, `not` and conditions",
        value=filter_parsing.MAX_NODES,
        error=InvalidRequest,
    ),
    Limit(
        "conditions",
        "conditions of `filter` and of all boosts of a request together",
        setting="max_conditions",
        error=InvalidRequest,
    ),
    Limit(
        "filter_values",
        "values in all `in` of `filter` and of all boosts of a request together",
        value=filter_parsing.MAX_VALUES,
        error=InvalidRequest,
    ),
    Limit(
        "reasons",
        "reasons of an answer with `explain`: `k` times up to ten events, a query, a pin, each boost, and two",
        setting="max_reasons",
        error=InvalidRequest,
    ),
    Limit("filter_text", "a text in a filter", value=filter_parsing.MAX_TEXT, unit="characters", error=InvalidRequest),
    Limit("cursor", "the text of `cursor`", value=schemas.MAX_CURSOR, unit="characters", error=InvalidRequest),
    Limit(
        "cursor_age",
        "the age of a list whose pages are asked for; it also ends with the version after the next",
        value=LASTS_S,
        unit="s",
        error=CursorExpired,
    ),
    Limit("longest_timeout", "the largest `timeout_ms`", value=schemas.MAX_TIMEOUT_MS, unit="ms", error=InvalidRequest),
    Limit(
        "wrong_fields",
        "wrong fields that a problem document names",
        value=MOST_ERRORS,
        error=InvalidRequest,
        then=f"the others are counted, and past {MOST_LOOKED_AT:,} of them none is named",
    ),
    # How many, and how long
    Limit("pending", "requests that wait or are under way", setting="max_pending", error=Overloaded),
    Limit("rate", "calls of one key, 0 for any number", setting="rate_per_key", unit="a second", error=Overloaded),
    Limit(
        "timeout",
        "the time of an answer, where the request has no `timeout_ms`",
        setting="timeout_ms",
        unit="ms",
        status=200,
        then="what is popular, with `timeout` in `degraded`",
    ),
    Limit(
        "redis_read",
        "the time to read states",
        setting="redis_timeout_ms",
        unit="ms",
        status=200,
        then="answered from the states of the bundle, with `user_state` in `degraded`; after three in a row nobody "
        "waits, and a probe twice a second notices when Redis is back",
    ),
    Limit(
        "redis_write",
        "the time to store events",
        setting="redis_write_timeout_ms",
        unit="ms",
        error=StoreUnavailable,
        then="sent again with its `event_id`, an event counts once",
    ),
    Limit(
        "operators",
        "phrases and words to leave out in a query",
        value=MOST_OPERATORS,
        status=200,
        then="further ones are text",
    ),
    Limit(
        "texts_read",
        "items whose texts are read for the operators of a query",
        value=MOST_READ,
        status=200,
        then="where more have the words of a phrase, its words decide, in any order",
    ),
    Limit(
        "masks",
        "masks of filters in memory",
        value=filter_index.MASK_CACHE_BYTES,
        unit="bytes",
        status=200,
        then="the one used longest ago goes",
    ),
)
"""Every limit, in the order of the table."""


def describe_limits(values: Mapping[str, float]) -> list[dict[str, Any]]:
    """The table for the API's own document.

    Args:
        values: what this process has set, by the names of settings; the default for one that is not there.
    """
    return [
        {
            "name": limit.name,
            "bounds": limit.bounds,
            "value": values.get(limit.setting or "", limit.default),
            "unit": limit.unit,
            "setting": None if limit.setting is None else PREFIX + limit.setting.upper(),
            "status": limit.answer[0],
            "code": limit.answer[1],
            "then": limit.then,
        }
        for limit in LIMITS
    ]


def limits_table() -> Iterator[str]:
    """The table as lines of Markdown, with the values that hold if nothing is set."""
    yield "| what is bounded | at most | setting | answer | code |"
    yield "|---|---|---|---|---|"
    for limit in LIMITS:
        status, code = limit.answer
        cells = (
            limit.bounds,
            text_of(limit.default, limit.unit),
            "" if limit.setting is None else f"`{PREFIX}{limit.setting.upper()}`",
            "; ".join(filter(None, ("closed" if status is None else str(status), limit.then))),
            "" if code is None else f"`{code}`",
        )
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def text_of(value: float, unit: Unit) -> str:
    """A bound as people write it, such as 1 MiB."""
    if unit == "bytes":
        for size, word in ((2**20, "MiB"), (2**10, "KiB")):
            if value >= size and not value % size:
                return f"{value / size:,.0f} {word}"
    return f"{value:,.6g} {unit}".rstrip()
