"""The index of words over a bundle and live tiers, against the index that the job makes of the final catalogue."""

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from bm25s import BM25
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.engine.text.item_words import ItemReader, code_names_of
from app.engine.text.lexical_field import LexicalField
from app.engine.text.lexical_index import LexicalIndex
from app.engine.text.live_field import average_length
from app.engine.text.live_index import AverageLengths, live_index
from app.engine.text.live_rows import LiveRows
from app.engine.text.word_tier import WordTier
from tests.support.changing_shop import ChangedCatalogue, ExportedWords, change, export_words, made_up_document

ITEMS, CHANGES = 90, 70


class Shop:
    """A catalogue before and after its changes."""

    def __init__(self, folder: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.before = {f"it{number}": made_up_document(rng) for number in range(ITEMS)}
        self.base = export_words(folder / "before", self.before)
        self.after: ChangedCatalogue = change(rng, self.before, self.base.span, CHANGES)
        self.final: ExportedWords = export_words(folder / "after", self.after.documents)
        self.span = max(self.base.span, *(row + 1 for row in self.after.row_of.values()))
        rows = [self.after.row_of[item_id] for item_id in self.after.documents]
        self.selectable = np.zeros(self.span, dtype=np.bool_)
        self.selectable[rows] = True
        self.superseded = np.zeros(self.base.span, dtype=np.bool_)
        self.superseded[[row for row, _, _ in self.after.changes if row < self.base.span]] = True
        names = code_names_of(self.base.codes, ((self.base.row_of[item], of) for item, of in self.before.items()))
        self.reader = ItemReader(self.base.vocabulary, names)
        self.to_final = np.zeros(self.span, dtype=np.int64)
        self.to_final[rows] = [self.final.row_of[item_id] for item_id in self.after.documents]

    def tiers(self, cuts: Iterable[int]) -> list[WordTier]:
        """The changes in tiers, cut behind so many of them."""
        edges = [0, *sorted(cuts), len(self.after.changes)]
        return [self._tier(range(start, stop)) for start, stop in pairwise(edges)]

    def index(self, tiers: list[WordTier]) -> LexicalIndex:
        """The index of the catalogue after its changes."""
        live = LiveRows.of(self.span, self.superseded, self.selectable, [tier.rows for tier in tiers])
        return live_index(self.base.index, AverageLengths.of(self.base.index), live, tiers, ITEMS)

    def final_rows(self, rows: NDArray[np.integer]) -> list[int]:
        """Rows of a view as those of the final catalogue."""
        return sorted(self.to_final[rows].tolist())

    def _tier(self, changes: range) -> WordTier:
        newest: dict[int, tuple[str, ItemDocument]] = {}
        for row, item_id, document in (self.after.changes[number] for number in changes):
            newest.pop(row, None)
            if document is not None:
                newest[row] = item_id, document
        return WordTier.of(list(newest), [self.reader.read(item_id, of) for item_id, of in newest.values()])


@pytest.fixture(scope="module", params=[1, 2])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("changing"), request.param)


def test_every_term_has_the_items_that_an_export_of_the_final_catalogue_has(shop: Shop) -> None:
    index = shop.index(shop.tiers([20, 45, 60]))
    for name in ("main", "title", "attributes"):
        live, final = getattr(index, name), getattr(shop.final.index, name)
        terms = {*final.index.vocab_dict, *getattr(shop.base.index, name).index.vocab_dict} - {""}
        assert {term: shop.final_rows(live.rows_of(term)) for term in terms} == {
            term: final.rows_of(term).tolist() for term in terms
        }
        assert all(live.has(term) == (len(final.rows_of(term)) > 0) for term in terms)


def test_brands_codes_whole_titles_and_parts_of_models_are_those_of_the_final_catalogue(shop: Shop) -> None:
    live, final = shop.index(shop.tiers([30])), shop.final.index
    assert live.codes is not None
    assert final.codes is not None
    for brand in {(of.brand or "").lower() for of in (*shop.before.values(), *shop.after.documents.values())}:
        key = tuple(brand.split())
        rows, expected = live.brands.get(key), final.brands.get(key)
        assert shop.final_rows(np.zeros(0, dtype=np.int32) if rows is None else rows) == (
            [] if expected is None else expected.tolist()
        )
    ids = [*shop.before, *shop.after.row_of]
    codes = [pair.split("=")[1] for of in shop.after.documents.values() for pair in of.attributes if "PN" in pair]
    for code in (*ids, *codes, *(code.replace("-", " ").lower() for code in codes)):
        assert shop.final_rows(live.codes.whole(code)) == final.codes.whole(code).tolist(), code
        assert shop.final_rows(live.codes.written(code)) == final.codes.written(code).tolist(), code
    for beginning in ("pn1", "pn12", "it1", "new00", "new003", "zz9"):
        assert shop.final_rows(live.codes.beginning_with(beginning, 1_000)) == sorted(
            final.codes.beginning_with(beginning, 1_000).tolist()
        )
    for part in ("m4", "m7", "zx"):
        with_part = {row for term in live.models_with(part) for row in live.rows_of(term).tolist()}
        assert shop.final_rows(np.array(sorted(with_part), dtype=np.int64)) == sorted(
            {row for term in final.models_with(part) for row in final.rows_of(term).tolist()}
        )


def test_how_changes_are_cut_into_tiers_changes_no_bit(shop: Shop) -> None:
    one, several = shop.index(shop.tiers([])), shop.index(shop.tiers([10, 11, 40, 69]))
    merged = shop.index([WordTier.merge(shop.tiers([5, 33]), shop.selectable)])
    assert shop.final.index.main.index is not None
    for term in shop.final.index.main.index.vocab_dict:
        scores = one.main.scores([(term, 1.0), ("reddish", 0.5)])
        assert several.main.scores([(term, 1.0), ("reddish", 0.5)]).tobytes() == scores.tobytes()
        assert merged.main.scores([(term, 1.0), ("reddish", 0.5)]).tobytes() == scores.tobytes()


def test_an_item_that_has_not_changed_scores_as_one_that_was_put_with_the_same_words(shop: Shop) -> None:
    everything = list(shop.before.items())
    tier = WordTier.of(
        [shop.base.row_of[item_id] for item_id, _ in everything], [shop.reader.read(*item) for item in everything]
    )
    superseded = np.zeros(shop.base.span, dtype=np.bool_)
    superseded[tier.rows] = True
    live = LiveRows.of(shop.base.span, superseded, shop.base.selectable, [tier.rows])
    index = live_index(shop.base.index, AverageLengths.of(shop.base.index), live, [tier], ITEMS)
    for name in ("main", "title", "attributes"):
        base: LexicalField = getattr(shop.base.index, name)
        assert base.index is not None
        for term in set(base.index.vocab_dict) - {""}:
            np.testing.assert_allclose(
                getattr(index, name).scores([(term, 1.0)]), base.scores([(term, 1.0)]), rtol=1e-4, err_msg=term
            )


def test_the_average_length_is_found_out_by_the_scores() -> None:
    rng = np.random.default_rng(3)
    texts = [
        [f"w{word % 200}" for word in rng.zipf(1.5, size=int(rng.integers(0, 40)))] + [""] * int(rng.integers(0, 4))
        for _ in range(800)
    ]
    index = BM25(k1=1.2, b=0.75, method="lucene")
    index.index(texts, show_progress=False)
    assert average_length(LexicalField(index, 801)) == pytest.approx(np.mean([len(text) for text in texts]), rel=1e-3)
    assert average_length(LexicalField(None, 801)) > 0
