"""What a bundle says was chosen after a query: people, once each, the less the longer ago, and nothing of one alone."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.text.chosen_index import ChosenIndex, key_of, read_chosen
from app.artifact.text.vocabulary import Vocabulary, read_vocabulary
from offline.export.chosen import HALF_LIFE_S, MOST_ITEMS, make_chosen_index, write_chosen
from offline.export.vocabulary import write_vocabulary

NOW = 1_700_000_000.0
NOTHING = np.zeros(0, dtype=np.int32)


def index_of(*events: tuple[int, str, int, float | None], vocabulary: Vocabulary | None = None) -> ChosenIndex:
    """Of events: user, query, item, time."""
    schema = {"user": pl.UInt32, "typed": pl.String, "item": pl.UInt32, "time": pl.Float64}
    return make_chosen_index(pl.DataFrame(events, schema=schema, orient="row"), vocabulary or Vocabulary.empty())


def people_after(index: ChosenIndex, query: str) -> dict[int, float]:
    place = index.queries.find(key_of(query).text)
    return {} if place < 0 else dict(zip(*(part.tolist() for part in index.items_of(place)), strict=True))


def test_people_count_once_and_the_less_the_longer_ago() -> None:
    index = index_of(
        (1, "lamp", 5, NOW),
        (1, "Lamp", 5, NOW - HALF_LIFE_S),
        (2, "lamp", 5, NOW - HALF_LIFE_S),
        (2, "lamp", 6, NOW - 2 * HALF_LIFE_S),
        (3, "lamp", 7, None),
    )
    assert people_after(index, "lamp") == {5: 1.5, 6: 0.25, 7: 0.25}
    assert people_after(index_of((1, "lamp", 5, None), (2, "lamp", 5, None)), "lamp") == {5: 2.0}


def test_what_one_person_typed_stays_with_them() -> None:
    index = index_of(*[(1, "my secret", 5, NOW)] * 9, (2, "my", 5, NOW), (3, "my", 5, NOW))
    assert index.queries.column.all() == ["my"]
    assert len(index.bags) == 1


def test_what_is_left_out_was_not_looked_for_and_a_phrase_was() -> None:
    both = [(user, query, 5, NOW) for user in (1, 2) for query in ("mouse -wireless", '"gaming chair"', "...")]
    assert index_of(*both).queries.column.all() == [key_of("gaming chair").text]


def test_typos_count_for_what_was_meant(tmp_path: Path) -> None:
    items = pl.DataFrame(
        {
            "row": range(1, 31),
            "title": ["headphones"] * 30,
            **dict.fromkeys(("brand", "category", "text"), pl.Series([None] * 30, dtype=pl.String)),
            "attributes": pl.Series([None] * 30, dtype=pl.List(pl.Struct({"name": pl.String, "value": pl.String}))),
        }
    )
    write_vocabulary(tmp_path, items, [])
    index = index_of(
        *[(user, text, 5, NOW) for user in (1, 2) for text in ("headphones", "headphnoes")],
        (3, "headphnoes", 6, NOW),
        vocabulary=read_vocabulary(tmp_path),
    )
    assert index.queries.column.all() == [key_of("headphones").text]
    assert people_after(index, "headphones") == {5: 2.0, 6: 1.0}


def test_a_query_keeps_the_items_of_most_people() -> None:
    events = [(user, "gift", item, NOW) for item in range(1, MOST_ITEMS + 40) for user in range(1 + item % 3)]
    kept = people_after(index_of(*events), "gift")
    assert len(kept) == MOST_ITEMS
    assert min(kept.values()) == 2.0


def test_only_the_parts_that_are_given_and_items_of_the_catalogue_count(
    write_split: Callable[..., Path], tmp_path: Path
) -> None:
    split = write_split(
        tmp_path / "split",
        train=[(0, 1, 1, NOW, "lamp"), (1, 1, 1, NOW, "lamp"), (2, 1, 1, NOW, "kept new"), (3, 1, 1, NOW, "kept new")],
        valid=[(0, 2, 1, NOW, "lamp"), (2, 3, 1, NOW, "vase"), (3, 3, 1, NOW, "vase")],
        context=[(1, 4, 1, NOW, "lamp")],
        test=[(1, 5, 1, NOW, "lamp")],
        new_queries=["kept new"],
    )

    def written(parts: Sequence[str], absent: NDArray[np.int32] = NOTHING) -> dict[str, dict[int, float]]:
        write_chosen(tmp_path, split, parts, Vocabulary.empty(), absent)
        index = read_chosen(tmp_path)
        return {query: people_after(index, query) for query in index.queries.column.all()}

    assert written(["train"]) == {"lamp": {1: 2.0}}
    both = {"kept new": {1: 2.0}, "lamp": {1: 2.0, 2: 1.0}, "vase": {3: 2.0}}
    assert written(["train", "valid"]) == both
    assert written(["train", "valid"], np.array([3], dtype=np.int32)) == {
        key: both[key] for key in ("kept new", "lamp")
    }
