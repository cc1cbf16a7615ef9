"""Proposals of synonyms with their evidence, the likeliest first, for a merchandiser to choose from."""

from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import polars as pl

from app.artifact.text.synonym_table import SynonymTable
from app.artifact.text.words import fold, read_words
from offline.synonyms.clicks import LEAST_MEAN, LEAST_SHARED, ClickEvidence, click_evidence
from offline.synonyms.phrases import Phrases, line_of
from offline.synonyms.rewordings import RewordingEvidence, rewording_evidence

MOST_PROPOSALS: Final = 100
_MOST_ITEMS: Final = 5  # that are named
_MOST_READ: Final = 2_000  # proposals whose items are read
_MOST_LETTERS: Final = 2_000  # of one item that are read
_KEPT: Final = 20_000  # items that were read

Proposal = dict[str, Any]


def propose_synonyms(root: Path, split: Path, known: SynonymTable) -> list[Proposal]:
    """The proposals of a log, as JSON; nothing that was held out is read.

    Each has `line`, as `synonyms.txt` has it, and `evidence`: `clicks` (queries that lead to the same items: `people`,
    `pairs`, `likeness`, `items`) or `rewordings` (`people`, `found_nothing`), and `queries`, some pairs of them.

    Args:
        root: folder of the data set.
        split: folder of the split.
        known: what the shop says already, which is not proposed.
    """
    if not (split / "train.parquet").exists():  # of a catalogue alone
        return []
    items = _Items(split)
    likest = sorted(
        (entry for entry in click_evidence(split).items() if entry[1].likeness >= LEAST_MEAN),
        key=lambda entry: (-entry[1].people, entry[0]),
    )
    clicks = {phrases: evidence for phrases, evidence in likest[:_MOST_READ] if items.speak_for(phrases, evidence)}
    rewordings = rewording_evidence(root, split)
    said = _said(known)
    ranked = sorted(
        [
            *(
                (evidence.people, phrases, _by_clicks(phrases, evidence, items.titles))
                for phrases, evidence in clicks.items()
            ),
            *(
                (evidence.people, phrases, _by_rewordings(phrases, evidence))
                for phrases, evidence in rewordings.items()
            ),
        ],
        key=lambda entry: (-entry[0], entry[1], entry[2]["line"]),
    )
    return [proposal for _, phrases, proposal in ranked if (phrases.first, phrases.second) not in said][:MOST_PROPOSALS]


def _by_clicks(phrases: Phrases, evidence: ClickEvidence, titles: dict[int, str]) -> Proposal:
    rows = sorted(evidence.shared_rows, key=lambda row: (-evidence.shared_rows[row], row))[:_MOST_ITEMS]
    return {
        "line": line_of(phrases, is_one_way=False),
        "evidence": "clicks",
        "people": evidence.people,
        "pairs": evidence.pairs,
        "likeness": round(evidence.likeness, 4),
        "items": [titles[row] for row in rows],
        "queries": [list(pair) for pair in evidence.queries],
    }


def _by_rewordings(phrases: Phrases, evidence: RewordingEvidence) -> Proposal:
    return {
        "line": line_of(phrases, is_one_way=True),
        "evidence": "rewordings",
        "people": evidence.people,
        "found_nothing": evidence.empty,
        "queries": [list(pair) for pair in evidence.queries],
    }


class _Items:
    """The items of a split: what they are called, and which words they have."""

    def __init__(self, split: Path) -> None:
        columns = ["row", "item_id", "title", "brand", "category", "text", "attributes"]
        items = pl.read_parquet(split / "items.parquet", columns=columns)
        self.titles: dict[int, str] = dict(items.select("row", pl.coalesce("title", "item_id")).iter_rows())
        parts = [pl.col(name).fill_null("") for name in ("title", "brand", "category")]
        parts += [pl.col("attributes").list.join("\n").fill_null(""), pl.col("text").fill_null("")]
        texts = items.select("row", pl.concat_str(parts, separator="\n").str.head(_MOST_LETTERS))
        self._texts: dict[int, str] = dict(texts.iter_rows())
        self._words = lru_cache(maxsize=_KEPT)(self._read)

    def speak_for(self, phrases: Phrases, evidence: ClickEvidence) -> bool:
        """Whether enough of the items that people chose after either phrase have not both: where they have, each query
        just names another side of them, as `black` and `modern`. Those that have both are taken out of the evidence.
        """
        both = {row: self._has(row, phrases.first) and self._has(row, phrases.second) for row in evidence.shared_rows}
        people = sum(evidence.shared_rows.values())
        evidence.shared_rows = {row: number for row, number in evidence.shared_rows.items() if not both[row]}
        is_most = 2 * sum(evidence.shared_rows.values()) > people
        return is_most and len(evidence.shared_rows) >= LEAST_SHARED

    def _has(self, row: int, phrase: str) -> bool:
        text, keys = self._words(row)
        return all(
            word.text in text if word.kind == "east_asian" else not keys.isdisjoint(word.terms)
            for word in read_words(phrase)
        )

    def _read(self, row: int) -> tuple[str, frozenset[str]]:
        """The folded text of an item, and its terms."""
        text = self._texts[row]
        return fold(text), frozenset(term for word in read_words(text) for term in word.terms)


def _said(known: SynonymTable) -> set[tuple[str, str]]:
    """Pairs of phrases that the shop has, in both directions."""
    pairs = ((_plain(phrase), _plain(other)) for rule in known.rules for phrase in rule.phrases for other in rule.means)
    return _both(pairs)


def _both(pairs: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
    return {pair for first, second in pairs for pair in ((first, second), (second, first))}


def _plain(phrase: str) -> str:
    return " ".join(word.text for word in read_words(phrase))
