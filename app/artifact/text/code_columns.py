"""Columns of codes that identify an item besides its id, such as SKUs, EANs and part numbers: by name and content."""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from app.artifact.text.codes import bare_code
from app.artifact.text.words import fold_letters

LONGEST_VALUE: Final = 32
"""Letters and digits of a value of such a column."""
LEAST_DISTINCT: Final = 0.8
"""Of the values of a column of codes: sizes and colours share a style number."""
_LEAST_WITH_DIGITS: Final = 0.8  # of its values
_LETTERS: Final = re.compile(r"[^\W\d_]+")
_NAMES: Final = frozenset((
    "sku", "skus", "mpn", "mpns", "gtin", "gtins", "ean", "eans", "upc", "upcs", "isbn", "issn", "asin", "jan",
    "barcode", "barcodes", "pn", "plu", "nsn", "ref", "refs", "reference", "referencia", "referentie", "riferimento",
    "model", "modell", "modelo", "modele", "modello", "artikelnummer", "artikelnr", "artnr", "artnum", "artikelcode",
    "bestellnummer", "bestellnr", "materialnummer", "teilenummer", "teilenr", "modellnummer", "modellnr",
    "produktnummer", "produktnr", "herstellernummer", "varenummer", "varenr", "artikelnumer", "tuotenumero",
    "partnumber", "partno", "modelnumber", "modelno", "itemnumber", "itemno", "stylenumber", "styleno", "productcode",
    "itemcode", "modelcode", "артикул", "штрихкод", "货号", "型号", "条码", "编码", "商品编码", "款号", "品番", "型番",
    "商品コード", "모델명", "품번", "바코드",
))  # fmt: skip
_THINGS: Final = frozenset((
    "part", "item", "model", "product", "article", "style", "oem", "order", "catalog", "catalogue", "manufacturer",
    "vendor", "supplier", "material", "stock", "mfr", "mfg", "artikel", "modell", "produkt", "hersteller", "teile",
    "bestell", "art", "prod", "articulo", "producto", "modelo", "fabricante", "produit", "modele", "fabricant",
    "articolo", "prodotto", "modello", "bar",
))  # fmt: skip
_NUMBERS: Final = frozenset((
    "number", "numbers", "no", "nr", "num", "nummer", "code", "codes", "id", "ref", "reference", "numero", "numer",
    "codice", "codigo", "n",
))  # fmt: skip
"""Names of codes in one word; and what a code numbers, and how numbers are called, for names of several."""
_MOST_WORDS: Final = 5


@lru_cache(maxsize=4_096)
def is_code_name(name: str) -> bool:
    """Whether a column is called like one of codes: `sku`, `EAN-13`, `Part No.`, `Artikel-Nr`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = _LETTERS.findall(fold_letters(spaced))
    if len(words) > _MOST_WORDS:
        return False
    return bool(_NAMES & {*words, "".join(words)} or (_THINGS & set(words) and _NUMBERS & set(words)))


def is_like_code(value: str) -> bool:
    """Whether one value is like a code: short, with a digit."""
    bare = bare_code(value)
    return 0 < len(bare) <= LONGEST_VALUE and any(map(str.isdigit, bare))


def are_codes(values: Sequence[str]) -> bool:
    """Whether values are like codes: short, nearly all with digits, and nearly all different."""
    bare = [bare_code(value) for value in values]
    kept = [value for value in bare if value and len(value) <= LONGEST_VALUE]
    with_digits = sum(any(map(str.isdigit, value)) for value in kept)
    return (
        bool(kept)
        and with_digits >= _LEAST_WITH_DIGITS * len(values)
        and len(set(kept)) >= LEAST_DISTINCT * len(values)
    )
