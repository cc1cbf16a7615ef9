"""What other systems call views, carts and purchases, so that a shop's tracking can be pointed here as it is."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from app.artifact.names import BEHAVIOURS, CART, PURCHASE, VIEW

_NAMES: Final = {
    VIEW: (
        "view",
        "detail-page-view",  # Google Retail (Vertex AI Search for commerce): `eventType`
        "view_item",  # GA4: event names of e-commerce
        "select_item",  # GA4: an item of a list was chosen
        # Algolia: `eventType`, and the methods of search-insights. InstantSearch can send views of all hits that were
        # on the screen: those are impressions, and better left out.
        "click",
        "viewedObjectIDs",
        "clickedObjectIDs",
        "clickedObjectIDsAfterSearch",
        "detailviews",  # Recombee: the path of the call
        "AddDetailView",  # Recombee: the request of its clients
    ),
    CART: (
        "cart",
        "add-to-cart",  # Google Retail, and `add_to_cart` of GA4, and `addToCart`, the `eventSubtype` of Algolia
        "addedToCartObjectIDs",  # Algolia
        "addedToCartObjectIDsAfterSearch",
        "cartadditions",  # Recombee
        "AddCartAddition",
    ),
    PURCHASE: (
        "purchase",  # GA4 too, and the `eventSubtype` of Algolia
        "purchase-complete",  # Google Retail
        "conversion",  # Algolia: without a subtype it is what the shop lives by; one of a cart comes as `addToCart`
        "convertedObjectIDs",
        "convertedObjectIDsAfterSearch",
        "purchasedObjectIDs",
        "purchasedObjectIDsAfterSearch",
        "purchases",  # Recombee
        "AddPurchase",
    ),
}


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())


_BEHAVIOURS: Final = {_plain(name): behaviour for behaviour, names in _NAMES.items() for name in names}


def behaviour_of(name: str, own: Mapping[str, str] = MappingProxyType({})) -> int | None:
    """The behaviour code of an event type by any of its names, `None` for an unknown one.

    Case counts for nothing, and neither does what is no letter and no digit: `Add To Cart` is `add_to_cart`.

    Args:
        name: of the type.
        own: the shop's own words, as they are written in its logs, which go first.
    """
    word = own.get(name)
    return _BEHAVIOURS.get(_plain(name)) if word is None else BEHAVIOURS[word]
