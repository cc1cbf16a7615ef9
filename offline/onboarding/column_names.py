"""What other systems call the columns of events, items and users: GA4, Shopify, Google Retail, public data sets."""

import re

EVENT_COLUMNS: dict[str, tuple[str, ...]] = {
    "user": (
        "user_id", "user", "customer_id", "customer", "uid",
        "reviewer_id", "member_id", "account_id", "shopper_id", "profile_id",
        "person_id", "buyer_id", "email", "customer_email", "reader_id", "reader", "subscriber_id",
    ),
    "visitor": (
        "visitor_id", "visitor", "user_pseudo_id", "anonymous_id", "client_id", "full_visitor_id", "anonymous_user_id",
        "unique_visitor_id", "device_id", "browser_id", "cookie_id", "guest_id", "anon_id", "distinct_id",
    ),
    "item": (
        "item_id", "item", "product_id", "product", "sku", "lineitem_sku", "variant_id", "variant_sku", "asin", "iid",
        "parent_asin", "article_id", "movie_id", "product_sku", "lineitem_name", "content_id", "video_id", "track_id",
        "book_id", "poi_id", "location_id", "item_sku", "product_handle",
        "article", "post_id", "post", "story_id",
    ),
    "type": (
        "event_type", "event", "event_name", "type", "action", "behavior", "behaviour", "action_type", "behavior_type",
        "interaction", "interaction_type", "event_category", "activity",
    ),
    "time": (
        "timestamp", "time", "event_time", "event_timestamp", "created_at", "date", "datetime", "ts", "event_date",
        "occurred_at", "unix_review_time", "unix_time", "order_date", "paid_at", "date_time", "event_at", "t_dat",
        "purchase_date", "timestamp_ms", "utc_time",
    ),
    "position": ("position", "order", "seq", "sequence", "event_order", "rank_in_session", "step", "index"),
    "query": ("query", "search_query", "search_term", "search_terms", "keyword", "keywords", "q", "search_text"),
    "session": ("session_id", "session", "ga_session_id", "visit_id", "attribution_token"),
    "split": ("split", "fold", "subset", "partition"),
    "price": ("price", "lineitem_price", "item_price", "unit_price", "amount", "revenue", "value", "item_revenue"),
    "quantity": ("quantity", "qty", "lineitem_quantity", "count", "units"),
    "currency": ("currency", "currency_code"),
}  # fmt: skip
"""Role of `[events]` -> names of columns in lower case with underscores, the likeliest first."""

ITEM_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (*EVENT_COLUMNS["item"], "id", "handle", "g_id"),
    "title": (
        "title", "name", "item_name", "product_name", "product_title", "item_title", "display_name", "prod_name",
        "movie_title", "headline",
    ),
    "category": (
        "category", "categories", "product_category", "product_type", "item_category", "category_path", "type",
        "google_product_category", "category_name", "genres", "category_code", "category_id", "department",
        "main_category", "topic", "section",
    ),
    "brand": (
        "brand", "brands", "vendor", "manufacturer", "item_brand", "brand_name", "store", "maker", "author",
        "authors", "publisher",
    ),
    "price": (
        "price", "variant_price", "item_price", "sale_price", "unit_price", "list_price", "price_amount", "price_info",
    ),
    "in_stock": (
        "in_stock", "available", "availability", "stock", "inventory", "variant_inventory_qty", "quantity",
        "available_quantity", "inventory_quantity", "is_available",
    ),
    "added": (
        "added", "added_at", "date_added", "created_at", "created", "published_at", "date_created", "available_from",
        "available_time", "available_date", "release_date", "first_available", "date_first_available", "publish_time",
        "published", "published_on", "publication_date", "pub_date",
    ),
}  # fmt: skip
"""Role of `[items]` -> names of columns."""

TEXT_COLUMNS = (
    "description", "body_html", "body", "product_description", "long_description", "short_description", "summary",
    "detail_desc", "features", "subtitle", "details", "text", "overview",
)  # fmt: skip

USER_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (*EVENT_COLUMNS["user"], "id"),
    "visitor": EVENT_COLUMNS["visitor"],
}
"""Role of `[users]` -> names of columns."""


def plain(name: str) -> str:
    """`visitorId`, `Lineitem sku`, `add-to-cart` -> `visitor_id`, `lineitem_sku`, `add_to_cart`."""
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name.strip())
    return re.sub(r"[^a-z0-9]+", "_", spaced.lower()).strip("_")


def name_rank(column: str, names: tuple[str, ...]) -> int | None:
    """How well a column's name says that it is one of `names`: 0 is best; None: it does not.

    `visitorid` counts as `visitor_id` does.
    """
    bare = plain(column)
    squeezed = bare.replace("_", "")
    for rank, name in enumerate(names):
        if bare == name or squeezed == name.replace("_", ""):
            return rank
    return None
