"""Words by which exports say that a value is missing."""

from typing import Final

import polars as pl

_ANY_CASE: Final = (
    "null", "none", "n/a", "nan", "(not set)", "(none)", "(null)", "(not provided)", "undefined", "#n/a",
)  # fmt: skip
_AS_WRITTEN: Final = ("NaN", "N/a", "NA", "n.a.", "N.A.", "<NA>", r"\N", "#N/A", "-", "--", "---", "\u2013", "\u2014")

MISSING_WORDS: Final = tuple(
    dict.fromkeys([spelt for word in _ANY_CASE for spelt in (word, word.upper(), word.capitalize())] + [*_AS_WRITTEN])
)
"""What stands for no value, where a data set does not say otherwise by `missing`."""


def are_told(values: pl.Series, words: tuple[str, ...], context: pl.Series | None = None) -> list[str]:
    """Those of `words` that are values after all, as a column says: names can be `None`, too.

    In a column of titles a word with letters that stands once is a title, unless it is in capitals: what means nothing
    stands on many rows. Where the texts `context` are given, a word is a value where most of its rows have it there as
    well: a brand `None` whose titles say `None`.
    """
    lettered = [word for word in words if word.isalpha() and not word.isupper() and not word.islower()]
    places = values.is_in(lettered)
    if not places.any():
        return []
    counts = values.filter(places).value_counts(name="count")
    names: list[str] = []
    for word, count in counts.iter_rows():
        if context is None:
            names += [word] * (count == 1)
            continue
        said = context.filter(values == word).str.contains(rf"\b{word}\b").fill_null(value=False).sum()
        names += [word] * (2 * said > count)
    return names
