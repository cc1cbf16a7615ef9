"""Codes of a catalogue: which attributes are some, and how they are looked up."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.artifact.text.codes import CodeTable, bare_code, read_codes
from offline.export.codes import are_codes, is_code_name, write_codes


@pytest.mark.parametrize(
    "name", ["sku", "EAN-13", "Part No.", "Artikel-Nr.", "GTIN14", "partNumber", "Número de artículo", "型号", "MPN"]
)
def test_names_of_codes(name: str) -> None:
    assert is_code_name(name)


@pytest.mark.parametrize("name", ["colour", "item_weight", "Country code", "number of parts in the box of one set", ""])
def test_names_of_other_columns(name: str) -> None:
    assert not is_code_name(name)


def test_codes_are_short_have_digits_and_differ() -> None:
    assert are_codes(["A-1", "A-2", "B 77"])
    assert not are_codes(["A-1"] * 5 + ["A-2"])
    assert not are_codes(["red", "green", "blue"])
    assert not are_codes([f"a long text about item {number} of the catalogue" for number in range(9)])
    assert not are_codes([])


def test_ids_variants_and_attributes_that_are_codes_are_found(tmp_path: Path) -> None:
    items = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "item_id": ["p1", "p2", "---"],
            "variants": [["p1-red"], None, []],
            "attributes": [["ean=0-111", "size=7"], ["ean=0222", "size=8"], ["ean=0333", "size=9"]],
        },
        schema_overrides={"attributes": pl.List(pl.String), "variants": pl.List(pl.String)},
    )
    write_codes(tmp_path, items)
    codes = read_codes(tmp_path)
    assert codes.whole("P1").tolist() == [1]
    assert codes.whole("p1 RED").tolist() == [1]
    assert codes.whole("0111").tolist() == [1]
    assert codes.written("0-111").tolist() == [1]
    assert codes.written("0111").tolist() == []
    assert codes.beginning_with("0", 10).tolist() == [1, 2, 3]
    assert codes.beginning_with("0", 2).tolist() == []
    assert codes.whole("7").tolist() == codes.whole("---").tolist() == codes.whole("").tolist() == []


def test_one_code_may_be_of_several_items_and_be_written_in_several_ways() -> None:
    table = CodeTable.of([(2, "AB-1"), (1, "ab1"), (3, "AB-1"), (3, "ab 1"), (4, "AB-10")])
    assert table.whole("ab.1").tolist() == [1, 2, 3]
    assert table.written("ab-1").tolist() == [2, 3]
    assert table.beginning_with("AB1", 9).tolist() == [1, 2, 3, 4]
    assert table.offsets.dtype == np.int64


def test_what_is_too_long_is_no_code() -> None:
    assert bare_code("x" * 64) != ""
    assert bare_code("x" * 65) == ""
    assert not len(CodeTable.of([(1, "x" * 65)]).texts)
