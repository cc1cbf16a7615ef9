"""Suggestions over a bundle and live tiers, against those that the job makes of the final catalogue."""

import numpy as np
import pytest

from app.artifact.item_document import ItemDocument
from app.engine.text.suggest import Suggester
from app.engine.text.word_tier import WordTier
from tests.support.changing_shop import Shop, nothing_near, suggester_of


@pytest.fixture(scope="module", params=[3, 4])
def shop(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Shop:
    return Shop(tmp_path_factory.mktemp("changing"), request.param)


def some_beginnings(shop: Shop, rng: np.random.Generator) -> list[str]:
    """Whole texts of items before and after, their beginnings, and those of their words, with a typo too."""
    documents = [*shop.before.values(), *shop.after.documents.values()]
    texts = [text for of in documents for text in (of.title, of.brand, of.category) if text]
    typed = []
    for number in range(120):
        text = str(rng.choice(texts))
        word = str(rng.choice([word for word in text.split() if word.isalnum()]))
        beginnings = (text, text[: int(rng.integers(1, 12))], word[: max(3, len(word) - 2)], word[:2] + word[3:])
        typed.append(beginnings[number % len(beginnings)])
    return typed


def test_what_is_suggested_is_what_an_export_of_the_final_catalogue_suggests(shop: Shop) -> None:
    _, live = shop.make(shop.tiers([20, 45, 60]))
    final = suggester_of(shop.final)
    for typed in some_beginnings(shop, np.random.default_rng(1)):
        expected = {(entry.text, entry.kind, entry.row) for entry in final.suggest(typed, 1_000)}
        suggested = {(of.text, of.kind, int(shop.to_final[of.row])) for of in live.suggest(typed, 1_000)}
        assert suggested == expected, typed


def test_how_changes_are_cut_into_tiers_changes_no_suggestion(shop: Shop) -> None:
    suggesters = [
        shop.make(tiers)[1]
        for tiers in (
            shop.tiers([]),
            shop.tiers([10, 11, 40, 69]),
            [WordTier.merge(shop.tiers([5, 33]), shop.selectable)],
        )
    ]
    for typed in ("", *some_beginnings(shop, np.random.default_rng(2))):
        one, *others = [suggester.suggest(typed, 8) for suggester in suggesters]
        assert all(other == one for other in others), typed


def test_a_new_brand_is_suggested_until_its_last_item_is_gone(shop: Shop) -> None:
    row = shop.span - 1
    document = ItemDocument(title="Wreymbulator deluxe", brand="Wreymbax", category="Gizmonia > Wreymbs")
    tier = WordTier.of([row], [shop.views.read(row, "n1", document)])

    def suggester(*, is_alive: bool) -> Suggester:
        selectable = np.zeros(shop.span, dtype=np.bool_)
        selectable[: shop.base.span] = shop.base.selectable
        selectable[row] = is_alive
        superseded = np.zeros(shop.base.span, dtype=np.bool_)
        popularity = np.zeros(shop.span, dtype=np.float32)
        return shop.views.make(superseded, [tier], selectable, popularity, nothing_near, lambda _: ())[1]

    def texts(typed: str, *, is_alive: bool) -> list[tuple[str, str, int]]:
        return [(of.text, of.kind, of.row) for of in suggester(is_alive=is_alive).suggest(typed, 5)]

    new_title = ("Wreymbulator deluxe", "title", row)
    assert texts("wreymb", is_alive=True) == [("Wreymbax", "brand", 0), ("Wreymbs", "category", 0), new_title]
    assert texts("gizmo", is_alive=True) == [("Gizmonia", "category", 0)]
    assert texts("deluxe wreymbul", is_alive=True) == [new_title]
    assert texts("wryembulator", is_alive=True) == [new_title]
    assert texts("wreymb", is_alive=False) == texts("gizmo", is_alive=False) == []
    assert texts("wryembulator", is_alive=False) == []
