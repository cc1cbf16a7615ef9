"""What a user can do with an item: the behaviours, their codes, and every word by which another system names them."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, Literal

Behaviour = Literal["view", "cart", "purchase"]

# The codes are stored in bundles and event records, so they never change meaning; 0 pads.
VIEW: Final = 1
CART: Final = 2
PURCHASE: Final = 3
BEHAVIOUR_NAMES: Final[dict[int, Behaviour]] = {VIEW: "view", CART: "cart", PURCHASE: "purchase"}
"""Weakest first: whoever purchases has carted and viewed."""
BEHAVIOURS: Final[dict[str, int]] = {name: code for code, name in BEHAVIOUR_NAMES.items()}

BITS: Final = 2
"""Bits of a behaviour in a stored event, see `user_records` and the scripts of the Redis store.

A fourth behaviour does not fit: it needs another version of the record, and new scripts.
"""
assert max(BEHAVIOUR_NAMES) < 1 << BITS  # noqa: S101 - what is stored would be cut

_RETAIL: Final = "Google Retail (Vertex AI Search for commerce) and Recommendations AI: `eventType`"
_GA4: Final = "Google Analytics 4 and Firebase: event names"
_SHOPIFY: Final = "Shopify: standard events of web pixels"
_SEGMENT: Final = "Segment: e-commerce events"
_KLAVIYO: Final = "Klaviyo: metrics"
# InstantSearch can send views of all hits that were on the screen: those are impressions, and better left out.
_ALGOLIA: Final = "Algolia: `eventType` and `eventSubtype`, and the methods of search-insights"
_RECOMBEE: Final = "Recombee: paths of the calls, and requests of its clients"
_PUBLIC: Final = "public logs: RetailRocket, REES46, Taobao, Yoochoose, Diginetica"
_COMMON: Final = "logs of shops and sites"

ALIASES: Final[Mapping[Behaviour, Mapping[str, tuple[str, ...]]]] = {
    "view": {
        _RETAIL: ("detail-page-view",),
        _GA4: ("view_item", "select_item", "page_view"),
        _SHOPIFY: ("product_viewed",),
        _SEGMENT: ("Product Viewed",),
        _ALGOLIA: ("view", "click", "viewedObjectIDs", "clickedObjectIDs", "clickedObjectIDsAfterSearch"),
        _RECOMBEE: ("detailviews", "AddDetailView"),
        _PUBLIC: ("view", "click", "pv"),
        _COMMON: (
            "views", "viewed", "pageview", "product_view", "item_view", "detail_view", "clicked", "click_item",
            "detail", "product_click", "visit", "open", "view_product", "product_detail_view", "item_viewed", "play",
            "watch", "read",
        ),
    },
    "cart": {
        _RETAIL: ("add-to-cart", "checkout-start"),
        _GA4: ("add_to_cart", "begin_checkout"),
        _SHOPIFY: ("product_added_to_cart",),
        _SEGMENT: ("Product Added",),
        _KLAVIYO: ("Added to Cart",),
        _ALGOLIA: ("addToCart", "addedToCartObjectIDs", "addedToCartObjectIDsAfterSearch"),
        _RECOMBEE: ("cartadditions", "AddCartAddition"),
        _PUBLIC: ("cart", "addtocart"),
        _COMMON: (
            "add_cart", "cart_add", "cart_addition", "basket", "add_to_basket", "add_to_bag", "item_added_to_cart",
        ),
    },
    "purchase": {
        _RETAIL: ("purchase-complete",),
        _GA4: ("purchase", "ecommerce_purchase"),
        _SHOPIFY: ("checkout_completed",),
        _SEGMENT: ("Order Completed",),
        _KLAVIYO: ("Placed Order",),
        # A conversion without a subtype is what the shop lives by; one of a cart comes as `addToCart`.
        _ALGOLIA: (
            "purchase", "conversion", "convertedObjectIDs", "convertedObjectIDsAfterSearch", "purchasedObjectIDs",
            "purchasedObjectIDsAfterSearch",
        ),
        _RECOMBEE: ("purchases", "AddPurchase"),
        _PUBLIC: ("purchase", "transaction", "buy"),
        _COMMON: (
            "purchased", "order", "ordered", "bought", "sale", "sold", "paid", "payment", "product_purchased",
            "checkout_complete",
        ),
    },
}  # fmt: skip
"""Behaviour -> the system that says so -> its words. Several systems may have a word, with one meaning."""


def folded(word: str) -> str:
    """A word for an event without case, blanks and signs: `Product Viewed`, `productViewed` and `product-viewed` agree.

    Letters and digits of every script stay.
    """
    return "".join(character for character in word.lower() if character.isalnum())


_MEANINGS: Final[Mapping[str, Behaviour]] = {
    folded(word): behaviour
    for behaviour, sources in ALIASES.items()
    for words in (*sources.values(), (behaviour,))
    for word in words
}


def behaviour_of(word: str, own: Mapping[str, str] = MappingProxyType({})) -> Behaviour | None:
    """The behaviour that a word for an event stands for; None for a word that nobody knows.

    Args:
        word: as a log, an export or a request writes it.
        own: the shop's own words, exactly as its logs write them, each with its behaviour; these go first.
    """
    return _MEANINGS.get(own.get(word) or folded(word))
