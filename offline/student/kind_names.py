"""What kinds are called: by their category, else by the words of their titles that mean them most and others least."""

from collections import Counter
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

_MEMBERS: Final = 200  # that names are looked for in
_SPANS: Final = 12  # that are compared, of each kind
_LEAST_SHARE: Final = 0.1  # of the members that have a span
_OTHERS: Final = 0.5  # weight of how near a span is to all kinds

Encode = Callable[[Sequence[str]], NDArray[np.float32]]
"""The teacher's vectors `[texts, width]` of queries."""


def kind_names(
    items: pl.DataFrame, kinds: NDArray[np.int64], centres: NDArray[np.float32], encode: Encode
) -> list[str]:
    """A name for each kind, each another one.

    Args:
        items: with title, brand and category.
        kinds: `[items]` of each, -1 for none.
        centres: `[kinds, width]` of length 1.
        encode: gives vectors to spans.
    """
    columns = (items.get_column(name).cast(pl.String).to_list() for name in ("title", "brand", "category"))
    titles, brands, categories = columns
    members = [np.flatnonzero(kinds == number) for number in range(len(centres))]
    spans = [_spans_of([(titles[row], brands[row]) for row in rows[:_MEMBERS]]) for rows in members]
    every = sorted({span for own in spans for span in own})
    vectors = encode(every) if every else np.zeros((0, centres.shape[1]), dtype=np.float32)
    cosines = vectors @ centres.T
    usual = cosines.mean(axis=1)
    places = {span: place for place, span in enumerate(every)}
    taken: set[str] = set()
    names = []
    for number, rows in enumerate(members):
        category = _category_of([categories[row] for row in rows])
        scores = {span: cosines[places[span], number] - _OTHERS * usual[places[span]] for span in spans[number]}
        choices = [*([category] if category else []), *sorted(scores, key=lambda span: (-scores[span], span))]
        name = _free([*choices, f"{category or 'kind'} {number + 1}"], taken, number)
        taken.add(name.casefold())
        names.append(name)
    return names


def _category_of(categories: Sequence[str | None]) -> str | None:
    """The category of most members, where at least half have one."""
    given = [category.strip() for category in categories if category and category.strip()]
    if not given or 2 * len(given) < len(categories):
        return None
    counts = Counter(given)
    return min(counts, key=lambda category: (-counts[category], category))


def _spans_of(members: Sequence[tuple[str | None, str | None]]) -> list[str]:
    """One or two words of titles, without brands and digits, that enough members have; the most frequent first."""
    counts: Counter[str] = Counter()
    for title, brand in members:
        own = set((brand or "").casefold().split())
        words = [word.strip(",.;:()").casefold() for word in (title or "").split()]
        plain = [word if len(word) > 1 and word.isalpha() and word not in own else "" for word in words]
        pairs = [f"{one} {two}" for one, two in pairwise(plain) if one and two]
        counts.update({*filter(None, plain), *pairs})
    least = max(1.0, _LEAST_SHARE * len(members))
    ordered = sorted((span for span in counts if counts[span] >= least), key=lambda span: (-counts[span], span))
    return ordered[:_SPANS]


def _free(choices: Sequence[str], taken: set[str], number: int) -> str:
    return next((name for name in choices if name.casefold() not in taken), f"kind {number + 1}")
