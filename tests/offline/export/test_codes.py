"""Codes of a catalogue, and how they are looked up."""

from pathlib import Path

import numpy as np
import polars as pl

from app.artifact.text.codes import CodeTable, bare_code, read_codes
from offline.export.codes import write_codes


def test_ids_variants_and_attributes_that_are_codes_are_found(tmp_path: Path) -> None:
    items = pl.DataFrame(
        {
            "row": [1, 2, 3],
            "item_id": ["p1", "p2", "---"],
            "variants": [["p1-red"], None, []],
            "codes": [["old 9"], [], None],
            "attributes": [["ean=0-111", "size=7"], ["ean=0222", "size=8"], ["ean=0333", "size=9"]],
        },
        schema_overrides={
            "attributes": pl.List(pl.String),
            "variants": pl.List(pl.String),
            "codes": pl.List(pl.String),
        },
    )
    write_codes(tmp_path, items)
    codes = read_codes(tmp_path)
    assert codes.whole("P1").tolist() == [1]
    assert codes.whole("p1 RED").tolist() == [1]
    assert codes.whole("0111").tolist() == [1]
    assert codes.whole("OLD-9").tolist() == [1]
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
