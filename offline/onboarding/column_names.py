"""What other systems call the columns of events, items and users: shops, public data sets, several languages."""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

_ID_ENDINGS = ("_id", "", "_no", "_nr", "_number", "_num", "_nummer", "nummer", "_code", "_key", "_uuid", "_ref")


def _ids(*stems: str) -> tuple[str, ...]:
    """Names of ids of the things that are called so, the likeliest first."""
    return tuple(dict.fromkeys(f"{stem}{ending}" for ending in _ID_ENDINGS for stem in stems))


EVENT_COLUMNS: dict[str, tuple[str, ...]] = {
    "user": (
        "user_id", "customer_unique_id",
        *_ids(
            "user", "customer", "uid", "reviewer", "member", "account", "shopper", "profile", "person", "buyer",
            "reader", "subscriber", "listener", "viewer", "player", "client_unique", "kunden", "kunde", "kund",
            "cliente",
            "utilisateur", "usuario", "utente", "comprador", "acheteur", "klant", "klient", "benutzer", "nutzer",
            "household",
            "purchaser", "bill_to_customer", "contact", "cust", "usr", "steam", "loyalty_card", "client_account",
        ),
        "client", "client_no", "client_number", "code_client", "num_client", "numero_client", "n_client", "no_client",
        "codigo_cliente", "username", "user_name", "login", "screen_name", "nickname", "player_name", "profile_name",
        "customer_user_id", "customer_key", "entity_user_id", "email", "customer_email", "user_email", "e_mail",
        "email_billing",
        "billing_email", "buyer_email", "email_address",
    ),
    "visitor": (
        "visitor_id", "visitor", "user_pseudo_id", "anonymous_id", "client_id", "full_visitor_id",
        "anonymous_user_id",
        "unique_visitor_id", "device_id", "browser_id", "cookie_id", "guest_id", "anon_id", "distinct_id",
        "domain_userid", "network_userid", "domain_user_id", "network_user_id", "fullvisitor_id",
    ),
    "item": (
        "item_id", "item", "product_id", "product", "sku", "lineitem_sku", "variant_id", "variant_sku", "asin", "iid",
        "parent_asin", "article_id", "movie_id", "product_sku", "lineitem_name", "content_id", "video_id", "track_id",
        "book_id", "poi_id", "location_id", "item_sku", "product_handle", "article", "post_id", "post", "story_id",
        "stock_code", "isbn", "product_code", "item_code", "product_code_sku", "artist_id", "song_id", "game_id",
        "anime_id",
        "recipe_id", "business_id", "listing_id", "course_id", "news_id", "hotel_id", "restaurant_id",
        *_ids(
            "artikel", "produkt", "produit", "producto", "prodotto", "produto", "articulo", "articolo", "artikelnr",
            "prod", "goods", "tovar", "offer", "isbn13", "ean", "gtin", "upc",
        ),
        "material_number", "material_no", "materialnummer", "artikel_nr", "art_nr", "artnr", "article_number",
        "article_no", "item_number", "item_no", "product_number",
        "product_no", "product_key", "product_reference", "product_ref", "product_name", "item_name", "ti_sku",
        "part_number", "mpn", "style_id", "game", "movie", "film", "book", "song", "artist", "track", "anime", "show",
        "series", "recipe", "course", "hotel", "restaurant", "beer", "wine", "podcast", "app", "aid", "game_title",
        "game_name", "movie_title", "book_title", "song_title", "song_name", "track_name", "artist_name",
        "show_title",
        "product_title", "item_title", "title",
    ),
    "type": (
        "event_type", "event", "event_name", "type", "action", "behavior", "behaviour", "action_type",
        "behavior_type",
        "interaction", "interaction_type", "event_category", "activity", "se_action", "action_name", "verb",
        "ereignis",
        "aktion", "evento", "evenement",
    ),
    "time": (
        "timestamp", "time", "event_time", "event_timestamp", "created_at", "date", "datetime", "ts", "event_date",
        "occurred_at", "unix_review_time", "unix_time", "order_date", "paid_at", "date_time", "event_at", "t_dat",
        "purchase_date", "timestamp_ms", "utc_time", "order_purchase_timestamp", "purchased_at", "purchase_timestamp",
        "purchase_time", "ordered_at", "placed_at", "order_time", "order_timestamp", "order_created_at",
        "order_placed_at",
        "invoice_date", "transaction_date", "transaction_time", "sale_date", "sold_at", "date_created", "date_add",
        "created", "creation_date", "create_time", "created_on", "created_time", "date_added", "derived_tstamp",
        "collector_tstamp", "dvce_created_tstamp", "server_time", "timestamp_utc", "bestelldatum", "kaufdatum",
        "rechnungsdatum", "auftragsdatum", "datum", "zeitpunkt", "zeit", "zeitstempel", "date_commande", "fecha",
        "fecha_pedido", "fecha_compra", "data_ordine", "data", "data_pedido", "data_compra", "besteldatum",
        "date_de_commande", "date_achat", "played_at", "listened_at", "watched_at", "rated_at", "date_of_purchase",
        "date_of_order", "completed_at", "date_purchased", "date_ordered", "date_completed", "original_timestamp",
        "sent_at", "received_at", "review_time",
    ),
    "position": (
        "position", "order", "seq", "sequence", "event_order", "rank_in_session", "step", "index", "order_number",
        "order_seq", "order_index", "add_to_cart_order", "line_number", "line_no",
    ),
    "query": (
        "query", "search_query", "search_term", "search_terms", "keyword", "keywords", "q", "search_text",
        "suchbegriff",
        "search_keyword",
    ),
    "session": (
        "session_id", "session", "ga_session_id", "visit_id", "attribution_token", "user_session", "domain_sessionid",
        "id_visit",
    ),
    "split": ("split", "fold", "subset", "partition"),
    "price": (
        "price", "lineitem_price", "item_price", "unit_price", "amount", "revenue", "value", "item_revenue",
        "product_price", "item_cost", "base_price", "einzelpreis", "stueckpreis", "preis", "prix", "prix_unitaire",
        "precio", "precio_unitario", "prezzo", "preco", "ti_price", "sale_price", "product_unit_price",
    ),
    "quantity": (
        "quantity", "qty", "lineitem_quantity", "count", "units", "product_quantity", "item_quantity", "qty_ordered",
        "product_qty", "order_quantity", "menge", "anzahl", "stueckzahl", "quantite", "cantidad", "quantita",
        "quantidade",
        "aantal", "ti_quantity", "quantity_ordered", "quantity_purchased", "order_item_qty",
    ),
    "currency": ("currency", "currency_code", "waehrung", "devise", "moneda", "order_currency", "waehrungscode"),
}  # fmt: skip
"""Role of `[events]` -> names of columns in lower case with underscores, the likeliest first."""

RATING_COLUMNS = (
    "rating", "stars", "star_rating", "book_rating", "overall", "score", "review_score", "review_rating",
    "user_rating",
    "ratings", "my_rating", "rate", "grade", "bewertung", "sterne", "note", "puntuacion", "valoracion",
)  # fmt: skip
"""Names of columns of ratings."""

ITEM_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (*EVENT_COLUMNS["item"], "id", "handle", "g_id", "entity_id", "ordernumber", "reference", "ref", "number"),
    "title": (
        "title", "name", "item_name", "product_name", "product_title", "item_title", "display_name", "prod_name",
        "movie_title", "headline", "book_title", "song_title", "track_name", "artist_name", "artname", "game_title",
        "game", "game_name", "label", "bezeichnung", "artikelbezeichnung", "artikelname", "produktname", "titel",
        "nom",
        "nom_produit", "nom_du_produit", "nombre", "nombre_producto", "nome", "nome_prodotto", "nome_do_produto",
        "titre",
        "titulo", "titolo", "naam", "productnaam", "libelle", "designation", "denominacion", "full_name", "product",
        "item", "business_name", "ti_name", "lineitem_name", "original_title",
    ),
    "category": (
        "category", "categories", "categories_x_y_z", "product_category", "product_type", "item_category",
        "category_path", "genres",
        "genre", "type", "google_product_category", "category_name", "product_category_name_english", "category_code",
        "department", "main_category", "topic", "section", "kategorie", "kategorien", "warengruppe", "produktgruppe",
        "artikelgruppe", "categorie", "categoria", "categorias", "rubrique", "product_group", "product_group_name",
        "product_category_name", "category_title", "aisle", "default_category", "ti_category", "taxonomy",
        "collection",
        "categoryid", "category_id",
    ),
    "brand": (
        "brand", "brands", "vendor", "manufacturer", "item_brand", "brand_name", "store", "maker", "author",
        "authors", "publisher", "book_author", "manufacturer_name", "vendor_name", "hersteller", "marke",
        "herstellername",
        "marque", "fabricant", "marca", "fabricante", "produttore", "merk", "designer", "label_name", "artist",
        "developer",
        "product_brand",
    ),
    "price": (
        "price", "variant_price", "sale_price", "regular_price", "item_price", "unit_price", "list_price",
        "price_amount", "price_info", "price_gross", "price_tax_incl", "price_incl_tax", "price_tax_included",
        "price_inc_tax", "price_tax_excl", "price_tax_excluded", "retail_price", "price_net", "preis",
        "verkaufspreis", "vk_preis",
        "bruttopreis", "vk_brutto", "prix", "prix_ttc", "prix_de_vente", "precio", "precio_venta", "prezzo",
        "preco", "prijs",
        "selling_price", "discounted_price", "current_price", "product_price", "einzelpreis", "ti_price",
    ),
    "in_stock": (
        "in_stock", "available", "availability", "stock", "inventory", "variant_inventory_qty", "quantity",
        "available_quantity", "inventory_quantity", "is_available", "is_in_stock", "current_stock_level",
        "stock_level",
        "stock_quantity", "stock_qty", "stock_status", "qty", "lagerbestand", "bestand", "lager", "verfuegbarkeit",
        "verfuegbar", "disponibilite", "stock_disponible", "existencias", "giacenza", "estoque", "voorraad",
        "units_in_stock",
        "quantity_in_stock", "inventory_level", "product_availability",
    ),
    "added": (
        "added", "added_at", "date_added", "created_at", "created", "published_at", "date_created", "available_from",
        "available_time", "available_date", "release_date", "first_available", "date_first_available", "publish_time",
        "published", "published_on", "publication_date", "pub_date", "date_add", "creation_date", "created_on",
        "angelegt_am", "erstellt_am", "launch_date", "year_of_publication", "date_created_gmt", "created_time",
        "new_from_date", "date_available",
    ),
}  # fmt: skip
"""Role of `[items]` -> names of columns."""

TEXT_COLUMNS = (
    "description", "body_html", "body", "product_description", "long_description", "short_description", "summary",
    "detail_desc", "features", "subtitle", "details", "text", "overview", "beschreibung", "kurzbeschreibung",
    "langbeschreibung", "artikelbeschreibung", "descripcion", "descrizione", "descricao", "omschrijving", "plot",
    "abstract", "content", "description_short", "synopsis", "item_description", "produktbeschreibung",
    "search_keywords",
    "seo_description", "meta_description",
)  # fmt: skip

VARIANT_COLUMNS = (
    "item_group_id", "parent_sku", "parent_id", "parent", "parent_product_id", "parent_product", "parent_handle",
    "handle", "mainnumber", "main_number", "parent_item_id", "master_sku", "master_id", "master_product_id",
    "configurable_sku", "configurable_product_id", "group_sku", "vaterartikel", "hauptartikel", "model_id",
)  # fmt: skip
"""Names of columns that hold the product of a row that is a variant."""

IMAGE_COLUMNS = (
    "image_src", "image", "image_url", "image_link", "images", "img", "img_url", "im_url", "picture", "picture_url",
    "photo", "photo_url", "thumbnail", "thumbnail_url", "base_image", "small_image", "cover", "cover_url", "poster",
    "image_url_m", "image_url_l", "image_url_s", "main_image", "variant_image", "cover_media_url", "featured_image",
    "bild",
    "bild_url", "bildurl", "product_image_file_1", "product_image", "primary_image", "hires_image", "logo",
)  # fmt: skip
LINK_COLUMNS = (
    "url", "link", "product_url", "permalink", "product_link", "page_url", "item_url", "handle_url", "deeplink",
    "canonical_url", "external_url", "url_key", "produkt_url",
)  # fmt: skip

USER_COLUMNS: dict[str, tuple[str, ...]] = {
    "id": (*EVENT_COLUMNS["user"], "id", "entity_id"),
    "visitor": EVENT_COLUMNS["visitor"],
}
"""Role of `[users]` -> names of columns."""

STATUS_COLUMNS = (
    "status", "order_status", "state", "order_state", "financial_status", "payment_status", "bestellstatus",
    "statut", "estado",
    "stato", "current_state", "auftragsstatus", "transaction_status", "orderstatus",
)  # fmt: skip
UNDONE_WORDS = frozenset(
    [
        "canceled", "cancelled", "cancel", "failed", "voided", "void", "declined", "rejected", "storniert",
        "storno", "abgebrochen",
        "annule", "annulee", "cancelado", "cancelada", "annullato", "geannuleerd", "refunded", "returned",
        "retourniert",
        "unavailable", "chargeback", "fraud", "error", "wc_cancelled", "wc_failed", "wc_refunded", "rembourse",
        "reembolsado",
    ]
)  # fmt: skip
"""Words of an order's state, in plain letters, that say that nothing was bought in the end."""

NO_GOODS_WORDS = frozenset(
    [
        "post", "postage", "dot", "m", "d", "s", "b", "c2", "carriage", "bank charges", "amazonfee", "amazon fee",
        "cruk", "adjust", "adjust2", "manual", "shipping", "handling", "delivery", "freight", "discount", "fee",
        "fees", "surcharge", "deposit", "tip", "versand", "versandkosten", "porto", "fracht", "rabatt", "pfand",
        "livraison", "frais de port", "remise", "envio", "gastos de envio", "descuento", "spedizione", "sconto",
        "verzendkosten", "korting",
    ]
)  # fmt: skip
"""Ids, in small letters, of lines of an order that are no goods."""

ORDER_WORDS = frozenset(
    [
        "order", "orders", "purchases", "transactions", "invoices",
        "invoice", "basket", "transaction", "purchase", "lineitem", "receipt", "bestellung",
        "bestellnummer",
        "rechnung", "rechnungsnummer", "auftrag", "auftragsnummer", "belegnummer", "commande", "facture", "pedido",
        "factura",
        "ordine", "fattura", "checkout", "sale", "sales", "ticket", "bestelldatum", "kaufdatum", "bestelling",
        "orderid",
        "invoiceno", "orderno", "orderdate", "invoicedate",
    ]
)  # fmt: skip
"""Words of the columns that tables of orders have."""


@lru_cache(maxsize=4_096)
def plain(name: str) -> str:
    """`visitorId`, `Lineitem sku`, `Stückzahl` -> `visitor_id`, `lineitem_sku`, `stueckzahl`.

    Letters and digits of every script stay.
    """
    spelt = name.strip().translate(_UMLAUTS)
    spaced = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", spelt)
    letters = "".join(sign for sign in unicodedata.normalize("NFKD", spaced.lower()) if not unicodedata.combining(sign))
    return re.sub(r"[\W_]+", "_", letters).strip("_")


_DOTTED = re.compile(r"\w+(?:\.\w+)+")
_UMLAUTS: Mapping[int, str] = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"}
)


@lru_cache(maxsize=4_096)
def words_of(name: str) -> frozenset[str]:
    """The words that a column's name consists of; of a field of an object, its own."""
    return frozenset(plain(last_part(name)).split("_"))


def last_part(name: str) -> str:
    """The name of a field of an object, `city` of `geo.city`; any other name as it is."""
    return name.rpartition(".")[2] if _DOTTED.fullmatch(name) else name


def name_rank(column: str, names: tuple[str, ...]) -> int | None:
    """How well a column's name says that it is one of `names`: 0 is best; None: it does not.

    `visitorid` counts as `visitor_id` does, `id_product` as `product_id`, and `items.item_id` as its last part.
    """
    ranks = _ranks(names)
    return min((ranks[form] for form in _spellings(column) if form in ranks), default=None)


@lru_cache(maxsize=256)
def _ranks(names: tuple[str, ...]) -> Mapping[str, int]:
    ranks: dict[str, int] = {}
    for rank, name in enumerate(names):
        ranks.setdefault(name, rank)
        ranks.setdefault(name.replace("_", ""), rank)
    return ranks


@lru_cache(maxsize=4_096)
def _spellings(column: str) -> frozenset[str]:
    bare = plain(column)
    forms = {bare, bare.removeprefix("g_")}
    if _DOTTED.fullmatch(column):
        first, _, last = column.rpartition(".")
        owner = plain(first.rpartition(".")[2]).removesuffix("s")
        forms |= {plain(last), f"{owner}_{plain(last)}"}
    for form in list(forms):
        if form.startswith("id_"):
            forms.add(f"{form[3:]}_id")
    return frozenset(forms | {form.replace("_", "") for form in forms})
