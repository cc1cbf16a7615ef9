"""What a query means to a text encoder: when words fail, what is found then, and which kinds are told."""

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from app.artifact.columns import TextColumn
from app.artifact.quantise import quantise_rows
from app.artifact.search_spec import MeaningConstants
from app.artifact.text.meaning_arrays import NO_KIND, MeaningArrays, sizes_of_kinds
from app.artifact.text.words import read_words
from app.engine.kernels.words import Column, RowColumns
from app.engine.text.lexical import LexicalMatch
from app.engine.text.meaning_match import MeaningMatch, MeaningReader, match_meaning, share_of_names, special_words
from app.engine.text.meaning_table import MeaningTable

WIDTH = 16
EACH = 6  # items of a kind
KINDS = ("notebooks", "locks", "mugs")
ROWS = 1 + EACH * len(KINDS) + 1  # the last one has no text
CONSTANTS = MeaningConstants(spread=0.5, gap=0.1, like_gap=0.15, least_best=0.4, reach=0.15)
BRANDS = {("acme",): np.array([1], dtype=np.int32), ("big", "apple"): np.array([2], dtype=np.int32)}


def unit(vector: NDArray[np.floating]) -> NDArray[np.float32]:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture(scope="module")
def table() -> MeaningTable:
    rng = np.random.default_rng(3)
    centres = np.eye(WIDTH, dtype=np.float32)[: len(KINDS)]
    centres[1] = unit(centres[1] + 0.6 * centres[0])  # locks are for notebooks
    vectors = np.zeros((ROWS, WIDTH), dtype=np.float32)
    kinds = np.full(ROWS, NO_KIND, dtype=np.int32)
    for row in range(1, ROWS - 1):
        kinds[row] = (row - 1) // EACH
        vectors[row] = unit(centres[kinds[row]] + 0.1 * rng.standard_normal(WIDTH))
    codes, scales = quantise_rows(vectors)
    of_kinds = np.stack([unit(vectors[kinds == kind].mean(axis=0)) for kind in range(len(KINDS))])
    return MeaningTable(
        MeaningArrays(codes, scales, of_kinds, kinds, sizes_of_kinds(kinds, len(KINDS)), TextColumn.of(KINDS))
    )


def rows_of(kind: str) -> list[int]:
    first = 1 + EACH * KINDS.index(kind)
    return list(range(first, first + EACH))


def with_words(*rows: int, of_words: tuple[tuple[int, ...], ...] = ()) -> LexicalMatch:
    hits = np.zeros(ROWS, dtype=np.bool_)
    hits[list(rows)] = True
    columns = np.zeros((int(Column.SAID), len(rows)), dtype=np.float32)
    columns[Column.COVERAGE] = 1.0
    word_rows = tuple(np.array(of_word, dtype=np.int32) for of_word in of_words)
    return LexicalMatch(RowColumns(np.array(sorted(rows), dtype=np.int32), columns), hits, word_rows)


def read(
    table: MeaningTable,
    text: str,
    *rows: int,
    towards: int = 0,
    constants: MeaningConstants = CONSTANTS,
    near: float = 1.0,
    of_words: tuple[tuple[int, ...], ...] = (),
) -> MeaningMatch:
    """The match of a query whose words some rows have, and whose vector points to a kind, or partly elsewhere."""
    vector = near * np.eye(WIDTH, dtype=np.float32)[towards] + (1 - near) * np.eye(WIDTH, dtype=np.float32)[-1]
    allowed = np.ones(ROWS, dtype=np.bool_)
    allowed[0] = False
    lexical = with_words(*rows, of_words=of_words)
    match = match_meaning(table, constants, unit(vector), tuple(read_words(text)), lexical, BRANDS, allowed)
    assert match is not None
    return match


def test_words_of_the_items_that_are_meant_count_in_full(table: MeaningTable) -> None:
    match = read(table, "notebook", *rows_of("notebooks"))
    assert match.words_say == 1.0
    assert match.kinds[0].name == "notebooks"


def test_items_as_near_as_those_with_the_words_are_found_beside_them(table: MeaningTable) -> None:
    by_distance = sorted(rows_of("notebooks"), key=lambda row: -read(table, "notebook").cosines[row])
    match = read(table, "notebook", *by_distance[2:4])
    assert match.words_say == 1.0
    assert match.near.rows.tolist() == by_distance[:4]  # what is further lacks the word and is less near
    without = CONSTANTS.model_copy(update={"reach": None})
    assert not len(read(table, "notebook", *by_distance[2:4], constants=without).near.rows)


def test_items_beside_those_with_the_words_have_the_special_ones(table: MeaningTable) -> None:
    mine, others = rows_of("notebooks")[:2], rows_of("notebooks")[2:]
    brand = (*mine, *rows_of("mugs"))
    match = read(table, "acme notebook", mine[0], of_words=(brand, (mine[0], *others)))
    assert match.weight == 0.5
    assert set(match.near.rows.tolist()) <= set(mine)
    assert not len(read(table, "acme", *brand, of_words=(brand,)).near.rows)  # which names no kind


def test_where_items_with_the_words_are_far_meaning_decides_and_finds_the_kind(table: MeaningTable) -> None:
    match = read(table, "laptop", *rows_of("mugs"))
    assert match.words_say == 0.0
    assert sorted(match.near.rows.tolist()) == rows_of("notebooks")
    assert match.near.cosines.tolist() == sorted(match.near.cosines.tolist(), reverse=True)


def test_where_items_with_the_words_are_little_like_what_is_meant_words_count_less(table: MeaningTable) -> None:
    locks = rows_of("locks")
    of_words = CONSTANTS.model_copy(update={"gap": 1.0})
    match = read(table, "laptop", *locks, constants=of_words)
    assert 0.0 < match.words_say < 0.5
    assert match.weight > 1.0
    assert set(rows_of("notebooks")) <= set(match.near.rows.tolist())
    assert not set(locks) & set(match.near.rows.tolist())


def test_a_query_that_no_item_has_a_word_of_finds_what_it_means(table: MeaningTable) -> None:
    match = read(table, "laptop")
    assert sorted(match.near.rows.tolist()) == rows_of("notebooks")


def test_a_query_that_is_far_from_everything_means_nothing(table: MeaningTable) -> None:
    match = read(table, "qzxv", near=0.2)
    assert match.best < CONSTANTS.least_best
    assert not len(match.near.rows)
    assert match.kinds == ()


def test_what_is_above_the_floor_is_found_whatever_words_say(table: MeaningTable) -> None:
    floor = CONSTANTS.model_copy(update={"floor": 0.8})
    match = read(table, "notebook", *rows_of("notebooks"), constants=floor)
    assert sorted(match.near.rows.tolist()) == [row for row in range(ROWS) if match.cosines[row] >= 0.8]


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("laptop", 1.0),
        ("acme", 0.0),
        ("big apple", 0.0),
        ("acme laptop", 0.5),
        ("big apple laptop bag", 0.5),
        ("tn2110", 0.0),
        ("rtx 2060", 0.5),
        ("", 0.0),
    ],
)
def test_codes_numbers_and_brands_name_no_kind(text: str, share: float) -> None:
    words = tuple(read_words(text))
    assert share_of_names(words, special_words(words, BRANDS)) == share


def test_meaning_bears_on_nothing_where_all_words_are_special(table: MeaningTable) -> None:
    match = read(table, "acme", *rows_of("mugs"))
    rows = np.arange(1, ROWS)
    assert (match.weight, match.words_say, match.kinds) == (0.0, 1.0, ())
    assert not match.features(table, CONSTANTS, rows).any()


def test_features_fall_with_the_distance_from_what_is_meant(table: MeaningTable) -> None:
    match = read(table, "notebook", *rows_of("notebooks"))
    rows = np.arange(1, ROWS - 1)
    meaning, like_best, kind = match.features(table, CONSTANTS, rows)
    assert meaning.max() == 0.0  # of the nearest one
    for feature in (meaning, like_best, kind):
        of_kind = [float(feature[(np.array(rows_of(name)) - 1)].mean()) for name in KINDS]
        assert of_kind[0] > of_kind[1] > of_kind[2]
    np.testing.assert_allclose(meaning, (match.cosines[rows] - match.best) / CONSTANTS.spread, rtol=1e-6)
    single = np.concatenate(
        [match.features(table, CONSTANTS, rows[index : index + 1]) for index in range(len(rows))], axis=1
    )
    np.testing.assert_array_equal(single, [meaning, like_best, kind])  # the same alone


ALIKE = CONSTANTS.model_copy(update={"alike": 0.1, "alike_best": 0.1})


def test_items_as_near_as_right_ones_are_told_apart_by_words_alone(table: MeaningTable) -> None:
    match = read(table, "notebook", *rows_of("notebooks"), constants=ALIKE)
    rows = np.arange(1, ROWS - 1)
    features, plain = match.features(table, ALIKE, rows), match.features(table, CONSTANTS, rows)
    near = np.array(rows_of("notebooks")) - 1
    assert plain[:2, near].any()
    assert not features[:, near].any()
    others = np.array([*rows_of("locks"), *rows_of("mugs")]) - 1
    np.testing.assert_allclose(features[0, others] - plain[0, others], ALIKE.alike / ALIKE.spread, rtol=1e-4)
    assert (features[:, others] < 0).all()


def test_the_less_words_say_the_less_of_a_distance_is_left_to_them(table: MeaningTable) -> None:
    match = read(table, "laptop", *rows_of("mugs"), constants=ALIKE)
    rows = np.arange(1, ROWS - 1)
    assert match.words_say == 0.0
    np.testing.assert_array_equal(match.features(table, ALIKE, rows), match.features(table, CONSTANTS, rows))


def test_words_count_in_full_for_what_is_meant_and_little_for_what_only_has_them(table: MeaningTable) -> None:
    match = read(table, "laptop", *rows_of("locks"), constants=ALIKE.model_copy(update={"gap": 1.0}))
    rows = np.arange(1, ROWS - 1)
    say = match.words_say_of(table, ALIKE, rows)
    assert 0.0 < match.words_say < 0.5
    assert (say[np.array(rows_of("notebooks")) - 1] == 1.0).all()
    for name in ("locks", "mugs"):
        assert (say[np.array(rows_of(name)) - 1] == np.float32(match.words_say)).all()
    assert (match.words_say_of(table, CONSTANTS, rows) == np.float32(match.words_say)).all()  # of an earlier bundle


def test_what_was_typed_is_a_slip_where_it_means_the_same_or_much_less(table: MeaningTable) -> None:
    reader = MeaningReader(None, table, CONSTANTS)  # type: ignore[arg-type] - nothing is encoded
    notebook, lock = read(table, "notebook"), read(table, "lock", towards=1)
    garbled, nothing = read(table, "notbok", near=0.5), read(table, "qzxv", near=0.2)
    assert reader.is_slip(garbled, notebook)
    assert reader.is_slip(nothing, lock)
    assert not reader.is_slip(read(table, "mug", towards=2), notebook)  # another word, which means something
    lower, higher = sorted([read(table, "mug", towards=2), notebook], key=lambda match: match.best)
    assert not reader.is_slip(lower, higher)
    assert reader.is_slip(lower, higher, has_words=False)  # no item has what was typed, and something is nearer
    assert not reader.is_slip(higher, lower, has_words=False)


def test_a_catalogue_without_kinds_is_ordered_by_likeness_alone(table: MeaningTable) -> None:
    arrays = replace(
        table.arrays,
        kind_vectors=np.zeros((0, WIDTH), dtype=np.float32),
        item_kinds=np.full(ROWS, NO_KIND, dtype=np.int32),
        kind_sizes=np.zeros(0, dtype=np.int32),
        kind_names=TextColumn.of([]),
    )
    match = read(MeaningTable(arrays), "laptop", *rows_of("mugs"))
    assert match.kinds == ()
    assert set(rows_of("notebooks")) <= set(match.near.rows.tolist())
    assert not match.features(MeaningTable(arrays), CONSTANTS, np.arange(1, ROWS))[2].any()
