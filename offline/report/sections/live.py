"""What shoppers did with the answers of the versions that served."""

from typing import Any

from offline.online_metrics.compare import AHEAD, BEHIND, OPEN, notes_of
from offline.online_metrics.figures import LABELS, MEANINGS
from offline.report.blocks import Gallery, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, duration, figure, interval, moment, share, signed
from offline.report.plots import by_rank, whiskers

Document = dict[str, Any]

SHOWN_VERSIONS = 8  # the last ones; all are in the JSON
_SAID = {AHEAD: "leads", BEHIND: "lies behind", OPEN: "cannot be told"}
_TITLE = "Live answers"


def live(facts: RunFacts) -> Section:
    """How the versions did that served while the data of a run was collected."""
    if facts.live is None:
        return Section("live", _TITLE, ["The data of this run was not collected from answers that were shown."])
    return live_section(facts.live)


def live_section(document: Document) -> Section:
    """The figures of `evaluate_online`."""
    versions = document["versions"][-SHOWN_VERSIONS:]
    if not versions:
        return Section("live", _TITLE, ["No answer with items was shown."])
    sentences = [
        f"What shoppers did with {count(document['answers'])} answers, each followed for "
        f"{duration(document['window_s'])}. "
        + " ".join(f"{LABELS[metric]}: {meaning}." for metric, meaning in MEANINGS.items())
        + " Intervals are 95 % bootstraps over people.",
        *([f"The last {len(versions)} of {len(document['versions'])} versions."] if _left_out(document) else []),
        *notes_of(document),
    ]
    latest_first = versions[::-1]
    panels = {
        LABELS[metric]: [
            (version["version"], version["metrics"][metric], version["ci95"][metric]) for version in latest_first
        ]
        for metric in MEANINGS
    }
    plots = [
        whiskers(
            "live-versions",
            "What answers led to, by version",
            panels,
            "The version that answered last stands on top. Dots are means, lines 95 % intervals. Where lines overlap "
            "widely, the difference may be chance.",
        )
    ]
    if document["by_rank"]:
        plots.append(
            by_rank(
                "live-ranks",
                "Clicks by rank",
                document["by_rank"],
                "How many of the items shown at a rank were clicked. It falls also where all items are equally good, "
                "since people read from the top: compare versions, not ranks.",
            )
        )
    blocks: list[Table | Gallery] = [_versions(latest_first), _metrics(document, latest_first), _events(document)]
    return Section("live", _TITLE, sentences, [*blocks, Gallery(plots)])


def _left_out(document: Document) -> bool:
    return len(document["versions"]) > SHOWN_VERSIONS


def _versions(versions: list[Document]) -> Table:
    rows = [
        Row(
            [
                version["version"],
                moment(version["from"]),
                moment(version["to"]),
                *(count(version[name]) for name in ("answers", "people", "shown_items", "clicks")),
                share(version["clicks"], version["shown_items"]),
                *_searches(version),
            ],
            strong=index == 0,
        )
        for index, version in enumerate(versions)
    ]
    heads = words("version", "first answer", "last answer")
    return Table(
        "Versions that answered, the last first",
        heads
        + numbers(
            "answers", "people", "items shown", "items clicked", "% of shown", "searches", "% that found nothing"
        ),
        rows,
    )


def _searches(version: Document) -> list[str]:
    """Searches, and the share of them without an item; empty where their answers were noted without queries."""
    searches = version.get("searches", 0)
    return [count(searches), share(version["searches_without_items"], searches)] if searches else ["", ""]


def _metrics(document: Document, versions: list[Document]) -> Table:
    leads = {version["than"]: version["differences"] for version in document["comparisons"]}
    rows = []
    for metric in MEANINGS:
        for index, version in enumerate(versions):
            lead = leads.get(version["version"], {}).get(metric)
            rows.append(
                Row(
                    [
                        LABELS[metric] if index == 0 else "",
                        version["version"],
                        figure(version["metrics"][metric]),
                        interval(version["ci95"][metric]),
                        "" if lead is None else signed(lead["difference"]),
                        "" if lead is None else interval(lead["ci95"], plus=True),
                        "" if lead is None else _SAID[lead["said"]],
                    ],
                    strong=index == 0,
                )
            )
    heads = words("metric", "version") + numbers("value", "95 % interval", "the last leads by", "95 % interval")
    return Table("What answers led to", [*heads, *words("the last one")], rows)


def _events(document: Document) -> Table:
    total = sum(document["events"].values())
    rows = [
        Row([outcome.replace("_", " "), count(number), share(number, total)])
        for outcome, number in document["events"].items()
    ]
    return Table("Events that name an answer", words("outcome") + numbers("events", "% of them"), rows)
