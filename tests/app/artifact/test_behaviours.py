"""Event types are known by the names that other systems give them, at both doors alike."""

import re
from pathlib import Path

import pytest

from app.artifact import user_records
from app.artifact.behaviours import (
    ALIASES,
    BEHAVIOUR_NAMES,
    BEHAVIOURS,
    BITS,
    CART,
    PURCHASE,
    VIEW,
    behaviour_of,
    folded,
)
from app.engine.reasons import kind_of
from app.serving import attribution
from app.stores import redis_store

NAMES = {
    VIEW: [
        "view",
        "detail-page-view",
        "view_item",
        "select_item",
        "click",
        "viewedObjectIDs",
        "clickedObjectIDs",
        "clickedObjectIDsAfterSearch",
        "detailviews",
        "AddDetailView",
    ],
    CART: [
        "cart",
        "add-to-cart",
        "add_to_cart",
        "addToCart",
        "addedToCartObjectIDs",
        "addedToCartObjectIDsAfterSearch",
        "cartadditions",
        "AddCartAddition",
        "begin_checkout",
    ],
    PURCHASE: [
        "purchase",
        "purchase-complete",
        "conversion",
        "convertedObjectIDs",
        "convertedObjectIDsAfterSearch",
        "purchasedObjectIDs",
        "purchasedObjectIDsAfterSearch",
        "purchases",
        "AddPurchase",
    ],
}


@pytest.mark.parametrize(("name", "behaviour"), [(name, code) for code, names in NAMES.items() for name in names])
def test_a_name_of_another_system_is_known_however_it_is_written(name: str, behaviour: int) -> None:
    spellings = [name, name.upper(), name.title(), f" {name} ", name.replace("-", "_"), name.replace("_", " ")]
    assert [behaviour_of(spelling) for spelling in spellings] == [BEHAVIOUR_NAMES[behaviour]] * len(spellings)


def test_words_of_the_shop_itself_go_first_as_they_are_written() -> None:
    own = {"like": "cart", "share": "purchase", "click": "cart"}
    assert [behaviour_of(word, own) for word in ("like", "share", "click", "view", "Add To Cart")] == [
        "cart",
        "purchase",
        "cart",
        "view",
        "cart",
    ]
    assert behaviour_of("Like", own) is None
    assert behaviour_of("like") is None


@pytest.mark.parametrize(
    "name",
    [
        "",
        "--",
        "wish",
        "remove-from-cart",
        "remove_from_cart",
        "view_item_list",
        "view_cart",
        "add_shipping_info",
        "add_to_wishlist",
        "refund",
        "search",
        "home-page-view",
        "viewedFilters",
        "AddBookmark",
        "AddRating",
        "viéw",
        "views2",
        "0",
    ],
)
def test_what_is_no_view_no_cart_and_no_purchase_is_unknown(name: str) -> None:
    assert behaviour_of(name) is None


EVERY_ALIAS = [
    (word, behaviour) for behaviour, sources in ALIASES.items() for words in sources.values() for word in words
]


@pytest.mark.parametrize(("word", "behaviour"), EVERY_ALIAS)
def test_an_alias_means_its_behaviour_in_every_spelling(word: str, behaviour: str) -> None:
    spellings = [word, word.upper(), word.title(), f" {word} ", word.replace("_", "-"), word.replace(" ", "_")]
    assert {behaviour_of(spelling) for spelling in spellings} == {behaviour}


def test_no_alias_means_two_things() -> None:
    meanings: dict[str, set[str]] = {}
    for word, behaviour in EVERY_ALIAS:
        meanings.setdefault(folded(word), set()).add(behaviour)
    assert {word: behaviours for word, behaviours in meanings.items() if len(behaviours) > 1} == {}


@pytest.mark.parametrize(
    "words", [("productViewed", "Product Viewed", "product-viewed", "PRODUCT_VIEWED", "productviewed")]
)
def test_case_blanks_signs_and_camel_case_fold_away(words: tuple[str, ...]) -> None:
    assert {folded(word) for word in words} == {"productviewed"}


def test_names_and_codes_are_each_others_inverse_and_fit_the_record() -> None:
    assert {name: code for code, name in BEHAVIOUR_NAMES.items()} == BEHAVIOURS == {"view": 1, "cart": 2, "purchase": 3}
    assert max(BEHAVIOURS.values()) <= user_records.BEHAVIOUR_MASK == (1 << BITS) - 1


def test_every_behaviour_has_a_kind_of_reason_and_counts_for_its_answer() -> None:
    assert len({kind_of(code) for code in BEHAVIOUR_NAMES}) == len(BEHAVIOUR_NAMES)
    with pytest.raises(KeyError):
        kind_of(max(BEHAVIOUR_NAMES) + 1)
    assert set(attribution._BITS_OF) == set(BEHAVIOUR_NAMES)


def test_the_scripts_of_the_store_cut_records_as_the_service_packs_them() -> None:
    scripts = {
        path.name: path.read_text("utf-8") for path in (Path(redis_store.__file__).parent / "scripts").glob("*.lua")
    }
    purchases = re.findall(r"local (.*?\bPURCHASE\b.*?) = (.*)", scripts["records.lua"])
    ((names, values),) = purchases
    constants = dict(zip(names.split(", "), map(int, values.split(", ")), strict=True))
    assert constants["PURCHASE"] == PURCHASE
    assert constants["WIDTH"] == user_records.EVENT.itemsize
    moduli = re.findall(r"string\.byte\([^()]*\) % (\d+)", "".join(scripts.values()))
    divisors = re.findall(r"string\.byte\([^()]*\) / (\d+)", "".join(scripts.values()))
    assert moduli
    assert divisors
    assert {int(number) for number in (*moduli, *divisors)} == {1 << BITS}
