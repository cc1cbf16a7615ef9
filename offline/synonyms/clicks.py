"""Pairs of queries that lead to the same items.

People who chose an item after a query count, each once. What an item says of a query is the less, the more queries lead
to it. The cost is bounded: of the queries that most people typed, those that led to each item most, some items each.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import polars as pl

from app.artifact.text.words import read_words
from offline.dataset.logged_queries import query_events
from offline.synonyms.phrases import Phrases, differing_phrases

MOST_QUERIES: Final = 20_000
MOST_ITEMS: Final = 30  # of a query
MOST_QUERIES_OF_ITEM: Final = 30
LEAST_PEOPLE: Final = 3  # of a query: what fewer have typed may be a secret, or chance
LEAST_SHARED: Final = 2  # items
LEAST_LIKENESS: Final = 0.5  # cosine of what two queries led to
LEAST_MEAN: Final = 0.6  # of these, over all queries that differ by two phrases
_AT_ONCE: Final = 50_000  # rows whose pairs are made at once: far more than one item has
_MOST_PAIRS: Final = 20_000  # the likest ones, that are read as words
_EXAMPLES: Final = 3


@dataclass
class ClickEvidence:
    """What speaks for two phrases meaning the same."""

    people: int = 0  # who typed the rarer query of each pair
    weighted: list[tuple[float, int]] = field(default_factory=list)  # cosine of each pair, and people as above
    queries: list[tuple[str, str]] = field(default_factory=list)  # some of the pairs, the likest first
    pairs: int = 0  # of queries
    shared_rows: dict[int, int] = field(default_factory=dict)  # item row -> people who chose it after either

    @property
    def likeness(self) -> float:
        """The mean cosine of the pairs that differ by these phrases, those of more people weighing more."""
        return sum(cosine * people for cosine, people in self.weighted) / sum(people for _, people in self.weighted)


def click_evidence(split: Path) -> dict[Phrases, ClickEvidence]:
    """By the phrases that queries of train differ in, first and second by the alphabet, what their choices say.

    Args:
        split: folder of the split, of which train alone is read.
    """
    counts, queries = _choices(split)
    pairs = _like_pairs(counts)
    likeness = {(first, second): cosine for first, second, _, cosine in pairs.iter_rows()}
    texts, people = queries["query"].to_list(), queries["people"].to_list()
    chosen = _chosen(counts)
    evidence: dict[Phrases, ClickEvidence] = defaultdict(ClickEvidence)
    for (first, second), cosine in likeness.items():
        phrases = differing_phrases(texts[first], texts[second])
        if phrases is None:
            continue
        is_turned = phrases.ordered != phrases
        of_phrases = evidence[phrases.ordered]
        of_phrases.pairs += 1
        of_phrases.people += min(people[first], people[second])
        of_phrases.weighted.append((cosine, min(people[first], people[second])))
        if len(of_phrases.queries) < _EXAMPLES:
            pair = (texts[first], texts[second])
            of_phrases.queries.append((pair[1], pair[0]) if is_turned else pair)
            for row, (number, _) in chosen[first].items():
                if row in chosen[second]:
                    shared = number + chosen[second][row][0]
                    of_phrases.shared_rows[row] = of_phrases.shared_rows.get(row, 0) + shared
    _add_contrary(evidence, texts, people, likeness, chosen)
    return dict(evidence)


def _chosen(counts: pl.DataFrame) -> dict[int, dict[int, tuple[int, float]]]:
    """Of each query, by its number: the rows that it led to, with people and weight."""
    chosen: dict[int, dict[int, tuple[int, float]]] = defaultdict(dict)
    for number, row, people, weight in counts.select("number", "item", "people", "weight").iter_rows():
        chosen[number][row] = (people, weight)
    return chosen


def _choices(split: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """`number, item, people, weight` of what queries led to, and `query, people` by number, most people first."""
    events = query_events(split, ["train"]).filter(pl.col("item") > 0)
    queries = (
        events.group_by("query")
        .agg(pl.col("user").n_unique().alias("people"))
        .filter(pl.col("people") >= LEAST_PEOPLE)
        .sort("people", "query", descending=[True, False])
        .head(MOST_QUERIES)
        .with_row_index("number")
    )
    counts = (
        events.join(queries.select("number", "query"), on="query")
        .group_by("number", "item")
        .agg(pl.col("user").n_unique().alias("people"))
        .sort("number", "people", "item", descending=[False, True, False])
        .group_by("number", maintain_order=True)
        .head(MOST_ITEMS)
    )
    of_item = pl.len().over("item")
    weights = counts.with_columns(
        (pl.col("people").log1p() * (1.0 + queries.height / of_item).log()).alias("weight")
    ).with_columns((pl.col("weight") / (pl.col("weight") ** 2).sum().over("number").sqrt()).alias("weight"))
    return weights, queries


def _like_pairs(counts: pl.DataFrame) -> pl.DataFrame:
    """`first, second, shared, cosine` of the pairs of queries that are alike, the likest first."""
    rows = (
        counts.sort("item", "people", "number", descending=[False, True, False])
        .group_by("item", maintain_order=True)
        .head(MOST_QUERIES_OF_ITEM)
        .select("item", "number", "weight")
    )
    sums = [
        part.join(part, on="item", suffix="_of_second")
        .filter(pl.col("number") < pl.col("number_of_second"))
        .group_by(first="number", second="number_of_second")
        .agg(
            pl.len().alias("shared"),
            (pl.col("weight") * pl.col("weight_of_second")).sum().alias("cosine"),
        )
        for part in _slices_by_item(rows)
    ]
    schema = {"first": pl.UInt32, "second": pl.UInt32, "shared": pl.UInt32, "cosine": pl.Float64}
    if not sums:
        return pl.DataFrame(schema=schema)
    whole = pl.concat(sums).group_by("first", "second").agg(pl.col("shared").sum(), pl.col("cosine").sum())
    alike = whole.filter((pl.col("shared") >= LEAST_SHARED) & (pl.col("cosine") >= LEAST_LIKENESS))
    return alike.sort("cosine", "first", "second", descending=[True, False, False]).head(_MOST_PAIRS)


def _slices_by_item(rows: pl.DataFrame) -> Iterator[pl.DataFrame]:
    """The rows, some items at a time; sorted by item, an item is never in two slices."""
    start = 0
    items = rows["item"]
    while start < rows.height:
        end = min(start + _AT_ONCE, rows.height)
        if end < rows.height:
            end = int(items.search_sorted(items[end], side="left"))
        yield rows[start:end]
        start = end


def _add_contrary(
    evidence: Mapping[Phrases, ClickEvidence],
    texts: list[str],
    people: list[int],
    likeness: Mapping[tuple[int, int], float],
    chosen: Mapping[int, Mapping[int, tuple[int, float]]],
) -> None:
    """Let queries speak against two phrases that have the one as others have the other, and lead elsewhere: of `red`
    and `blue`, red sofa and blue sofa.
    """
    number_of = {tuple(word.text for word in read_words(text)): number for number, text in enumerate(texts)}
    with_word: dict[str, list[tuple[str, ...]]] = defaultdict(list)
    for words in number_of:
        for word in dict.fromkeys(words):
            with_word[word].append(words)
    for phrases, of_phrases in evidence.items():
        first, second = phrases.first.split(), phrases.second.split()
        for words in with_word.get(first[0], [])[:1_000]:
            for place in range(len(words) - len(first) + 1):
                if list(words[place : place + len(first)]) != first:
                    continue
                other = number_of.get((*words[:place], *second, *words[place + len(first) :]))
                if other is None:
                    continue
                low, high = sorted((number_of[words], other))
                if (low, high) not in likeness:
                    cosine = sum(
                        weight * chosen[high][row][1] for row, (_, weight) in chosen[low].items() if row in chosen[high]
                    )
                    of_phrases.weighted.append((cosine, min(people[low], people[high])))
