"""The index of words over a bundle and live tiers, against the index that the job makes of the final catalogue."""

import numpy as np
import pytest
from bm25s import BM25

from app.artifact.item_document import ItemDocument
from app.engine.text.lexical_field import LexicalField
from app.engine.text.live_field import average_length
from app.engine.text.live_index import AverageLengths, live_index
from app.engine.text.live_rows import LiveRows
from app.engine.text.word_tier import WordTier
from tests.support.changing_shop import Shop, nothing_near


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
        [shop.base.row_of[item_id] for item_id, _ in everything],
        [shop.views.read(shop.base.row_of[item_id], item_id, document) for item_id, document in everything],
    )
    superseded = np.zeros(shop.base.span, dtype=np.bool_)
    superseded[tier.rows] = True
    live = LiveRows.of(shop.base.span, superseded, shop.base.selectable, [tier.rows])
    index = live_index(shop.base.index, AverageLengths.of(shop.base.index), live, [tier], len(shop.before))
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


def some_queries(shop: Shop, rng: np.random.Generator) -> list[str]:
    """Words of items before and after, mistyped, incomplete; whole titles, phrases, words to leave out, codes."""
    documents = [*shop.before.values(), *shop.after.documents.values()]
    texts = [text for document in documents for text in document.texts()]
    queries = [code for item_id in ("it3", "NEW0001", "new00", "IT7", "NEW0012") for code in (item_id, f"{item_id} x")]
    for _ in range(160):
        words = [str(rng.choice(rng.choice(texts).split())) for _ in range(int(rng.integers(1, 4)))]
        kind = rng.integers(7)
        if kind == 1:
            word = words[0]
            place = int(rng.integers(1, max(2, len(word) - 1)))
            words[0] = word[:place] + word[place + 1 : place + 2] + word[place : place + 1] + word[place + 2 :]
        elif kind == 2:
            words[0] = words[0][1:] if len(words[0]) > 4 else words[0]
        elif kind == 3:
            words[-1] = words[-1][: max(3, len(words[-1]) - 2)]
        elif kind == 4:
            words = [str(rng.choice([document.title for document in documents if document.title]))]
        elif kind == 5:
            words.append(f"-{rng.choice(rng.choice(texts).split()).lstrip('-')}")
        elif kind == 6:
            words = [f'"{" ".join(rng.choice(texts).split()[:2])}"']
        queries.append(" ".join(words))
    return queries


def test_a_search_finds_what_it_finds_in_an_export_of_the_final_catalogue(shop: Shop) -> None:
    queries = some_queries(shop, np.random.default_rng(7))
    live = shop.search(shop.tiers([20, 45, 60])).matches(queries)
    final = shop.final_search.matches(queries)
    for query, of_view, of_final in zip(queries, live, final, strict=True):
        assert of_view is not None
        assert of_final is not None
        assert of_view.corrected == of_final.corrected, query
        assert shop.final_rows(np.flatnonzero(of_view.hits.items)) == np.flatnonzero(of_final.hits.items).tolist(), (
            query
        )
        assert of_view.hits.dropped_words == of_final.hits.dropped_words, query
        named = dict(zip(shop.to_final[of_view.lexical.named.rows].tolist(), of_view.lexical.named.gains, strict=True))
        assert named == dict(zip(of_final.lexical.named.rows.tolist(), of_final.lexical.named.gains, strict=True)), (
            query
        )


def test_how_changes_are_cut_into_tiers_changes_no_match(shop: Shop) -> None:
    queries = some_queries(shop, np.random.default_rng(11))
    one = shop.search(shop.tiers([])).matches(queries)
    several = shop.search(shop.tiers([10, 11, 40, 69])).matches(queries)
    merged = shop.search([WordTier.merge(shop.tiers([5, 33]), shop.selectable)]).matches(queries)
    for others in (several, merged):
        for query, first, second in zip(queries, one, others, strict=True):
            assert first is not None
            assert second is not None
            assert (first.corrected, first.words) == (second.corrected, second.words), query
            assert first.lexical.hits.tobytes() == second.lexical.hits.tobytes(), query
            of_first, of_second = first.lexical.scores, second.lexical.scores
            assert of_first.rows.tobytes() == of_second.rows.tobytes(), query
            assert of_first.columns.tobytes() == of_second.columns.tobytes(), query
            rows = np.flatnonzero(first.hits.items)
            assert first.lexical.titles is not None
            assert second.lexical.titles is not None
            for feature, other in zip(
                first.lexical.titles.features(rows), second.lexical.titles.features(rows), strict=True
            ):
                assert feature.tobytes() == other.tobytes(), query


def test_a_view_keeps_no_match_of_another(shop: Shop) -> None:
    base = shop.queries
    (before,) = base.matches(["reddish"])
    (after,) = shop.search(shop.tiers([20])).matches(["reddish"])
    assert before is not None
    assert after is not None
    assert (len(before.hits.items), len(after.hits.items)) == (shop.base.span, shop.span)
    assert base.matches(["reddish"]) == (before,)


def test_a_new_word_is_known_to_spelling_until_its_last_item_is_gone(shop: Shop) -> None:
    row, nobody = shop.span - 1, np.zeros(shop.span, dtype=np.bool_)
    document = ItemDocument(title="Velbrunquist zimbel", brand="Velbrunquist")
    tier = WordTier.of([row], [shop.views.read(row, "n1", document)])

    def corrected(tiers: list[WordTier], query: str, *, is_alive: bool) -> tuple[str | None, list[int]]:
        selectable = nobody.copy()
        selectable[: shop.base.span] = shop.base.selectable
        selectable[row] = is_alive
        nothing = np.zeros(shop.base.span, dtype=np.bool_)
        view, _ = shop.views.make(nothing, tiers, selectable, nobody.astype(np.float32), nothing_near, lambda _: ())
        (matched,) = view.matches([query])
        assert matched is not None
        return matched.corrected, np.flatnonzero(matched.hits.items).tolist()

    assert corrected([tier], "velbrunquist ", is_alive=True) == (None, [row])
    assert corrected([tier], "velbrunqiust ", is_alive=True) == ("velbrunquist", [row])
    assert corrected([tier], "velbrunqu", is_alive=True) == (None, [row])
    assert corrected([tier], "ist", is_alive=True)[1] == []
    assert corrected([tier], "brunquist ", is_alive=True)[1] == [row]
    for tiers in ([], [tier]):
        assert corrected(tiers, "velbrunqiust ", is_alive=False) == (None, [])
        assert corrected(tiers, "velbrunqu", is_alive=False) == (None, [])
