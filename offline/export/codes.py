"""The codes of a bundle: what identifies an item besides its words, by which a shopper finds just that item."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from app.artifact.text.codes import CodeTable, bare_code
from app.artifact.text.words import fold_letters
from offline.export.catalogue_columns import variants_of

_LEAST_DISTINCT: Final = 0.8  # of the values of a column of codes: sizes and colours share a style number
_LEAST_WITH_DIGITS: Final = 0.8  # of its values
_LONGEST: Final = 32  # letters and digits of its values
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


def write_codes(folder: Path, items: pl.DataFrame) -> None:
    """Write the codes of all items to the bundle in `folder`: their ids, those of their variants, and attributes that
    are codes.

    Args:
        items: the split's item table.
    """
    items = items.sort("row")
    codes = list(zip(items["row"].to_list(), items["item_id"].to_list(), strict=True))
    variant_ids, variant_rows = variants_of(items)
    codes += zip(variant_rows, variant_ids, strict=True)
    codes += _attribute_codes(items)
    CodeTable.of((row, code) for row, code in codes if code).write(folder)


def is_code_name(name: str) -> bool:
    """Whether a column is called like one of codes: `sku`, `EAN-13`, `Part No.`, `Artikel-Nr`."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = _LETTERS.findall(fold_letters(spaced))
    if len(words) > _MOST_WORDS:
        return False
    return bool(_NAMES & {*words, "".join(words)} or (_THINGS & set(words) and _NUMBERS & set(words)))


def are_codes(values: Sequence[str]) -> bool:
    """Whether values are like codes: short, nearly all with digits, and nearly all different."""
    bare = [bare_code(value) for value in values]
    kept = [value for value in bare if value and len(value) <= _LONGEST]
    with_digits = sum(any(map(str.isdigit, value)) for value in kept)
    return (
        bool(kept)
        and with_digits >= _LEAST_WITH_DIGITS * len(values)
        and len(set(kept)) >= _LEAST_DISTINCT * len(values)
    )


def _attribute_codes(items: pl.DataFrame) -> Iterator[tuple[int, str]]:
    """The rows and values of attributes that are codes by name and by content."""
    pairs = items.select("row", pl.col("attributes").alias("told")).explode("told").drop_nulls()
    pairs = pairs.filter(pl.col("told").str.contains("=", literal=True)).select(
        "row",
        pl.col("told").str.replace(r"(?s)=.*$", "").alias("name"),
        pl.col("told").str.replace(r"^[^=]*=", "").alias("value"),
    )
    for name in pairs["name"].unique().to_list():
        if is_code_name(name):
            of_name = pairs.filter(pl.col("name") == name)
            if are_codes(of_name["value"].to_list()):
                yield from zip(of_name["row"].to_list(), of_name["value"].to_list(), strict=True)
