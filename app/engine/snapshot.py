"""A loaded bundle: the immutable record that the engine's functions read, whatever version is served."""

from dataclasses import dataclass
from pathlib import Path

from app.artifact.manifest import Manifest
from app.artifact.parts import UsableParts
from app.artifact.rank_tables import RankTables
from app.engine.catalogue import Catalogue, Items
from app.engine.placer import Placer
from app.engine.ranking import Ranker
from app.engine.retriever import Retrieves
from app.engine.selection.filter_index import FilterIndex
from app.engine.selection.orders import Orders
from app.engine.text.meaning_table import MeaningTable
from app.engine.text.query_index import QueryIndex
from app.engine.text.suggest import Suggester
from app.engine.text.text_encoder import TextEncoder
from app.engine.text.text_query import TextQuery


@dataclass(frozen=True)
class Snapshot:
    """One loaded bundle. A reload makes another one and swaps the reference."""

    folder: Path
    manifest: Manifest
    parts: UsableParts
    items: Items
    catalogue: Catalogue
    retriever: Retrieves
    text_query: TextQuery | None  # None where the bundle knows no words
    tables: RankTables
    ranker: Ranker | None  # None where nothing is ranked by features
    filters: FilterIndex
    orders: Orders
    search: QueryIndex | None  # None where nothing can be searched for
    suggester: Suggester | None  # None where nothing can be suggested
    placer: Placer | None = None  # None where items that the bundle has not seen have no place
    encoder: TextEncoder | None = None  # None where texts have no meaning but by n-grams
    meaning: MeaningTable | None = None  # what its vectors are compared with, where there is one
