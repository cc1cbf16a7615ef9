"""Attribute events to answers, by the rules of the service's metrics `aisle_online_*`.

1. An event that names an answer by `request_id` belongs to it if the answer showed its item, and if it happened no
   later than a window after the answer. Of several answers with that name, the event belongs to the newest before it
   that showed the item; when the caller's clock puts the event before all of them, to the first one.
2. A cart or purchase that names no answer belongs to the answer that last led the same person to the same item by
   rule 1, within the same window.
"""

from dataclasses import dataclass

import polars as pl

LATER = ("cart", "purchase")  # sent by pages that do not know the list that led to them


@dataclass(frozen=True)
class Attributed:
    """Events with the answers that they belong to."""

    of_answers: pl.DataFrame  # `answer`, `item`, `type`, `rank`; a row for each event that belongs to one
    counts: dict[str, int]  # of events that name an answer: attributed, other_item, too_late, unknown_request


def attribute(shown: pl.DataFrame, events: pl.DataFrame, window_s: float) -> Attributed:
    """Find the answer of each event.

    Args:
        shown: from `read_shown`.
        events: from `read_events`.
        window_s: how long after an answer an event may belong to it.
    """
    numbered = events.with_row_index("event")
    naming = numbered.filter(pl.col("request_id").is_not_null())
    items = (
        shown.join(naming.select("request_id").unique(), on="request_id", how="semi")
        .with_columns(place=pl.int_ranges(pl.col("items").list.len()))
        .explode("items", "place")
        .select("answer", "request_id", item="items", shown_at="at", until=pl.col("at") + window_s, rank=_rank())
    )
    matches = naming.join(items, on=["request_id", "item"])
    is_before = pl.col("shown_at") <= pl.col("at")
    nearest = pl.when(is_before).then(pl.col("answer").cast(pl.Int64)).otherwise(-pl.col("answer").cast(pl.Int64))
    own = matches.sort(is_before, nearest).unique("event", keep="last", maintain_order=True)
    direct = own.filter(pl.col("at") <= pl.col("until"))
    of_answers = pl.concat([_columns(direct), _columns(_followed(numbered, direct))])
    return Attributed(of_answers, _counts(shown, naming, matches, direct))


def _rank() -> pl.Expr:
    return (pl.col("first_rank") + pl.col("place")).cast(pl.Int64)


def _followed(numbered: pl.DataFrame, direct: pl.DataFrame) -> pl.DataFrame:
    """Return the events of rule 2, each with the answer of the last event of rule 1 before it."""
    later = numbered.filter(pl.col("request_id").is_null() & pl.col("type").is_in(LATER)).sort("at", "event")
    came = direct.sort("at", "event").select("user", "item", "at", "answer", "until", "rank")
    return later.join_asof(came, on="at", by=["user", "item"], strategy="backward", check_sortedness=False).filter(
        pl.col("at") <= pl.col("until")
    )


def _columns(events: pl.DataFrame) -> pl.DataFrame:
    return events.select("answer", "item", "type", "rank")


def _counts(shown: pl.DataFrame, naming: pl.DataFrame, matches: pl.DataFrame, direct: pl.DataFrame) -> dict[str, int]:
    known = naming.join(shown.select("request_id").unique(), on="request_id", how="semi").height
    with_item = matches.get_column("event").n_unique()
    return {
        "attributed": direct.height,
        "too_late": with_item - direct.height,
        "other_item": known - with_item,
        "unknown_request": naming.height - known,
    }
