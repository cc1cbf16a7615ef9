"""The languages of a catalogue: shares that some of its texts tell are those that all tell."""

import polars as pl
import pytest

from offline.export import catalogue_languages
from offline.export.catalogue_languages import languages_of_catalogue

ENGLISH = ("Running shoes for the trail", "A warm winter jacket with pockets", "Glass tea pot with a lid")
GERMAN = ("Wanderschuhe für den Wald", "Eine warme Jacke für den Winter", "Teekanne aus Glas mit Deckel")


def table(copies: int) -> pl.DataFrame:
    titles = [f"{title} {number}" for number in range(copies) for title in (*ENGLISH, *ENGLISH, *GERMAN)]
    nothing = pl.Series([None] * len(titles), dtype=pl.String)
    return pl.DataFrame({"title": titles, "category": nothing, "text": nothing})


def test_some_texts_tell_the_languages_of_very_many(monkeypatch: pytest.MonkeyPatch) -> None:
    items = table(20)
    by_all = languages_of_catalogue(items)
    monkeypatch.setattr(catalogue_languages, "_MOST_COUNTED", 50)
    catalogue_languages._read.cache_clear()
    by_some = languages_of_catalogue(items)
    catalogue_languages._read.cache_clear()
    assert by_some[0].codes == by_all[0].codes == ("en", "de")
    assert [of_item.codes for of_item in by_some[1]] == [of_item.codes for of_item in by_all[1]]
