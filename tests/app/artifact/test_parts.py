"""Which parts of a bundle are used: by the numbers in its manifest, and by files where there are no numbers."""

import pytest

from app.artifact.parts import PARTS, numbers_of, usable_parts

ALL = {part.name: part.number for part in PARTS}


def test_each_file_belongs_to_one_part_and_makes_it_present() -> None:
    for part in PARTS:
        for file in part.files:
            assert numbers_of([file]) == {part.name: part.number}
            assert numbers_of([f"{file}/inside.npy"]) == {part.name: part.number}
    assert numbers_of([]) == {}
    assert numbers_of(["items/vectors.npy", "retrieve.onnx", "golden/rows.npy", "users/hashes.npy", "ranker.md"]) == {}


def test_names_and_numbers_are_distinct_and_readable() -> None:
    assert len(ALL) == len(PARTS)
    assert all(list(part.numbers) == sorted(set(part.numbers)) and part.numbers[0] >= 1 for part in PARTS)


def test_all_known_parts_are_used() -> None:
    parts = usable_parts(ALL)
    assert all(name in parts for name in ALL)
    assert parts.off == {}


@pytest.mark.parametrize("name", ALL)
def test_a_missing_part_is_off_and_so_is_one_of_another_number(name: str) -> None:
    missing = usable_parts({other: number for other, number in ALL.items() if other != name})
    assert name not in missing
    assert list(missing.missing) == list(missing.off) == [name]
    newer = usable_parts(ALL | {name: ALL[name] + 1})
    assert name not in newer
    assert list(newer.unreadable) == list(newer.off) == [name]
    assert f"number {ALL[name] + 1} of it, this service reads" in newer.off[name]
    assert "update this service" in newer.off[name]
    assert missing.used == newer.used == set(ALL) - {name}


def test_an_unknown_part_is_passed_over_and_named() -> None:
    parts = usable_parts(ALL | {"smell": 3})
    assert "smell" not in parts
    assert parts.used == set(ALL)
    assert list(parts.off) == ["smell"]
