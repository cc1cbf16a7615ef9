"""Event types are known by the names that other systems give them."""

import pytest

from app.api.event_names import behaviour_of
from app.artifact.names import CART, PURCHASE, VIEW

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
    assert [behaviour_of(spelling) for spelling in spellings] == [behaviour] * len(spellings)


def test_words_of_the_shop_itself_go_first_as_they_are_written() -> None:
    own = {"like": "cart", "share": "purchase", "click": "cart"}
    assert [behaviour_of(word, own) for word in ("like", "share", "click", "view", "Add To Cart")] == [
        CART,
        PURCHASE,
        CART,
        VIEW,
        CART,
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
        "begin_checkout",
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
