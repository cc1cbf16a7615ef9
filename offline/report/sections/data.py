"""What the run was made of: rows read, how events are spread, the split and the graph."""

from collections.abc import Iterator
from typing import Any

from offline.dataset.split_meta import SplitMeta
from offline.report.blocks import Gallery, Plot, Row, Section, Table, numbers, words
from offline.report.distributions import Distributions, OverTime
from offline.report.gather import RunFacts
from offline.report.numbers import count, duration, is_number, moment, share
from offline.report.plots import degrees, over_time, rank_share

Document = dict[str, Any]

_TABLES = ("events", "items", "users")
_NONE_MISSING = "No value that ingest counts is missing or unreadable."
_DAY_S, _HOUR_S = 86_400.0, 3_600.0


def data_quality(facts: RunFacts) -> Section:
    """Rows, rejects and their reasons, missing values, and how the events are spread."""
    title = "Data quality"
    if facts.summary is None:
        return Section("data", title, ["This folder holds no ingested tables, so that nothing can be said of them."])
    summary, spread = facts.summary, facts.distributions
    blocks: list[Table | Gallery] = [_rows(summary)]
    missing = _missing(summary)
    blocks += [table for table in (_reasons(summary), missing) if table.rows]
    if spread is not None:
        blocks.append(_behaviours(spread))
    if facts.split is not None:
        blocks.append(_parts(facts.split))
    if spread is not None:
        blocks.append(Gallery(list(_plots(spread, facts.split))))
    return Section(
        "data", title, [*_sentences(summary, spread, facts.split), *([] if missing.rows else [_NONE_MISSING])], blocks
    )


def graph(facts: RunFacts) -> Section:
    """Nodes and edges by relation."""
    title = "Graph"
    if facts.graph is None:
        return Section("graph", title, ["This folder holds no graph."])
    nodes, edges = facts.graph.get("nodes", {}), facts.graph.get("edges", {})
    rows = [Row([" – ".join(name.split("__")).replace("_", " "), count(number)]) for name, number in edges.items()]
    empty = [name.replace("__", " – ").replace("_", " ") for name, number in edges.items() if not number]
    sentence = (
        "Edges are counted from the events of train and from the catalogue; a bucket holds hashed n-grams of text."
    )
    return Section(
        "graph",
        title,
        [sentence, *([f"Without any edge: {', '.join(empty)}; the network goes without them."] if empty else [])],
        [
            Table(
                "Nodes",
                words("kind") + numbers("nodes"),
                [Row([name, count(number)]) for name, number in nodes.items()],
            ),
            Table("Edges", words("relation") + numbers("edges"), rows),
        ],
    )


def _rows(summary: Document) -> Table:
    rows = []
    for name in _TABLES:
        counts = summary.get(name) or {}
        if not counts.get("read"):
            continue
        read = counts["read"]
        rows.append(
            Row(
                [
                    name,
                    count(read),
                    count(counts.get("kept")),
                    count(counts.get("duplicates")),
                    count(counts.get("rejected")),
                    share(counts.get("rejected"), read),
                ]
            )
        )
    heads = words("table") + numbers("rows read", "kept", "duplicates dropped", "rejected", "rejected, % of read")
    return Table("Rows of each table", heads, rows)


def _reasons(summary: Document) -> Table:
    rows = [
        Row([name, reason, count(number), share(number, summary[name]["read"])])
        for name in _TABLES
        for reason, number in (summary.get(name, {}).get("reasons") or {}).items()
    ]
    return Table(
        "Why rows were rejected (each stands in ingest/rejected.parquet)",
        words("table", "reason") + numbers("rows", "% of read"),
        rows,
    )


def _missing(summary: Document) -> Table:
    """Every count of values that are missing or unreadable, whatever ingest counts."""
    rows = []
    for name in _TABLES:
        counts = summary.get(name) or {}
        for key, number in counts.items():
            kind, _, column = key.partition("_")
            if kind in ("missing", "unreadable") and counts.get("read") and is_number(number) and number > 0:
                rows.append(Row([name, column.replace("_", " "), kind, count(number), share(number, counts["kept"])]))
    heads = words("table", "value", "is") + numbers("rows", "% of kept")
    return Table("Missing and unreadable values", heads, rows)


def _behaviours(spread: Distributions) -> Table:
    total = sum(spread.by_behaviour.values())
    rows = [Row([name, count(number), share(number, total)]) for name, number in spread.by_behaviour.items()]
    return Table("Events by behaviour", words("behaviour") + numbers("events", "% of events"), rows)


def _parts(split: SplitMeta) -> Table:
    rows = []
    for part, counts in split.counts.items():
        numbers_of = (
            counts.events,
            counts.users,
            counts.targets,
            counts.targets_on_unknown_items,
            counts.targets_on_seen_items,
        )
        rows.append(Row([part, *map(count, numbers_of)]))
    return Table(
        "Parts of the split",
        words("part")
        + numbers("events", "users", "targets", "targets on unknown items", "targets on items seen before"),
        rows,
    )


def _sentences(summary: Document, spread: Distributions | None, split: SplitMeta | None) -> Iterator[str]:
    events = summary.get("events") or {}
    if events.get("kept"):
        people, things = count(events.get("users")), count(events.get("items"))
        yield f"{count(events['kept'])} events of {people} users on {things} items."
    absent, catalogue = events.get("on_items_absent_from_catalogue"), (summary.get("items") or {}).get("kept")
    if not catalogue:
        yield "There is no catalogue: items are known by their events alone, and a new item cannot be placed."
    elif absent is not None and events.get("kept"):
        said = f"{count(absent)} events ({share(absent, events['kept'])}) are on items that the catalogue lacks"
        yield f"{said}: they teach, and such items are never answered." if absent else f"{said}."
    times = spread.over_time if spread is not None else None
    if times is not None:
        span = duration(times.last - times.first)
        yield f"The clock goes from {moment(times.first)} to {moment(times.last)}, {span}."
    elif events.get("kept"):
        yield "The events have no clock times." if not summary.get("has_time") else "All events happened at one time."
    if split is not None:
        cuts = [f"{part} begins {moment(begin)}" for part, begin in _cuts(split)]
        cut_times = ": " + ", ".join(cuts) if cuts else ""
        yield f"The data is cut by {split.how}{cut_times} (seed {split.seed})."
        if split.valid_unseen is not None:
            kept = "keep no other event on" if split.valid_unseen else "may have touched"
            yield f"Validation is drawn from train; its users {kept} what they are asked for."


def _cuts(split: SplitMeta) -> list[tuple[str, float]]:
    """The parts that begin at a clock time, with it, in unix seconds."""
    cuts = (("validation", split.train_cut), ("test", split.test_cut))
    return [(part, begin) for part, begin in cuts if begin is not None]


def _plots(spread: Distributions, split: SplitMeta | None) -> Iterator[Plot]:
    for name, histogram, hint in (
        ("users", spread.users, "a few users at the far right with very many events are often crawlers"),
        (
            "items",
            spread.items,
            "the further left the points start high, the more items have hardly any event to learn from",
        ),
    ):
        caption = f"How many {name} (upright) have how many events (across). A falling straight band is usual; {hint}."
        yield degrees(f"degrees-{name}", f"Events of {name}", name, histogram, caption)
    yield rank_share(
        "rank-share",
        "Share of events by item rank",
        spread.items,
        "Share of all events that the most popular items make. A curve that is high at the left means that popularity "
        "alone is a strong baseline.",
    )
    if spread.over_time is not None:
        yield _over_time(spread.over_time, split)


def _over_time(times: OverTime, split: SplitMeta | None) -> Plot:
    unit, length = ("days", _DAY_S) if times.last - times.first > 2 * _DAY_S else ("hours", _HOUR_S)
    half = (times.starts[1] - times.starts[0]) / 2
    begins = [] if split is None else _cuts(split)
    cuts = {f"{part} begins": (begin - times.first) / length for part, begin in begins}
    return over_time(
        "over-time",
        "Events over time",
        (times.starts + half - times.first) / length,
        times.counts,
        cuts,
        unit,
        f"Events in each of {len(times.starts)} equal spans of time. Look for gaps and jumps, where logging changed, "
        "and whether the end, which is tested on, looks like the rest.",
    )
