"""Query index: reads a text once, as words and as a vector, and keeps the newest matches."""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, partial
from pathlib import Path
from threading import Lock
from typing import Final

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from app.artifact import names
from app.artifact.rank_tables import RankTables
from app.artifact.search_spec import SearchSpec
from app.artifact.text.chosen_index import ChosenIndex
from app.artifact.text.vocabulary import Vocabulary
from app.artifact.text.words import Word
from app.engine.text.chosen import ChosenItems, chosen_after
from app.engine.text.guesses import guesses_at
from app.engine.text.hits import Hits, NearItems, everything, hits_of
from app.engine.text.lexical import LexicalMatch, match
from app.engine.text.lexical_index import LexicalIndex
from app.engine.text.lookups import fast_chosen
from app.engine.text.meaning_match import MeaningMatch, MeaningReader
from app.engine.text.meaning_table import MeaningTable
from app.engine.text.named_items import named_by_beginning, named_by_code
from app.engine.text.operators import OperatorMatch, TextsOf, parse_query
from app.engine.text.spelling import Spelling, as_it_stands
from app.engine.text.synonyms import Synonyms
from app.engine.text.text_encoder import TextEncoder
from app.engine.text.text_match import QueryText, TextMatch
from app.engine.text.text_query import TextQuery
from app.errors import BundleCorrupt

_CACHE_BYTES: Final = 64 * 2**20
_CHOSEN_KEPT: Final = 4_096  # queries of which it is kept what was chosen after them
_COLUMNS: Final = 7  # float32 numbers that a match holds of every row, about

FindNearest = Callable[[NDArray[np.float32]], list[NearItems]]
"""The items nearest to each vector, `[n, dim]`."""


@dataclass(frozen=True)
class QueryIndex:
    """The words, the text vectors and the weights that queries of a bundle are matched with."""

    lexical: LexicalIndex | None
    spelling: Spelling | None
    text_query: TextQuery | None
    spec: SearchSpec
    selectable: NDArray[np.bool_]  # [rows], true for real items
    dim: int
    nearest: FindNearest
    popularity: NDArray[np.float32]  # [rows] real items only, else 0
    texts_of: TextsOf
    chosen_after: Callable[[str], ChosenItems] | None = None  # None where nothing is known of it
    meaning: MeaningReader | None = None  # None where no text encoder reads queries
    _cache: OrderedDict[QueryText, TextMatch] = field(default_factory=OrderedDict, repr=False, init=False)
    _lock: Lock = field(default_factory=Lock, repr=False, init=False)  # of the cache: threads read queries

    def matches(self, queries: Sequence[str | QueryText | None]) -> tuple[TextMatch | None, ...]:
        """The match of each query, None for None. The newest matches are kept in memory."""
        texts = [QueryText(query) if isinstance(query, str) else query for query in queries]
        known: dict[QueryText, TextMatch] = {}
        with self._lock:
            for text in texts:
                if text is not None and text in self._cache:
                    self._cache.move_to_end(text)
                    known[text] = self._cache[text]
        fresh = self._read([text for text in dict.fromkeys(texts) if text is not None and text not in known])
        if fresh:
            with self._lock:
                self._cache.update(fresh)
                while len(self._cache) > max(4, _CACHE_BYTES // (4 * _COLUMNS * len(self.selectable))):
                    self._cache.popitem(last=False)
        known |= fresh
        return tuple(None if text is None else known[text] for text in texts)

    def _read(self, queries: Sequence[QueryText]) -> dict[QueryText, TextMatch]:
        """The match of each query; those that are near in meaning are looked for together, and so is what was typed
        beside what it may be a slip of: the better reading of both is taken."""
        readings = [self._readings(query) for query in queries]
        in_order = [reading for of_query in readings for reading in of_query]
        vectors = self._vectors([reading.meant for reading in in_order])
        meanings = [self._meaning_of(reading) for reading in in_order]
        near_of = self._near_of(vectors, meanings)
        results = iter(
            [
                _Outcome(reading, vector, chosen, meaning, self._hits_of(reading, near, chosen))
                for reading, vector, near, meaning, chosen in zip(
                    in_order, vectors, near_of, meanings, map(self._chosen_after, in_order), strict=True
                )
            ]
        )
        matches: dict[QueryText, TextMatch] = {}
        for query, of_query in zip(queries, readings, strict=True):
            best, *as_typed = (next(results) for _ in of_query)
            if as_typed and not _is_better(best, as_typed[0], self.meaning):
                (best,) = as_typed
            reading = best.reading
            matches[query] = TextMatch(
                text=reading.text,
                corrected=reading.corrected,
                words=reading.words,
                lexical=reading.lexical,
                vector=best.vector,
                chosen=best.chosen,
                hits=best.hits,
                meaning=best.meaning,
            )
        return matches

    def _meaning_of(self, reading: "_Reading") -> MeaningMatch | None:
        """What a text encoder makes of a reading; of a code nothing."""
        if self.meaning is None or self.lexical is None or reading.is_code:
            return None
        return self.meaning.match(
            reading.meant, reading.word_list, reading.lexical, self.lexical.brands, reading.allowed
        )

    def _near_of(self, vectors: NDArray[np.float32], meanings: Sequence[MeaningMatch | None]) -> list[NearItems]:
        """What each reading may find without words: by the encoder, where there is one, else by its n-grams."""
        if self.meaning is not None:
            return [NearItems.none() if meaning is None else meaning.near for meaning in meanings]
        return self.nearest(vectors) if self._finds_by_meaning else [NearItems.none()] * len(vectors)

    @property
    def _finds_by_meaning(self) -> bool:
        """Whether an item may be found without having a word of a query: else nobody needs to look for near ones."""
        return self.spec.meaning_floor is not None or not self.spec.items_have_words

    def with_meaning(self, table: MeaningTable | None) -> "QueryIndex":
        """The same index beside another table; itself where that is the same one, or queries are not read so."""
        if self.meaning is None or table is None or self.meaning.table is table:
            return self
        return replace(self, meaning=replace(self.meaning, table=table))

    @cached_property
    def items(self) -> int:
        """How many items may be answered."""
        return int(np.count_nonzero(self.selectable))

    def _readings(self, query: QueryText) -> "list[_Reading]":
        """The reading of a query; where its spelling is corrected or guessed, as it was typed, too."""
        if query.is_exact:
            return [self._reading(query.text, is_exact=True)]
        reading = self._reading(query.text)
        if reading.corrected is not None:
            return [reading, self._reading(query.text, is_exact=True)]
        guess = self._guess_at(reading, query.text)
        return [reading] if guess is None else [guess, reading]

    def _guess_at(self, reading: "_Reading", text: str) -> "_Reading | None":
        """What a text that no item has a word of may be a slip of."""
        if self.meaning is None or self.spelling is None or reading.lexical.best_coverage > 0:
            return None
        if parse_query(text).has_operators:
            return None
        guesses = guesses_at(reading.word_list, self.spelling, self.meaning.encoder)
        if not guesses:
            return None
        guess = self.meaning.nearest_text(guesses, reading.allowed)
        return replace(self._reading(guess, is_exact=True), corrected=guess, is_guess=True)

    def _reading(self, text: str, *, is_exact: bool = False) -> "_Reading":
        if self.lexical is None or self.spelling is None:
            return _Reading(text, text, None, (), LexicalMatch.empty(len(self.selectable)), self.selectable)
        query = parse_query(text)
        allowed = self.selectable
        if query.has_operators:
            allowed = OperatorMatch(query, self.lexical.rows_of, self.texts_of, self.spelling.languages).restrict(
                self.selectable
            )
        if query.excludes_only:
            return _Reading(text, "", None, (), LexicalMatch.everything(self.popularity, allowed), allowed)
        named = named_by_code(self.lexical, query.text, allowed)
        if not len(named.rows):
            named = named_by_beginning(self.lexical, query.text, self.spelling.languages, allowed)
        is_code = len(named.rows) > 0
        if is_code and any(map(str.isdigit, query.text)):  # no word: nothing to complete, and no synonym
            spelled = as_it_stands(query.text, self.spelling.languages)
        else:
            spelled = self.spelling.read(query.text, is_exact=is_exact or is_code)
        meant = query.text if spelled.corrected is None else spelled.corrected
        return _Reading(
            text=meant,
            meant=meant,
            corrected=None if spelled.corrected is None else query.with_text(spelled.corrected),
            word_list=spelled.words,
            lexical=match(self.lexical, spelled.words, spelled.terms, allowed, spelled.alternatives, named, self.items),
            allowed=allowed,
            is_code=is_code,
        )

    def _chosen_after(self, reading: "_Reading") -> ChosenItems:
        return ChosenItems.none() if self.chosen_after is None else self.chosen_after(reading.meant)

    def _hits_of(self, reading: "_Reading", near: NearItems, chosen: ChosenItems) -> Hits:
        lexical = reading.lexical
        if not self.spec.items_have_words:
            has_words = lexical.best_coverage > 0
            is_known = has_words or len(chosen.rows) > 0
            return everything(is_known or len(near.rows) > 0, is_known, near, reading.allowed)
        dropped = tuple(word for word, is_dropped in zip(reading.words, lexical.is_dropped, strict=True) if is_dropped)
        chosen_rows = chosen.rows[chosen.is_found & (not reading.is_code)]  # whoever types a code means what has it
        floor = self.spec.meaning_floor if self.meaning is None else -np.inf  # what is near by an encoder is found
        return hits_of(lexical.hits, chosen_rows, dropped, near, floor, reading.allowed)

    def _vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """`[n, dim]` of the meaning of each text, zeros without one."""
        if self.text_query is None:
            return np.zeros((len(texts), self.dim), dtype=np.float32)
        return self.text_query.vectors_of(texts)


def _is_better(corrected: "_Outcome", as_typed: "_Outcome", reader: MeaningReader | None) -> bool:
    """Whether a corrected query is what was meant, and not what was typed: it finds items that have more of its words,
    or more items that have all of them, and what is near to what was typed is among them. Where a text encoder reads
    queries, it says whether what was typed is a slip, or another word.
    """
    if not corrected.hits.items.any():
        return False
    if corrected.reading.is_guess and reader is not None:
        return reader.means_nothing(as_typed.meaning) and not reader.means_nothing(corrected.meaning)
    if not as_typed.hits.items.any():
        return True
    if reader is None or corrected.meaning is None or as_typed.meaning is None:
        near = as_typed.hits.near_rows
        is_near = not len(near) or int(np.count_nonzero(corrected.hits.items[near])) * 2 >= len(near)
        count, typed_count = corrected.hits.items.sum(), as_typed.hits.items.sum()
    else:
        count, typed_count = corrected.reading.lexical.hits.sum(), as_typed.reading.lexical.hits.sum()
        is_near = reader.is_slip(as_typed.meaning, corrected.meaning, has_words=bool(typed_count))
        if not typed_count:
            return bool(is_near and count > 0)
    dropped, typed_dropped = len(corrected.hits.dropped_words), len(as_typed.hits.dropped_words)
    has_more = dropped < typed_dropped or (dropped == typed_dropped == 0 and count > typed_count)
    return bool(is_near and has_more)


@dataclass(frozen=True)
class _Outcome:
    """What one reading of a query finds."""

    reading: "_Reading"
    vector: NDArray[np.float32]
    chosen: ChosenItems
    meaning: MeaningMatch | None
    hits: Hits


@dataclass(frozen=True)
class _Reading:
    """The words of a text, and how well items match them."""

    text: str  # with corrected spelling
    meant: str  # the part of it that has a meaning
    corrected: str | None  # with its operators
    word_list: tuple[Word, ...]
    lexical: LexicalMatch
    allowed: NDArray[np.bool_]  # [rows], real items that its operators let through
    is_code: bool = False  # of an item, or the beginning of one
    is_guess: bool = False  # of what says nothing as it was typed

    @property
    def words(self) -> tuple[str, ...]:
        """The words as they are written."""
        return tuple(word.text for word in self.word_list)


def read_query_index(
    folder: Path,
    lexical: LexicalIndex | None,
    text_query: TextQuery | None,
    vocabulary: Vocabulary,
    selectable: NDArray[np.bool_],
    tables: RankTables,
    nearest: FindNearest,
    texts_of: TextsOf,
    synonyms: Synonyms,
    chosen: ChosenIndex | None = None,
    encoder: TextEncoder | None = None,
    meaning: MeaningTable | None = None,
) -> QueryIndex | None:
    """The query index of the bundle in `folder`; None where there are neither words nor text vectors to search by.

    Args:
        folder: of the bundle.
        lexical: its words, if any.
        text_query: its text vectors, if any.
        vocabulary: for the spelling of queries.
        selectable: `[rows]`, true for real items.
        tables: of the items.
        nearest: looks for items by meaning.
        texts_of: the texts of an item, which phrases are looked for in.
        synonyms: of the shop, and its stop words.
        chosen: what was chosen after queries, if it is known.
        encoder: of texts, if there is one.
        meaning: what queries are compared with then.

    Raises:
        BundleCorrupt: its weights cannot be read.
    """
    if lexical is None and text_query is None:
        return None
    path = folder / names.SEARCH
    try:
        spec = SearchSpec.model_validate_json(path.read_text("utf-8"))
    except (OSError, ValidationError) as error:
        raise BundleCorrupt(f"{path}: not the description of a search ({error}): export the bundle again") from error
    items = int(np.count_nonzero(selectable))
    spelling = None if lexical is None else Spelling(vocabulary, lexical.main.rows_of, synonyms, items)
    dim = tables.vectors.shape[1]
    chosen = None if chosen is None else fast_chosen(chosen)
    return QueryIndex(
        lexical=lexical,
        spelling=spelling,
        text_query=text_query,
        spec=spec,
        selectable=selectable,
        dim=dim,
        nearest=nearest,
        popularity=tables.popularity,
        texts_of=texts_of,
        chosen_after=None if chosen is None else lru_cache(_CHOSEN_KEPT)(partial(chosen_after, chosen)),
        meaning=None
        if encoder is None or meaning is None or spec.meaning is None
        else MeaningReader(encoder, meaning, spec.meaning),
    )
