"""A made-up catalogue that changes: items as documents, an index of them as the job writes it, and random changes."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.item_document import ItemDocument
from app.artifact.search_spec import PRIOR, SearchSpec
from app.artifact.text.codes import CodeTable, read_codes
from app.artifact.text.vocabulary import Vocabulary
from app.engine.text.hits import NearItems
from app.engine.text.lexical_index import LexicalIndex, read_lexical
from app.engine.text.query_index import QueryIndex
from app.engine.text.spelling import Spelling
from app.engine.text.suggest import Suggester
from app.engine.text.word_tier import WordTier
from app.engine.text.word_views import WordViews
from offline.export.codes import write_codes
from offline.export.lexical import brands_by_code, write_lexical
from offline.export.suggest import make_suggest_index
from offline.export.vocabulary import write_vocabulary

BRANDS = ("Zorvex", "Quilbo", "Narvoe", "Trimba", "Velkor", "Oxandra Bay")
KINDS = ("zimbel", "quarfle", "dromble", "wexlip", "farndok", "hobnitz", "plimsor")
COLOURS = ("reddish", "bluish", "greenish", "blackish", "whitish")
ENGLISH = "this is what they have for the house and for the garden which everybody would like to see there"
"""What says which language an item is of."""
SYLLABLES = ("ra", "mi", "tol", "ken", "vus", "pol", "dra", "shi", "bek", "nor", "lum", "gat")
ITEMS, CHANGES = 90, 70
QUERIES = (("reddish zimbel", 3), ("zorvex", 2), ("quarfles", 1))
_SCHEMA = {
    "row": pl.UInt32(),
    "item_id": pl.String(),
    "title": pl.String(),
    "brand": pl.String(),
    "category": pl.String(),
    "text": pl.String(),
    "attributes": pl.List(pl.String()),
}


def made_up_word(rng: np.random.Generator) -> str:
    """A word that no dictionary has."""
    return "".join(rng.choice(SYLLABLES, size=int(rng.integers(2, 5))))


def made_up_document(rng: np.random.Generator) -> ItemDocument:
    """An item with words that others have too, some of its own, and a part number."""
    kind, brand = str(rng.choice(KINDS)), str(rng.choice(BRANDS))
    title = f"{brand if rng.random() < 0.5 else ''} {rng.choice(COLOURS)} {kind} {made_up_word(rng)}".strip()
    if rng.random() < 0.3:
        title += f" ZX-{rng.integers(100, 999)}M{rng.integers(1, 9)}"
    text = " ".join(made_up_word(rng) for _ in range(int(rng.integers(0, 12))))
    attributes = [f"colour={rng.choice(COLOURS)}"]
    if rng.random() < 0.5:
        attributes.append(f"part_number=PN{rng.integers(10_000, 99_999)}-{rng.integers(10, 99)}")
    return ItemDocument(
        title=title if rng.random() < 0.97 else None,
        brand=brand if rng.random() < 0.8 else None,
        category=f"{kind.title()}s > {rng.choice(COLOURS).title()} {kind}s" if rng.random() < 0.9 else None,
        description=f"{ENGLISH} {text}",
        attributes=tuple(attributes) if rng.random() < 0.9 else (),
    )


def item_table(documents: Mapping[str, ItemDocument]) -> pl.DataFrame:
    """The documents as the item table of a split, rows in their order from 1."""
    rows = [
        {
            "row": row,
            "item_id": item_id,
            "title": document.title,
            "brand": document.brand,
            "category": document.category,
            "text": document.description,
            "attributes": list(document.attributes) or None,
        }
        for row, (item_id, document) in enumerate(documents.items(), start=1)
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


@dataclass(frozen=True)
class ExportedWords:
    """What the job makes of a catalogue."""

    row_of: dict[str, int]
    table: pl.DataFrame
    vocabulary: Vocabulary
    index: LexicalIndex
    codes: CodeTable
    span: int

    @property
    def selectable(self) -> NDArray[np.bool_]:
        """`[span]`, true for the items."""
        selectable = np.zeros(self.span, dtype=np.bool_)
        selectable[1 : len(self.row_of) + 1] = True
        return selectable


def export_words(
    folder: Path, documents: Mapping[str, ItemDocument], queries: Sequence[tuple[str, int]] = ()
) -> ExportedWords:
    """Write the indexes of words of a catalogue into `folder` as the job does, and read them."""
    table = item_table(documents)
    span = table.height + 5
    vocabulary = write_vocabulary(folder, table, queries)
    write_lexical(folder, table, vocabulary)
    write_codes(folder, table)
    brands = brands_by_code(table["brand"])
    brand_codes = np.zeros(span, dtype=np.int32)
    brand_codes[1 : table.height + 1] = [brands.index(brand) for brand in table["brand"].to_list()]
    codes = read_codes(folder)
    index = read_lexical(folder, span, brand_codes, codes)
    assert index is not None
    return ExportedWords(
        {item_id: row for row, item_id in enumerate(documents, start=1)}, table, vocabulary, index, codes, span
    )


@dataclass
class ChangedCatalogue:
    """A catalogue after random changes: which row each item has in a view, and what changed in which order."""

    documents: dict[str, ItemDocument]  # as they are now
    row_of: dict[str, int]  # of every item that ever was
    changes: list[tuple[int, str, ItemDocument | None]]  # row, id, and the item from then on; None where it is no more


def change(rng: np.random.Generator, before: Mapping[str, ItemDocument], span: int, changes: int) -> ChangedCatalogue:
    """Put, change and delete at random; new items get rows from `span` on."""
    documents = dict(before)
    row_of = {item_id: row for row, item_id in enumerate(before, start=1)}
    made: list[tuple[int, str, ItemDocument | None]] = []
    for number in range(changes):
        what = rng.random()
        item_id = f"NEW{number:04d}" if what < 0.45 or not documents else str(rng.choice(list(row_of)))
        row = row_of.setdefault(item_id, span + len(row_of) - len(before))
        document = None if what > 0.8 else made_up_document(rng)
        documents.pop(item_id, None)
        if document is not None:
            documents[item_id] = document
        made.append((row, item_id, document))
    return ChangedCatalogue(documents, row_of, made)


def nothing_near(vectors: NDArray[np.float32]) -> list[NearItems]:
    """No item is near to any text."""
    return [NearItems.none()] * len(vectors)


def query_index_of(exported: ExportedWords, documents: Mapping[str, ItemDocument]) -> QueryIndex:
    """The query index of a catalogue as a bundle has it, but for meaning."""
    by_row = list(documents.values())
    return QueryIndex(
        lexical=exported.index,
        spelling=Spelling(exported.vocabulary, exported.index.main.rows_of, items=len(documents)),
        text_query=None,
        spec=SearchSpec(weights=PRIOR),
        selectable=exported.selectable,
        dim=4,
        nearest=nothing_near,
        popularity=np.zeros(exported.span, dtype=np.float32),
        texts_of=lambda row: by_row[row - 1].texts(),
    )


def suggester_of(exported: ExportedWords) -> Suggester:
    """The suggester of a catalogue as a bundle has it; nobody likes any item more."""
    index = make_suggest_index(exported.table, np.zeros(exported.span, dtype=np.float32), QUERIES)
    assert index is not None
    return Suggester(index, exported.vocabulary)


class Shop:
    """A catalogue before and after its changes."""

    def __init__(self, folder: Path, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.before = {f"it{number}": made_up_document(rng) for number in range(ITEMS)}
        self.base = export_words(folder / "before", self.before)
        self.after: ChangedCatalogue = change(rng, self.before, self.base.span, CHANGES)
        self.final: ExportedWords = export_words(folder / "after", self.after.documents)
        self.span = max(self.base.span, *(row + 1 for row in self.after.row_of.values()))
        rows = [self.after.row_of[item_id] for item_id in self.after.documents]
        self.selectable = np.zeros(self.span, dtype=np.bool_)
        self.selectable[rows] = True
        self.superseded = np.zeros(self.base.span, dtype=np.bool_)
        self.superseded[[row for row, _, _ in self.after.changes if row < self.base.span]] = True
        self.queries = query_index_of(self.base, self.before)
        documents = list(self.before.values())
        self.views = WordViews(
            self.queries,
            self.base.span,
            ITEMS,
            lambda row: documents[row - 1],
            suggester=suggester_of(self.base),
        )
        self.documents_by_row = {self.after.row_of[item]: of for item, of in self.after.documents.items()}
        self.to_final = np.zeros(self.span, dtype=np.int64)
        self.to_final[rows] = [self.final.row_of[item_id] for item_id in self.after.documents]

    def tiers(self, cuts: Iterable[int]) -> list[WordTier]:
        """The changes in tiers, cut behind so many of them."""
        edges = [0, *sorted(cuts), len(self.after.changes)]
        return [self._tier(range(start, stop)) for start, stop in pairwise(edges)]

    def search(self, tiers: list[WordTier]) -> QueryIndex:
        """The query index of the catalogue after its changes."""
        return self.make(tiers)[0]

    def make(self, tiers: list[WordTier]) -> tuple[QueryIndex, Suggester]:
        """The query index and the suggester of the catalogue after its changes."""
        return self.views.make(
            self.superseded,
            tiers,
            self.selectable,
            np.zeros(self.span, dtype=np.float32),
            nothing_near,
            lambda row: self.documents_by_row[row].texts(),
        )

    def index(self, tiers: list[WordTier]) -> LexicalIndex:
        """The lexical index of the catalogue after its changes."""
        index = self.search(tiers).lexical
        assert index is not None
        return index

    @cached_property
    def final_search(self) -> QueryIndex:
        """The query index that an export of the final catalogue has."""
        return query_index_of(self.final, self.after.documents)

    def final_rows(self, rows: NDArray[np.integer]) -> list[int]:
        """Rows of a view as those of the final catalogue."""
        return sorted(self.to_final[rows].tolist())

    def _tier(self, changes: range) -> WordTier:
        newest: dict[int, tuple[str, ItemDocument]] = {}
        for row, item_id, document in (self.after.changes[number] for number in changes):
            newest.pop(row, None)
            if document is not None:
                newest[row] = item_id, document
        return WordTier.of(list(newest), [self.views.read(row, item_id, of) for row, (item_id, of) in newest.items()])
