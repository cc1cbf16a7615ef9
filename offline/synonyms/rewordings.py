"""Queries that led to nothing, and how the same person put it within half an hour, with a click.

Only a collected data set knows them: what was shown for a query is noted there, whether or not anybody clicked.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from offline.dataset.logged_queries import normalised_query
from offline.dataset.people import person_hashes
from offline.dataset.split_events import read_parts
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.online_metrics.logs import read_events, read_searches, was_collected
from offline.synonyms.phrases import Phrases, differing_phrases

WITHIN_S: Final = 1_800.0
LEAST_PEOPLE: Final = 2  # of a re-wording: what one person has typed may be a secret
MOST_SEARCHES: Final = 2_000_000  # the newest ones
_EXAMPLES: Final = 3


@dataclass
class RewordingEvidence:
    """What speaks for a phrase being put as another."""

    people: int = 0
    empty: int = 0  # of the first queries, those that found nothing
    queries: list[tuple[str, str]] = field(default_factory=list)  # some of the pairs, those of most people first


def rewording_evidence(root: Path, split: Path) -> dict[Phrases, RewordingEvidence]:
    """By the phrases that were put as others, how often they were; only what happened before anything held out.

    Args:
        root: folder of the data set; only one that `collect` wrote, with what was shown, has any.
        split: folder of the split.
    """
    until = _end_of_train(split, read_split_meta(split))
    if until is None or not was_collected(root):
        return {}
    searches = read_searches(root).filter((pl.col("at") < until) & pl.col("person").is_not_null()).tail(MOST_SEARCHES)
    evidence: dict[Phrases, RewordingEvidence] = defaultdict(RewordingEvidence)
    for first, second, people, empty in _rewordings(_with_clicks(searches, root, until)).iter_rows():
        phrases = differing_phrases(first, second)
        if phrases is None:
            continue
        of_phrases = evidence[phrases]
        of_phrases.people += people
        of_phrases.empty += empty
        if len(of_phrases.queries) < _EXAMPLES:
            of_phrases.queries.append((first, second))
    return dict(evidence)


def _end_of_train(split: Path, meta: SplitMeta) -> float | None:
    """The time before which nothing was held out; None where the log has no times."""
    if not meta.has_time:
        return None
    if meta.train_cut is not None:
        return meta.train_cut
    held_out = [part for part in ("valid", "test") if (split / f"{part}.parquet").exists()]
    first: float | None = (
        read_parts(split, held_out, ("time",)).select(pl.col("time").min()).item() if held_out else None
    )
    return float("inf") if first is None else first


def _with_clicks(searches: pl.DataFrame, root: Path, until: float) -> pl.DataFrame:
    """The searches with words, `query` normalised, and `clicked`: whether an event names the answer, or the same
    person's names the query soon after.
    """
    typed = searches["query"].unique()
    read = pl.DataFrame(
        {"query": typed, "words": [normalised_query(text) for text in typed]}, schema_overrides={"words": pl.String}
    )
    searches = searches.join(read, on="query", maintain_order="left").filter(pl.col("words") != "")
    searches = searches.with_row_index("search")
    events = read_events(root).filter(pl.col("at") < until)
    by_answer = searches.join(events.select("request_id", then="at"), on="request_id")
    people = events["user"].unique().drop_nulls()
    hashes = pl.DataFrame(
        {"user": people, "person": [f"{person:016x}" for person in person_hashes(people.to_list()).tolist()]},
        schema={"user": pl.String, "person": pl.String},
    )
    by_query = searches.join(events.select("user", "query", then="at").join(hashes, on="user"), on=["person", "query"])
    clicks = [
        events_of_search.filter(pl.col("then").is_between(pl.col("at"), pl.col("at") + WITHIN_S)).select("search")
        for events_of_search in (by_answer, by_query)
    ]
    return searches.with_columns(clicked=pl.col("search").is_in(pl.concat(clicks)["search"].implode()))


def _rewordings(searches: pl.DataFrame) -> pl.DataFrame:
    """`first, second, people, empty` of the queries without a click that the next query of the person had, most people
    first. Repeats of a query, as with another filter, are one.
    """
    ordered = searches.sort("person", "at", "search")
    is_next = (pl.col("words") != pl.col("words").shift(1)) | (pl.col("person") != pl.col("person").shift(1))
    runs = (
        ordered.with_columns(run=is_next.fill_null(value=True).cum_sum())
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("person", "words").first(),
            pl.col("at").first().alias("begin"),
            pl.col("at").last().alias("end"),
            pl.col("clicked").any(),
            (pl.col("total") == 0).fill_null(value=False).any().alias("empty"),
        )
    )
    after = runs.with_columns(pl.col("person", "words", "begin", "clicked").shift(-1).name.prefix("next_"))
    reworded = after.filter(
        (pl.col("next_person") == pl.col("person"))
        & ~pl.col("clicked")
        & pl.col("next_clicked")
        & (pl.col("next_begin") - pl.col("end") <= WITHIN_S)
    )
    counted = reworded.group_by(first="words", second="next_words").agg(
        pl.col("person").n_unique().alias("people"),
        pl.col("person").filter(pl.col("empty")).n_unique().alias("empty"),
    )
    kept = counted.filter(pl.col("people") >= LEAST_PEOPLE)
    return kept.sort("people", "first", "second", descending=[True, False, False])
