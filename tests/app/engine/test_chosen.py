"""What was chosen after a query and after those that read much like it, and how much each tells."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from app.artifact import names
from app.artifact.text.chosen_index import (
    BAGS,
    COUNTS,
    OFFSETS,
    QUERIES,
    ROWS,
    SHORTER_QUERIES,
    ChosenIndex,
    check_chosen,
    key_of,
    read_chosen,
)
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.chosen import NEAR_PEOPLE, ChosenItems, chosen_after
from app.errors import BundleCorrupt
from offline.export.chosen import make_chosen_index

ROWS_OF_ALL = np.arange(1, 10)


def index_of(**people: dict[int, int]) -> ChosenIndex:
    """Of queries (their words joined by `_`): how many people chose each row."""
    events = [
        (f"{row} {place}", query.replace("_", " "), row)
        for query, counts in people.items()
        for row, count in counts.items()
        for place in range(count)
    ]
    schema = {"user": pl.String, "typed": pl.String, "item": pl.UInt32}
    table = pl.DataFrame(events, schema=schema, orient="row").with_columns(time=pl.lit(None, pl.Float64))
    return make_chosen_index(table, Vocabulary.empty())


def people_of(chosen: ChosenItems) -> dict[int, float]:
    return {row: round(float(count), 3) for row, count in zip(chosen.rows, chosen.people, strict=True)}


def found_of(chosen: ChosenItems) -> list[int]:
    return chosen.rows[chosen.is_found].tolist()


def test_the_very_query_counts_people_however_it_is_typed() -> None:
    index = index_of(trail_shoe={3: 5, 2: 2}, red_shoe={4: 9})
    for typed in ("trail shoe", " Trail  SHOE ", "tr\u00e1il shoes"):
        chosen = chosen_after(index, typed)
        assert people_of(chosen) == {2: 2, 3: 5}
        assert found_of(chosen) == [3]
    evidence = chosen_after(index, "trail shoe").evidence_of(ROWS_OF_ALL)
    assert evidence.tolist() == pytest.approx([0, np.log(3), np.log(6), 0, 0, 0, 0, 0, 0])


def test_near_queries_say_where_to_look_and_find_nothing() -> None:
    index = index_of(trail_shoe={3: 8, 2: 4})
    for near in ("shoe trail", "trail", "blue trail shoe", "shoe blue trails"):
        chosen = chosen_after(index, near)
        assert people_of(chosen) == {2: round(NEAR_PEOPLE / 3, 3), 3: round(NEAR_PEOPLE * 2 / 3, 3)}, near
        assert found_of(chosen) == []
    for far in ("trail running blue", "shoelace", "", "\u2026"):
        assert people_of(chosen_after(index, far)) == {}, far
        assert chosen_after(index, far).evidence_of(ROWS_OF_ALL).tolist() == [0] * 9


def test_the_very_query_outweighs_all_that_are_near() -> None:
    index = index_of(chocolate_milk={1: 6}, milk_chocolate={2: 90}, milk={3: 90}, dark_milk_chocolate={4: 90})
    chosen = chosen_after(index, "chocolate milk")
    assert chosen.rows[np.argmax(chosen.people)] == 1
    assert people_of(chosen)[1] == 6
    assert sum(people_of(chosen).values()) == pytest.approx(6 + NEAR_PEOPLE, abs=0.01)
    assert found_of(chosen) == [1]
    by_likeness = people_of(chosen)
    assert by_likeness[2] > by_likeness[4] > by_likeness[3]  # its words, one more, one less


def test_what_few_of_many_chose_is_not_found() -> None:
    chosen = chosen_after(index_of(phone={1: 200, 2: 3, 3: 5}), "phone")
    assert found_of(chosen) == [1, 3]
    assert found_of(chosen_after(index_of(phone={1: 2, 2: 3}), "phone")) == [2]


def test_signs_tell_queries_apart() -> None:
    index = index_of(**{"c++": {1: 4}, "c#": {2: 4}})
    assert people_of(chosen_after(index, "C++")) == {1: 4}
    assert people_of(chosen_after(index, "c#")) == {2: 4}
    assert key_of("c++").bag != key_of("c#").bag


def test_an_index_is_read_as_it_was_written(tmp_path: Path) -> None:
    index = index_of(trail_shoe={3: 5, 2: 2}, red_shoe={4: 9})
    index.write(tmp_path)
    again = read_chosen(tmp_path)
    check_chosen(tmp_path, again, 9)
    assert people_of(chosen_after(again, "shoe trail red")) == people_of(chosen_after(index, "shoe trail red")) != {}
    index_of().write(tmp_path)
    check_chosen(tmp_path, read_chosen(tmp_path), 9)
    assert people_of(chosen_after(read_chosen(tmp_path), "shoe")) == {}


@pytest.mark.parametrize(
    ("name", "damaged"),
    [
        (ROWS, np.array([4, 3, 2], dtype=np.int32)),
        (ROWS, np.array([4, 2, 10], dtype=np.int32)),
        (COUNTS, np.array([1, np.nan, 1], dtype=np.float32)),
        (OFFSETS, np.array([0, 2, 4], dtype=np.int64)),
        (BAGS, np.array([2, 1], dtype=np.uint64)),
        (SHORTER_QUERIES, np.array([0, 0, 1, 2], dtype=np.int32)),
        (f"{QUERIES}.text.npy", np.frombuffer(b"trail shoered shoe", dtype=np.uint8)),
    ],
)
def test_an_index_that_contradicts_itself_is_refused(tmp_path: Path, name: str, damaged: np.ndarray) -> None:
    index_of(trail_shoe={3: 5, 2: 2}, red_shoe={4: 9}).write(tmp_path)
    np.save(tmp_path / names.CHOSEN / name, damaged)
    with pytest.raises(BundleCorrupt, match="export"):
        check_chosen(tmp_path, read_chosen(tmp_path), 9)
