"""Which columns are codes, by name and by content."""

import pytest

from app.artifact.text.code_columns import are_codes, is_code_name


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
