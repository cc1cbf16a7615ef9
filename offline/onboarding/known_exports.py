"""Exports that are known by their headers: which shop or data set writes them, and what their columns mean.

Names of columns stand in plain letters, as `column_names.plain` writes them. A table without a header is known by what
stands in its cells.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

TableKind = Literal["events", "items", "users"]


@dataclass(frozen=True)
class KnownExport:
    """A table as `source` writes it.

    `header`: names that are all there; `cells`: what the cells of each column look like, where there is no header.
    `roles`: the names for a role, of which the first that has values counts, or all, where a role takes several.
    `settings`: what else is known of the table: further keys of it in `dataset.toml`, `words` for events, and `sold`,
    the columns that say so of an item, each with the word for it. `left_out`: beginnings of names that are no
    attributes.
    """

    source: str
    kind: TableKind
    header: tuple[str, ...] = ()
    cells: tuple[str, ...] = ()
    roles: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


_PURCHASE: Mapping[str, Any] = {"type": {"constant": "purchase"}}
_NUMBER = r"-?\d+(\.\d+)?"
_ID = r"\d+"

KNOWN_EXPORTS: Sequence[KnownExport] = (
    KnownExport(
        "Shopify's export of products",
        "items",
        ("handle", "title", "vendor", "variant_price"),
        roles={
            "id": ("variant_sku", "handle"),
            "variant_of": ("handle",),
            "title": ("title",),
            "category": ("product_category", "standard_product_type", "type", "product_type", "custom_product_type"),
            "brand": ("vendor",),
            "price": ("variant_price",),
            "text": ("body_html",),
            "in_stock": ("variant_inventory_qty",),
            "display": ("image_src",),
            "added": (),
        },
        settings={
            "options": tuple((f"option{number}_name", f"option{number}_value") for number in (1, 2, 3)),
            "separators": {"tags": ", "},
            "sold": (("published", "true"), ("status", "active")),
        },
        left_out=(
            "option", "variant_", "image_", "gift_card", "seo_", "google_shopping", "cost_per_item", "unit_price_",
            "included_", "price_", "compare_at", "complementary_products", "related_products",
            "search_product_boosts",
            "status", "published", "product_rating_count",
        ),
    ),
    KnownExport(
        "Shopify's export of orders",
        "events",
        ("lineitem_name", "lineitem_quantity"),
        roles={
            "user": ("customer_id", "email"),
            "item": ("lineitem_sku", "lineitem_name"),
            "time": ("created_at", "paid_at"),
            "price": ("lineitem_price",),
            "quantity": ("lineitem_quantity",),
            "currency": ("currency",),
        },
        settings=_PURCHASE,
    ),
    KnownExport(
        "WooCommerce's export of products",
        "items",
        ("name", "regular_price", "categories", "in_stock"),
        roles={
            "id": ("sku", "id"),
            "variant_of": ("parent",),
            "title": ("name",),
            "category": ("categories",),
            "brand": ("brands", "brand"),
            "price": ("regular_price",),
            "text": ("description", "short_description"),
            "in_stock": ("in_stock", "stock"),
            "display": ("images",),
            "added": (),
        },
        settings={
            "options": tuple((f"attribute_{number}_name", f"attribute_{number}_value_s") for number in range(1, 9)),
            "separators": {"categories": ", ", "tags": ", "},
            "sold": (("published", "1"),),
        },
        left_out=(
            "attribute_", "is_featured", "visibility", "published", "date_sale", "sale_price", "tax_", "low_stock",
            "backorders", "sold_individually", "allow_customer", "purchase_note", "shipping_class", "download_",
            "parent",
            "grouped_products", "upsells", "cross_sells", "external_url", "button_text", "position", "meta_",
            "type", "stock",
            "id", "gtin", "cost",
        ),
    ),
    KnownExport(
        "Magento's export of products",
        "items",
        ("sku", "attribute_set_code", "product_type", "name"),
        roles={
            "id": ("sku",),
            "title": ("name",),
            "category": ("categories",),
            "brand": ("manufacturer", "brand"),
            "price": ("price",),
            "text": ("description", "short_description"),
            "in_stock": ("is_in_stock", "qty"),
            "added": ("created_at",),
            "display": ("base_image", "url_key"),
            "attributes": ("color", "size", "gender", "material"),
        },
        settings={"separators": {"categories": ","}, "sold": (("product_online", "1"),)},
        left_out=("",),
    ),
    KnownExport(
        "GA4's export to BigQuery",
        "events",
        ("event_timestamp", "event_name", "user_pseudo_id"),
        roles={
            "user": ("user_id",),
            "visitor": ("user_pseudo_id",),
            "type": ("event_name",),
            "time": ("event_timestamp",),
            "item": ("items_item_id", "item_id"),
            "price": ("items_price", "price"),
            "quantity": ("items_quantity", "quantity"),
        },
    ),
    KnownExport(
        "MovieLens",
        "events",
        ("user_id", "movie_id", "rating"),
        roles={"user": ("user_id",), "item": ("movie_id",), "rating": ("rating",), "time": ("timestamp",)},
    ),
    KnownExport(
        "MovieLens",
        "events",
        cells=(_ID, _ID, r"[0-5](\.[05])?", r"\d{9,10}"),
        roles={"user": ("column_1",), "item": ("column_2",), "rating": ("column_3",), "time": ("column_4",)},
    ),
    KnownExport(
        "MovieLens",
        "items",
        cells=(_ID, r".+\(\d{4}.*\)\s*", r"[A-Za-z'| -]+|\(no genres listed\)"),
        roles={"id": ("column_1",), "title": ("column_2",), "category": ("column_3",)},
        settings={"separators": {"column_3": "|"}},
    ),
    KnownExport(
        "MovieLens (100K)",
        "items",
        cells=(_ID, r".+", r"(\d\d-[A-Z][a-z]{2}-\d{4})?", r".*", r"(https?:.*)?", *[r"[01]"] * 19),
        roles={"id": ("column_1",), "title": ("column_2",), "added": ("column_3",), "display": ("column_5",)},
    ),
    KnownExport(
        "MovieLens (100K)",
        "users",
        cells=(_ID, r"\d{1,2}", r"[MF]", r"[a-z]+", r".{5}"),
        roles={"id": ("column_1",), "attributes": ("column_2", "column_3", "column_4")},
    ),
    KnownExport(
        "MovieLens",
        "users",
        cells=(_ID, r"[MF]", r"\d{1,2}", r"\d{1,2}", r"\d{5}.*"),
        roles={"id": ("column_1",), "attributes": ("column_2", "column_3", "column_4")},
    ),
    KnownExport(
        "Last.fm (HetRec)",
        "events",
        ("user_id", "artist_id", "weight"),
        roles={"user": ("user_id",), "item": ("artist_id",)},
    ),
    KnownExport(
        "Last.fm (HetRec)",
        "items",
        ("id", "name", "url", "picture_url"),
        roles={"id": ("id",), "title": ("name",), "display": ("picture_url", "url")},
    ),
    KnownExport(
        "Last.fm (1K users)",
        "events",
        cells=(r"user_\d+", r"\d{4}-\d\d-\d\dT[\d:]+Z", r"[0-9a-f-]*", r".*", r"[0-9a-f-]*", r".*"),
        roles={
            "user": ("column_1",), "time": ("column_2",), "item": ("column_5",), "title": ("column_6",),
            "brand": ("column_4",),
        },
    ),
    KnownExport(
        "Last.fm (360K users)",
        "events",
        cells=(r"[0-9a-f]{40}", r"[0-9a-f-]*", r".*", r"\d+"),
        roles={"user": ("column_1",), "item": ("column_2",), "title": ("column_3",)},
    ),
    KnownExport(
        "Book-Crossing",
        "events",
        ("user_id", "isbn", "book_rating"),
        roles={"user": ("user_id",), "item": ("isbn",), "rating": ("book_rating",)},
        settings={"rating_implicit": (0,)},
    ),
    KnownExport(
        "Book-Crossing",
        "items",
        ("isbn", "book_title"),
        roles={
            "id": ("isbn",), "title": ("book_title",), "brand": ("book_author",), "added": (),
            "attributes": ("year_of_publication", "publisher", "book_publisher"),
            "display": ("image_url_l", "image_url_m", "image_url_s"),
        },
    ),
    KnownExport(
        "Amazon's reviews (2014, 2018)",
        "events",
        ("reviewer_id", "asin", "overall"),
        roles={
            "user": ("reviewer_id",), "item": ("asin",), "rating": ("overall",),
            "time": ("unix_review_time", "review_time"),
        },
    ),
    KnownExport(
        "Amazon's reviews (2023)",
        "events",
        ("user_id", "parent_asin", "rating"),
        roles={"user": ("user_id",), "item": ("parent_asin",), "rating": ("rating",), "time": ("timestamp",)},
    ),
    KnownExport(
        "Amazon's products (2014, 2018)",
        "items",
        ("asin", "title"),
        roles={
            "id": ("asin",), "title": ("title",), "category": ("categories", "category"), "brand": ("brand",),
            "price": ("price",), "text": ("description", "feature"), "display": ("im_url", "image_url_high_res"),
        },
        left_out=("related", "also_", "sales_rank", "rank", "similar_item", "tech", "fit", "image", "date"),
    ),
    KnownExport(
        "Amazon's products (2023)",
        "items",
        ("parent_asin", "title", "main_category"),
        roles={
            "id": ("parent_asin",), "title": ("title",), "category": ("categories", "main_category"),
            "brand": ("store",), "price": ("price",), "text": ("description", "features"), "attributes": ("details",),
        },
        left_out=("bought_together", "images", "videos", "rating_number", "average_rating", "subtitle", "author"),
    ),
    KnownExport(
        "UCI Online Retail",
        "events",
        ("stock_code", "description", "quantity", "invoice_date", "customer_id"),
        roles={
            "user": ("customer_id",), "item": ("stock_code",), "time": ("invoice_date",),
            "price": ("unit_price", "price"), "quantity": ("quantity",), "title": ("description",),
        },
        settings={**_PURCHASE, "day_first": False},
    ),
    KnownExport(
        "H&M's transactions",
        "events",
        ("t_dat", "customer_id", "article_id"),
        roles={"user": ("customer_id",), "item": ("article_id",), "time": ("t_dat",), "price": ("price",)},
        settings=_PURCHASE,
    ),
    KnownExport(
        "H&M's articles",
        "items",
        ("article_id", "prod_name", "detail_desc"),
        roles={
            "id": ("article_id",), "title": ("prod_name",), "category": ("product_type_name",),
            "text": ("detail_desc",),
            "attributes": (
                "product_group_name", "graphical_appearance_name", "colour_group_name", "perceived_colour_value_name",
                "perceived_colour_master_name", "department_name", "index_name", "index_group_name", "section_name",
                "garment_group_name",
            ),
        },
        left_out=("",),
    ),
    KnownExport(
        "H&M's customers",
        "users",
        ("customer_id", "club_member_status"),
        roles={"id": ("customer_id",), "attributes": ("club_member_status", "fashion_news_frequency")},
    ),
    KnownExport(
        "Steam (200K)",
        "events",
        cells=(_ID, r".+", r"purchase|play", _NUMBER, r"0"),
        roles={"user": ("column_1",), "item": ("column_2",), "type": ("column_3",), "title": ("column_2",)},
        settings={"words": {"play": "view", "purchase": "purchase"}},
    ),
    KnownExport(
        "RetailRocket",
        "events",
        ("timestamp", "visitor_id", "event", "item_id"),
        roles={"visitor": ("visitor_id",), "item": ("item_id",), "type": ("event",), "time": ("timestamp",)},
    ),
    KnownExport(
        "BigCommerce's export of products",
        "items",
        ("product_id", "product_name", "product_code_sku", "brand_name"),
        roles={
            "id": ("product_id",), "title": ("product_name",), "category": ("category",), "brand": ("brand_name",),
            "price": ("price",), "text": ("product_description", "search_keywords"),
            "in_stock": ("current_stock_level",),
            "display": ("product_image_file_1", "product_url"), "added": ("date_added",),
        },
        settings={"separators": {"category": ";"}, "sold": (("product_visible", "Y"),)},
        left_out=("",),
    ),
)  # fmt: skip
