"""The languages of a catalogue: of each item by its text, by a detector and by what the others are of.

Titles are short, and a detector errs on many of them. Taken together they tell what a shop writes in: the shares of the
languages are found by expectation and maximisation, and decide where the words of one item leave it open.
"""

from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray
from py3langid.langid import MODEL_FILE, LanguageIdentifier

from app.artifact.text.languages import ENGLISH, Languages, languages_of

_LETTERS: Final = 300  # of an item that are read
_LEAST_SHARE: Final = 0.002
_LEAST_ITEMS: Final = 0.6  # of a language, counted by how likely each is of it
_LIKELY: Final = 0.1  # of a language that an item is indexed by
_UNSURE: Final = 1e-3  # that no item says more than this against a language
_ROUNDS: Final = 30
_MOST_COUNTED: Final = 100_000  # texts
_KEPT: Final = 4  # catalogues: one is read for its vocabulary and for its index
_SAME: Final = {"hbo": "he", "pes": "fa", "prs": "fa", "nb": "no", "nn": "no", "zh-tw": "zh", "yue": "zh", "wuu": "zh"}


def languages_of_catalogue(items: pl.DataFrame) -> tuple[Languages, list[Languages]]:
    """The languages of a catalogue, the most frequent first, and those that each item may be of, in the table's order.

    Args:
        items: the split's item table.
    """
    texts = items.select("title", "category", "text").rows()
    return _read(tuple(_text_of(of_item) for of_item in texts))


def _text_of(texts: Iterable[str | None]) -> str:
    return "\n".join(text for text in texts if text)[:_LETTERS]


@lru_cache(maxsize=_KEPT)
def _read(texts: tuple[str, ...]) -> tuple[Languages, list[Languages]]:
    codes = list(dict.fromkeys(_SAME.get(label, label) for label in _detector().labels))
    place_of = {code: place for place, code in enumerate(codes)}
    with_words = [place for place, text in enumerate(texts) if any(map(str.isalpha, text))]
    if not with_words:
        return ENGLISH, [ENGLISH] * len(texts)
    place_of_label = {label: place_of[_SAME.get(label, label)] for label in _detector().labels}
    likely = np.empty((len(with_words), len(codes)))
    for line, place in enumerate(with_words):
        of_text = [_UNSURE] * len(codes)
        for label, share in _detector().rank(texts[place]):
            of_text[place_of_label[label]] += share
        likely[line] = of_text
    posterior, shares = _mixture(likely)
    chosen = [
        place
        for place in np.argsort(-shares, kind="stable").tolist()
        if shares[place] >= _LEAST_SHARE and shares[place] * len(with_words) >= _LEAST_ITEMS
    ]
    catalogue = languages_of(tuple(codes[place] for place in chosen))
    of_items = [languages_of(catalogue.codes[:1])] * len(texts)
    for place, line in zip(with_words, posterior[:, chosen], strict=True):
        order = np.argsort(-line, kind="stable").tolist()
        of_items[place] = languages_of(
            tuple(catalogue.codes[other] for rank, other in enumerate(order) if rank == 0 or line[other] >= _LIKELY)
        )
    return catalogue, of_items


def _mixture(likely: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How likely each text is of each language, `[texts, languages]`, and the languages' shares, `[languages]`.

    Of very many texts, some that lie evenly among them tell the shares.
    """
    some = likely[:: -(-len(likely) // _MOST_COUNTED)]
    shares = before = np.full(likely.shape[1], 1.0 / likely.shape[1])
    for _ in range(_ROUNDS):
        before, posterior = shares, some * shares
        posterior /= posterior.sum(axis=1, keepdims=True)
        shares = posterior.mean(axis=0)
    if len(some) < len(likely):
        likely *= before
        likely /= likely.sum(axis=1, keepdims=True)
        posterior = likely
    return posterior, shares


@cache
def _detector() -> LanguageIdentifier:
    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)


def codes_of(languages: Sequence[Languages]) -> set[str]:
    """The codes of all of them."""
    return {code for spoken in languages for code in spoken.codes}
