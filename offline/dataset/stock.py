"""What shops write of their stock: counts, flags, and words."""

from typing import Final

import polars as pl

_YES: Final = (
    "true", "t", "yes", "y", "1", "on", "instock", "available", "instore", "onlineonly", "limitedavailability",
    "limited", "lowstock", "few", "fewleft", "backorder", "onbackorder", "backordered", "preorder", "presale",
    "onorder", "madetoorder", "ja", "auflager", "lieferbar", "verfügbar", "oui", "enstock", "disponible", "si",
    "sí", "sim", "disponibile", "tak",
)  # fmt: skip
_NO: Final = (
    "false", "f", "no", "n", "0", "off", "outofstock", "unavailable", "notavailable", "soldout", "oos",
    "discontinued", "none", "nostock", "notinstock", "nein", "ausverkauft", "nichtlieferbar", "nichtverfügbar",
    "non", "rupture", "épuisé", "agotado", "esgotado", "esaurito", "nie",
)  # fmt: skip
_COUNT: Final = (
    r"^[<>≥≤~]?=?\s*(-?[0-9][0-9.,'\s]*)\s*(?:\+|(?:\+\s*)?(?:pcs?\.?|pieces|units?|stk\.?"
    r"|stück|items?|left|in stock|available))?$"
)


def stock_flags(words: pl.Expr) -> pl.Expr:
    """Whether texts say that something is there: a count above 0, or a word for yes; null where they say neither."""
    plain = words.str.to_lowercase().str.replace(r"^https?://schema\.org/", "").str.replace_all(r"[\s_\-]+", "")
    counted = words.str.to_lowercase().str.strip_chars().str.extract(_COUNT)
    count = counted.str.replace_all(r"[,'\s]", "").cast(pl.Float64, strict=False)
    return (
        pl.when(plain.is_in(_YES))
        .then(statement=True)
        .when(plain.is_in(_NO))
        .then(statement=False)
        .otherwise(count > 0)
    )
