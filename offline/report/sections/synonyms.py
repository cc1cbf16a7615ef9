"""Synonyms that the log speaks for, as lines to paste, and what speaks for each."""

from collections.abc import Mapping
from typing import Any

from offline.report.blocks import Commands, Row, Section, Table, numbers, words
from offline.report.gather import RunFacts
from offline.report.numbers import count, figure

_SHOWN = 30  # all are in report.json
_TITLE = "Proposals of synonyms"
_REASONS = {"clicks": "lead to the same items", "rewordings": "no click, then one"}


def synonyms(facts: RunFacts) -> Section:
    """The proposals with their evidence."""
    proposals = facts.document.synonyms
    if not proposals:
        reason = "The log speaks for none." if proposals is not None else "Nobody looked for any in this run."
        return Section("synonyms", _TITLE, [reason])
    shown = proposals[:_SHOWN]
    sentences = [
        "Queries of at least three people that led to the same items, in words that differ and that few of these items "
        "have both; and words that led a person to no click, then within half an hour, put otherwise, to one. Nobody "
        "has judged them. Nothing that was held out was read.",
        *([f"The first {_SHOWN} of {len(proposals)}; all are in report.json."] if len(proposals) > _SHOWN else []),
    ]
    lines = Commands(
        "For synonyms.txt beside dataset.toml: copy those that are right.", [proposal["line"] for proposal in shown]
    )
    heads = words("line", "evidence") + numbers("people", "pairs of queries", "likeness", "found nothing")
    table = Table("What speaks for them", [*heads, *words("queries", "items")], [_row(proposal) for proposal in shown])
    return Section("synonyms", _TITLE, sentences, [lines, table])


def _row(proposal: Mapping[str, Any]) -> Row:
    likeness = proposal.get("likeness")
    return Row(
        [
            proposal["line"],
            _REASONS.get(proposal["evidence"], proposal["evidence"]),
            count(proposal["people"]),
            count(proposal["pairs"]) if "pairs" in proposal else "",
            "" if likeness is None else figure(likeness),
            count(proposal["found_nothing"]) if "found_nothing" in proposal else "",
            "; ".join(f"{first} / {second}" for first, second in proposal["queries"]),
            "; ".join(proposal.get("items", [])),
        ]
    )
