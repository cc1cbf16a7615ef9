"""The files of a bundle against each other: shapes by the manifest, rows within the catalogue, numbers that are some.

Whatever passes can be read by any request: what a check here leaves out is an `IndexError` in the middle of an answer.
"""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_numbers, check_offsets, check_range, check_texts, require
from app.artifact.behaviours import BEHAVIOUR_NAMES
from app.artifact.columns import TextColumn
from app.artifact.filter_columns import ADDED, FALSE_TEXT, TRUE_TEXT, FilterColumn
from app.artifact.manifest import Shapes
from app.artifact.rank_tables import RankTables
from app.artifact.text.codes import CodeTable
from app.artifact.text.suggest_index import KINDS, SuggestIndex
from app.artifact.text.titles import PLACES, TitleTable
from app.artifact.text.vocabulary import LEXICON, LONGEST, Vocabulary
from app.artifact.variants import Variants
from app.engine.catalogue import Catalogue, Items
from app.engine.placer import Placer
from app.engine.requests import RequestBatch
from app.engine.text.lexical_field import LexicalField
from app.engine.text.lexical_index import LexicalIndex
from app.engine.text.text_query import TextQuery
from app.errors import BundleCorrupt

_ATTRIBUTES: Final = "attributes"
_SHORT: Final = 7  # bytes of a text that fits into a number of 64 bits beside its length
_MOST_NESTED: Final = 250  # bytes of a document that can be written again, however deep it is nested


def check_shapes(path: Path, shapes: Shapes) -> None:
    """Check the dimensions of a manifest.

    Raises:
        BundleCorrupt: they contradict each other.
    """
    least = min(shapes.items, shapes.dim, shapes.window)
    require(least > 0 and shapes.users >= 0, path, "items, dim and window of at least 1", shapes)
    require(0 <= shapes.absent < shapes.items, path, "items that may be answered", shapes)
    require(shapes.rows > shapes.items, path, f"more rows than the {shapes.items} items", shapes.rows)


def check_tables(folder: Path, tables: RankTables, shapes: Shapes) -> None:
    """Check the columns that features read.

    Raises:
        BundleCorrupt: one does not fit.
    """
    rows, dim = shapes.rows, shapes.dim
    check_array(folder / names.ITEM_VECTORS, tables.vectors, np.int8, rows, dim)
    check_array(folder / names.ITEM_CONTENT, tables.content, np.int8, rows, None)
    for name, values, width in (
        (names.ITEM_SCALES, tables.scales, ()),
        (names.ITEM_SCORE_SCALES, tables.score_scales, ()),
        (names.ITEM_CONTENT_SCALES, tables.content_scales, ()),
        (names.ITEM_COUNTS, tables.counts, (3,)),
        (names.ITEM_POPULARITY, tables.popularity, ()),
    ):
        check_array(folder / name, values, np.float32, rows, *width)
        check_numbers(folder / name, values)
    path = folder / names.ITEM_ABSENT
    check_array(path, tables.absent, np.int32, shapes.absent)
    check_range(path, tables.absent, 1, shapes.items, "rows of items")
    require(bool((np.diff(tables.absent) > 0).all()), path, "ascending rows", "others")
    check_array(folder / names.ITEM_NEIGHBOURS, tables.neighbours, np.int32, rows, None)
    check_range(folder / names.ITEM_NEIGHBOURS, tables.neighbours, 0, shapes.items, "rows of items")
    path = folder / names.ITEM_NEIGHBOUR_WEIGHTS
    check_array(path, tables.neighbour_weights, np.float16, rows, tables.neighbours.shape[1])
    check_numbers(path, tables.neighbour_weights)
    check_array(folder / names.ITEM_CODES, tables.codes, np.int32, rows, 2)
    check_range(folder / names.ITEM_CODES, tables.codes, 0, np.iinfo(np.int32).max, "codes")
    check_array(folder / names.ITEM_LOG_PRICE, tables.log_price, np.float32, rows)
    check_numbers(folder / names.ITEM_LOG_PRICE, tables.log_price, negative=True, nan=True)


def check_placer(folder: Path, placer: Placer, tables: RankTables) -> None:
    """Check that new items are placed among the others.

    Raises:
        BundleCorrupt: they have vectors of another length.
    """
    expected = (tables.vectors.shape[1], tables.content.shape[1])
    got = (placer.dim, placer.content_dim)
    require(got == expected, folder / names.PLACE_GRAPH, f"vectors and contents of {expected} numbers", got)


def check_items(folder: Path, items: Items, shapes: Shapes) -> None:
    """Check that every item has an id of its own.

    Raises:
        BundleCorrupt: one has none, or another one's.
    """
    distinct = items.distinct_ids()
    require(distinct == shapes.items, folder / names.ITEM_IDS, f"{shapes.items} different ids", distinct)


def check_variants(folder: Path, variants: Variants, shapes: Shapes) -> None:
    """Check that ids of variants mean items.

    Raises:
        BundleCorrupt: one means none, or stands twice.
    """
    below = folder / names.VARIANTS
    check_texts(below / "ids", variants.ids)
    ids = variants.ids.all()
    check_array(below / "rows.npy", variants.rows, np.int32, len(ids))
    check_range(below / "rows.npy", variants.rows, 1, shapes.items, "rows of items")
    distinct = len(set(ids) - {""})
    require(distinct == len(ids), below / "ids", f"{len(ids)} different ids", distinct)


def check_warmup(folder: Path, batch: RequestBatch, shapes: Shapes) -> None:
    """Check the requests that the golden answers are of.

    Raises:
        BundleCorrupt: an array does not fit the others, or names rows that there are not.
    """
    below, requests = folder / names.WARMUP, len(batch.now)
    check_array(below / "now.npy", batch.now, np.float64, requests)
    window = (requests, shapes.window)
    check_array(below / "event_rows.npy", batch.event_rows, np.int32, *window)
    check_range(below / "event_rows.npy", batch.event_rows, 0, shapes.items, "rows of items")
    check_array(below / "event_types.npy", batch.event_types, np.uint8, *window)
    check_range(below / "event_types.npy", batch.event_types, 0, max(BEHAVIOUR_NAMES), "codes")
    check_array(below / "event_times.npy", batch.event_times, np.float64, *window)
    check_array(below / "long_vector.npy", batch.long_vector, np.float32, requests, shapes.dim)
    check_array(below / "long_weight.npy", batch.long_weight, np.float32, requests)
    check_array(below / "exclude_rows.npy", batch.exclude_rows, np.int64, requests, None)
    check_range(below / "exclude_rows.npy", batch.exclude_rows, 0, shapes.items, "rows of items")


def check_catalogue(folder: Path, catalogue: Catalogue, shapes: Shapes) -> None:
    """Check the columns of the catalogue.

    Raises:
        BundleCorrupt: one has another length, texts that are none, or documents that are no JSON.
    """
    below = folder / names.CATALOGUE
    for name, numbers in catalogue.numbers.items():
        check_array(below / f"{name}.npy", np.asarray(numbers), np.float64, shapes.items + 1)
    for name, column in (catalogue.texts | catalogue.documents).items():
        check_texts(below / name, column, shapes.items + 1)
    for name, column in catalogue.documents.items():
        _check_documents(below / name, column, are_attributes=name == _ATTRIBUTES)
    for number, column in enumerate(catalogue.display.values()):
        stem = folder / names.DISPLAY / str(number)
        check_texts(stem, column, shapes.items + 1)
        _check_documents(stem, column, are_attributes=False)


def _check_documents(stem: Path, column: TextColumn, *, are_attributes: bool) -> None:
    for text in _distinct(column) - {b""}:
        try:
            document = orjson.loads(text)
            if len(text) > _MOST_NESTED:
                orjson.dumps(document)
        except (orjson.JSONDecodeError, orjson.JSONEncodeError) as error:
            raise BundleCorrupt(f"{stem}: expected JSON, got {text[:40]!r} ({error}): export it again") from error
        if are_attributes and not (type(document) is list and set(map(type, document)) <= {str}):
            require(False, stem, "lists of texts", text[:40])


def _distinct(column: TextColumn) -> set[bytes]:
    """The different texts of a column; short ones, such as `true`, are compared as numbers."""
    starts, lengths = column.offsets[:-1], np.diff(column.offsets)
    if not len(column.values) or lengths.max(initial=0) > _SHORT:
        values, offsets = column.values.tobytes(), column.offsets.tolist()
        return {values[start:end] for start, end in pairwise(offsets)}
    padded = np.zeros((len(starts), 8), dtype=np.uint8)
    padded[:, _SHORT] = lengths
    for place in range(int(lengths.max())):
        there = lengths > place
        padded[there, place] = column.values[starts[there] + place]
    first = np.unique(padded.view(np.uint64)[:, 0], return_index=True)[1]
    return {column.values[starts[row] : starts[row] + lengths[row]].tobytes() for row in first.tolist()}


def check_filters(folder: Path, columns: list[FilterColumn], catalogue: Catalogue, shapes: Shapes) -> None:
    """Check the columns that filters, facets and orders read.

    Raises:
        BundleCorrupt: one does not fit its entry, or the catalogue.
    """
    below = folder / names.FILTERS
    entries_path = below / "columns.json"
    entries = [column.entry for column in columns]
    named = {(entry.name, entry.attribute) for entry in entries}
    require(len(named) == len(entries), entries_path, "columns of different names", "one name twice")
    for column, entry in zip(columns, entries, strict=True):
        if entry.kind == "number":
            require(entry.values == 0, entries_path, f"no values beside the numbers of {entry.name!r}", entry.values)
        if entry.kind == "boolean":
            texts = [_text(column, code) for code in range(min(entry.values, 3))]
            require(texts == [FALSE_TEXT, TRUE_TEXT], entries_path, f"false and true in {entry.name!r}", texts)
        if entry.by_reference:
            fits = entry.kind == "text" and entry.name in catalogue.texts
            require(fits, entries_path, f"a text column of the catalogue for {entry.name!r}", entry.kind)
        if not entry.attribute and entry.name in {"price", ADDED}:
            require(entry.kind == "number", entries_path, f"numbers in {entry.name!r}", entry.kind)
    _check_filter_arrays(below, columns, shapes)


def _text(column: FilterColumn, code: int) -> str | None:
    return None if column.texts is None else column.texts[column.first_text + code]


def _check_filter_arrays(below: Path, columns: list[FilterColumn], shapes: Shapes) -> None:
    """All columns at once, since there may be tens of thousands of them."""
    rows = _joined(below / "rows.npy", [column.rows for column in columns], np.int32)
    check_range(below / "rows.npy", rows, 1, shapes.items, "rows of items")
    numbers = _joined(below / "numbers.npy", [c.numbers for c in columns if c.numbers is not None], np.float64)
    offsets = _joined(below / "offsets.npy", [c.offsets for c in columns if c.offsets is not None], np.int64)
    check_numbers(below / "numbers.npy", numbers, negative=True)
    lengths = [column.entry.pairs for column in columns if column.numbers is not None]
    falls = np.flatnonzero(numbers[1:] < numbers[:-1]) + 1
    require(bool(np.isin(falls, np.cumsum(lengths)).all()), below / "numbers.npy", "ascending numbers", "others")
    others = [column.entry for column in columns if column.offsets is not None]
    ends = np.cumsum([entry.values + 1 for entry in others], dtype=np.int64)
    starts = ends - [entry.values + 1 for entry in others] if others else ends
    fits = bool((offsets[starts] == 0).all() and (offsets[ends - 1] == [entry.pairs for entry in others]).all())
    falls = np.flatnonzero(offsets[1:] < offsets[:-1]) + 1
    require(
        fits and bool(np.isin(falls, starts).all()), below / "offsets.npy", "ascending offsets to all pairs", "others"
    )
    for entry, start, end in zip(others, starts.tolist(), ends.tolist(), strict=True):
        if entry.by_reference and (np.diff(offsets[start:end]) == 0).any():
            require(False, below / "offsets.npy", f"an item with each value of {entry.name!r}", "a value without")


def _joined(path: Path, parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    """The parts of an array that columns hold, as one again."""
    for part in parts[:1]:
        check_array(path, np.asarray(part), dtype, None)
    return np.concatenate([np.zeros(0, dtype), *parts])


def check_text_query(folder: Path, text_query: TextQuery, shapes: Shapes) -> None:
    """Check the vectors of n-grams.

    Raises:
        BundleCorrupt: they do not fit the items'.
    """
    buckets = len(text_query.vectors)
    check_array(folder / names.TEXT_VECTORS, text_query.vectors, np.int8, None, shapes.dim)
    require(buckets > 0, folder / names.TEXT_VECTORS, "a vector at least", "none")
    for name, values in ((names.TEXT_SCALES, text_query.scales), (names.TEXT_IDF, text_query.idf)):
        check_array(folder / name, values, np.float32, buckets)
        check_numbers(folder / name, values)


def check_lexical(folder: Path, lexical: LexicalIndex, shapes: Shapes) -> None:
    """Check the index of words.

    Raises:
        BundleCorrupt: it names other items or terms than there are.
    """
    for name, field in zip(names.LEXICAL_FIELDS, (lexical.main, lexical.title, lexical.attributes), strict=True):
        _check_lexical_field(folder / names.LEXICAL / name, field, shapes)
    if lexical.titles is not None:
        _check_titles(folder / names.LEXICAL / names.LEXICAL_TITLES, lexical.titles.table, shapes)


def _check_titles(below: Path, titles: TitleTable, shapes: Shapes) -> None:
    check_array(below / "terms.npy", titles.terms, np.int32, None)
    check_array(below / "places.npy", titles.places, np.uint8, len(titles.terms))
    check_range(below / "places.npy", titles.places, 0, PLACES, "places")
    check_array(below / "offsets.npy", titles.offsets, np.int64, shapes.items + 2)
    check_offsets(below / "offsets.npy", titles.offsets, len(titles.terms))
    check_array(below / "hashes.npy", titles.hashes, np.uint64, None)
    require(bool((titles.hashes[1:] >= titles.hashes[:-1]).all()), below / "hashes.npy", "ascending hashes", "others")
    check_array(below / "hash_rows.npy", titles.hash_rows, np.int32, len(titles.hashes))
    check_range(below / "hash_rows.npy", titles.hash_rows, 1, shapes.items, "rows of items")


def check_codes(folder: Path, codes: CodeTable, shapes: Shapes) -> None:
    """Check the codes by which items are found.

    Raises:
        BundleCorrupt: they are no texts, or name other items than there are.
    """
    below = folder / names.CODES
    check_texts(below / "texts", codes.texts.column)
    check_array(below / "rows.npy", codes.rows, np.int32, None)
    check_range(below / "rows.npy", codes.rows, 1, shapes.items, "rows of items")
    check_array(below / "offsets.npy", codes.offsets, np.int64, len(codes.texts) + 1)
    check_offsets(below / "offsets.npy", codes.offsets, len(codes.rows))


def _check_lexical_field(below: Path, field: LexicalField, shapes: Shapes) -> None:
    if field.index is None:
        return
    scores, index = field.index.scores, field.index
    parameters = (str(index.dtype), str(index.int_dtype), index.method, scores["num_docs"])
    expected = ("float32", "int32", "lucene", shapes.items)
    require(
        parameters == expected,
        below / "params.index.json",
        f"dtype, int_dtype, method, num_docs {expected}",
        parameters,
    )
    data, indices, indptr = (np.asarray(scores[name]) for name in ("data", "indices", "indptr"))
    check_array(below / "data.csc.index.npy", data, np.float32, None)
    check_numbers(below / "data.csc.index.npy", data)
    check_array(below / "indices.csc.index.npy", indices, np.int32, len(data))
    check_range(below / "indices.csc.index.npy", indices, 0, shapes.items - 1, "items")
    check_array(below / "indptr.csc.index.npy", indptr, np.int64, None)
    check_offsets(below / "indptr.csc.index.npy", indptr, len(data))
    terms = index.vocab_dict
    numbers = [number for term, number in terms.items() if term]  # bm25s numbers the empty term, which no text has
    are_whole = type(terms) is dict and all(type(number) is int for number in numbers)
    require(are_whole, below / "vocab.index.json", "terms with their numbers", "others")
    check_range(below / "vocab.index.json", np.array(numbers), 0, len(indptr) - 2, "numbers of terms")


def check_vocabulary(folder: Path, vocabulary: Vocabulary) -> None:
    """Check the words of the catalogue.

    Raises:
        BundleCorrupt: they are no texts, or their lengths and parts do not fit.
    """
    below = folder / names.VOCABULARY
    check_texts(below / "words", vocabulary.words.column)
    check_texts(below / "terms", vocabulary.terms.column)
    for name, column in vocabulary.lexicon.columns().items():
        if (below / LEXICON).exists():
            check_texts(below / LEXICON / name, column)
    most = np.iinfo(np.int32).max
    for name in ("documents", "named", "searched"):
        check_range(below / f"{name}.npy", getattr(vocabulary, name), 0, most, "counts")
    check_range(below / "lengths.npy", vocabulary.lengths, 0, LONGEST, "letters")
    if len(vocabulary.compounds):
        words, letters = vocabulary.compounds.T
        check_range(below / "compounds.npy", words, 0, len(vocabulary.words) - 1, "words")
        check_range(below / "compounds.npy", letters, 1, LONGEST, "letters of the first part")


def check_suggestions(folder: Path, index: SuggestIndex, shapes: Shapes) -> None:
    """Check what a search box completes to.

    Raises:
        BundleCorrupt: an entry or a beginning is none.
    """
    below = folder / names.SUGGEST
    count = len(index.kinds)
    check_texts(below / "texts", index.texts, count)
    check_texts(below / "keys", index.keys, count)
    check_range(below / "kinds.npy", index.kinds, 0, len(KINDS) - 1, "kinds")
    check_range(below / "rows.npy", index.rows, 0, shapes.items, "rows of items")
    check_numbers(below / "weights.npy", index.weights, negative=True)
    check_numbers(below / "scores.npy", index.scores, negative=True)
    check_range(below / "entries.npy", index.entries, 0, count - 1, "entries")
    offsets = np.asarray(index.keys.offsets)
    inside = (index.positions >= offsets[index.entries]) & (index.positions < offsets[index.entries + 1])
    require(bool(inside.all()), below / "positions.npy", "beginnings inside the key of their entry", "others")
