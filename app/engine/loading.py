"""Loading a bundle: its files become a `Snapshot` that has answered its golden requests, which also warms it up."""

import logging
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.array_checks import check_array, check_texts
from app.artifact.arrays import load_array
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.display_columns import read_display
from app.artifact.filter_columns import read_filter_columns
from app.artifact.manifest import Manifest, read_manifest, verify_files
from app.artifact.parts import (
    CHOSEN,
    CODES,
    DISPLAY,
    GPU,
    MEANING,
    PLACE,
    RANKER,
    SEARCH,
    SPELLING,
    SUGGEST,
    SYNONYMS,
    TEXT_ENCODER,
    VARIANTS,
    WORDS,
    UsableParts,
    usable_parts,
)
from app.artifact.rank_tables import RankTables, read_rank_tables
from app.artifact.text.chosen_index import ChosenIndex, check_chosen, read_chosen
from app.artifact.text.codes import read_codes
from app.artifact.text.suggest_index import read_suggest_index
from app.artifact.text.synonym_table import SynonymTable, read_synonym_table
from app.artifact.text.vocabulary import Vocabulary, read_vocabulary
from app.artifact.variants import Variants, read_variants
from app.engine import checks
from app.engine.candidates import Candidates, pad_columns
from app.engine.catalogue import items_of, read_catalogue
from app.engine.gpu_retriever import Device, GpuRetriever, open_gpu_retriever
from app.engine.nearest import Nearest
from app.engine.placer import Placer, read_placer
from app.engine.ranking import read_ranker
from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, RequestBatch, Stages
from app.engine.retriever import Retriever, open_retriever
from app.engine.selection.filter_index import filter_index_of
from app.engine.selection.orders import Orders
from app.engine.snapshot import Snapshot
from app.engine.text.lexical_index import read_lexical
from app.engine.text.lookups import fast_vocabulary
from app.engine.text.meaning_table import read_meaning_table
from app.engine.text.query_index import read_query_index
from app.engine.text.suggest import Suggester
from app.engine.text.synonyms import Synonyms
from app.engine.text.text_encoder import (
    TOKENIZERS_MISSING,
    TextEncoder,
    check_golden_encoder_texts,
    read_text_encoder,
    tokenizers_installed,
)
from app.engine.text.text_query import check_golden_texts, read_text_query
from app.errors import AisleError, BundleCorrupt, BundleUnfit, GoldenMismatch

log = logging.getLogger(__name__)

GOLDEN_DEPTH = 10
MIN_GOLDEN_OVERLAP = 0.9
MAX_GOLDEN_ERROR = 0.02  # of the score, relative to the largest golden score
_ONE_GOLDEN_SET: Final = 5  # schema


@dataclass(frozen=True)
class GoldenSet:
    """Files of golden answers to the warm-up requests, relative to the bundle, and the stages that made them."""

    rows: str
    scores: str
    stages: Stages


def load_snapshot(path: Path, threads: int = 1, device: Device | None = None, version: str | None = None) -> Snapshot:
    """Load the bundle at `path` (a bundle, or a store of bundles), verify it, and warm it up.

    Args:
        threads: threads inside one run of a graph; 0 takes all cores.
        device: where retrieval runs in half precision; by default it runs on the CPU in int8.
        version: that it must be; for a store by default the one that its pointer names.

    Raises:
        DeviceUnavailable: there is no such device.
        BundleUnfit: the device cannot run all of the graph.
        BundleCorrupt: a file is missing, differs from its checksum, or is unreadable.
        BundleSchema: the bundle has the format of another version of this code.
        GoldenMismatch: it answers its own warm-up requests differently from when it was exported.
    """
    folder = resolve(path)
    manifest = read_manifest(folder)
    expected = version or (folder.name if folder != path else manifest.version)
    if manifest.version != expected:
        raise BundleCorrupt(
            f"{folder}: expected version {expected} of its name, got {manifest.version} in its manifest: give the "
            "folder the name of the version"
        )
    verify_files(folder, manifest)
    snapshot = open_snapshot(folder, manifest, threads, device)
    for part, reason in snapshot.parts.unreadable.items():
        log.warning("a part of the bundle is off: %s: %s", part, reason, extra={"version": manifest.version})
    check_golden(snapshot)
    if device is not None and isinstance(snapshot.retriever, GpuRetriever) and snapshot.retriever.has_failed:
        raise BundleUnfit(f"{folder}: {device.provider} failed while it answered the golden requests; see the log")
    if snapshot.text_query is not None:
        check_golden_texts(folder, snapshot.text_query)
    if snapshot.encoder is not None:
        check_golden_encoder_texts(folder, snapshot.encoder)
    return snapshot


def open_snapshot(folder: Path, manifest: Manifest, threads: int, device: Device | None = None) -> Snapshot:
    """Load a bundle without comparing its golden answers, as the exporter does before it writes them."""
    parts = usable_parts(manifest.parts)
    if TEXT_ENCODER in parts and not tokenizers_installed():
        parts = parts.without(TEXT_ENCODER, TOKENIZERS_MISSING)
    if device is not None and GPU not in parts:
        raise BundleUnfit(f"{folder}: the part {GPU}: {parts.off[GPU]}: serve with --device cpu")
    try:
        return _open(folder, manifest, parts, threads, device)
    except (AisleError, MemoryError):
        raise
    except OSError as error:
        where = folder if error.filename is None else error.filename
        raise BundleCorrupt(f"{where}: cannot be read ({error.strerror or error}): export it again") from error
    except Exception as error:  # whatever a reader stumbles over lies in the files
        raise BundleCorrupt(f"{folder}: cannot be read ({type(error).__name__}: {error}): export it again") from error


def _open(folder: Path, manifest: Manifest, parts: UsableParts, threads: int, device: Device | None) -> Snapshot:
    """As `open_snapshot`; each table is checked before anything is made of it."""
    shapes = manifest.shapes
    checks.check_shapes(folder / names.MANIFEST, shapes)
    tables = read_rank_tables(folder)
    checks.check_tables(folder, tables, shapes)
    ids = TextColumn.read(folder / names.ITEM_IDS)  # mapped
    check_texts(folder / names.ITEM_IDS, ids, shapes.items + 1)
    variants = read_variants(folder) if VARIANTS in parts else Variants.none()
    checks.check_variants(folder, variants, shapes)
    items = items_of(ids, shapes, tables, variants)
    checks.check_items(folder, items, shapes)
    display = read_display(folder) if DISPLAY in parts else {}
    catalogue = read_catalogue(folder, manifest.catalogue_columns, display)
    checks.check_catalogue(folder, catalogue, shapes)
    filter_columns = read_filter_columns(folder)
    checks.check_filters(folder, filter_columns, catalogue, shapes)
    filters = filter_index_of(filter_columns, catalogue, items.selectable[0], items)
    codes = read_codes(folder) if CODES in parts else None
    if codes is not None:
        checks.check_codes(folder, codes, shapes)
    lexical = read_lexical(folder, shapes.rows, tables.codes[:, 1], codes) if WORDS in parts else None
    text_query = read_text_query(folder) if MEANING in parts else None
    vocabulary = read_vocabulary(folder) if SPELLING in parts else Vocabulary.empty()
    synonyms = Synonyms(
        read_synonym_table(folder) if SYNONYMS in parts else SynonymTable(), vocabulary.lexicon.languages
    )
    suggestions = read_suggest_index(folder) if SUGGEST in parts else None
    for name, value in ((WORDS, lexical), (MEANING, text_query), (SUGGEST, suggestions)):
        if name in parts and value is None:
            raise BundleCorrupt(f"{folder}: its manifest has the part {name}, its folder does not: export it again")
    if lexical is not None:
        checks.check_lexical(folder, lexical, shapes)
    if text_query is not None:
        checks.check_text_query(folder, text_query, shapes)
    if SPELLING in parts:
        checks.check_vocabulary(folder, vocabulary)
        vocabulary = fast_vocabulary(vocabulary)
    if suggestions is not None:
        checks.check_suggestions(folder, suggestions, shapes)
    chosen = _checked_chosen(folder, shapes.items) if CHOSEN in parts else None
    suggester = None if suggestions is None else Suggester(suggestions, vocabulary, synonyms)
    retriever: Retriever | GpuRetriever
    if device is None:
        retriever = open_retriever(folder, items, tables.score_scales, shapes, threads)
    else:
        retriever = open_gpu_retriever(folder, items, tables.score_scales, device, shapes)
    nearest = Nearest(retriever, tables, shapes.window)
    selectable = items.selectable[0]
    encoder = read_text_encoder(folder) if TEXT_ENCODER in parts else None
    reader = encoder if (folder / names.PLACE_MEANING).exists() else None
    meaning = None if encoder is None else read_meaning_table(folder, encoder.width, shapes.rows)
    search = (
        read_query_index(
            folder,
            lexical,
            text_query,
            vocabulary,
            selectable,
            tables,
            nearest,
            catalogue.texts_of,
            synonyms,
            chosen,
            encoder,
            meaning,
        )
        if SEARCH in parts
        else None
    )
    ranker = read_ranker(folder, tables, items.popular_rows, threads) if RANKER in parts else None
    return Snapshot(
        folder=folder,
        manifest=manifest,
        parts=parts,
        items=items,
        catalogue=catalogue,
        retriever=retriever,
        text_query=text_query,
        tables=tables,
        ranker=ranker,
        filters=filters,
        orders=Orders(filters, items),
        search=search,
        suggester=suggester,
        placer=_checked_placer(folder, tables, reader) if PLACE in parts else None,
        encoder=encoder,
        meaning=meaning,
    )


def _checked_chosen(folder: Path, items: int) -> ChosenIndex:
    chosen = read_chosen(folder)
    check_chosen(folder, chosen, items)
    return chosen


def _checked_placer(folder: Path, tables: RankTables, encoder: TextEncoder | None) -> Placer:
    placer = read_placer(folder, encoder)
    checks.check_placer(folder, placer, tables)
    return placer


def check_golden(snapshot: Snapshot) -> None:
    """Answer the warm-up requests and compare with the golden answers of retrieval, and with those of the ranker.

    Instruction sets and runtime versions differ in the last digits, so the comparison is by overlap of the top 10
    and by score within a tolerance.

    Raises:
        GoldenMismatch: overlap or scores are out of tolerance.
    """
    batch = read_warmup(snapshot.folder)
    checks.check_warmup(snapshot.folder, batch, snapshot.manifest.shapes)
    if not len(batch):
        return
    for golden in golden_sets(snapshot):
        _compare_golden(snapshot, golden, batch)


def golden_sets(snapshot: Snapshot) -> tuple[GoldenSet, ...]:
    """The golden answers that a bundle has: those of retrieval and, where there is a ranker, those of the ranker.

    In schema 5 there are only those of the ranker, where it has one, which say nothing without it.
    """
    if snapshot.manifest.schema_version == _ONE_GOLDEN_SET:
        if RANKER in snapshot.parts.unreadable:
            return ()
        return (GoldenSet(names.GOLDEN_ROWS, names.GOLDEN_SCORES, ALL_STAGES),)
    retrieved = GoldenSet(names.GOLDEN_ROWS, names.GOLDEN_SCORES, Stages(ranking=False))
    ranked = GoldenSet(names.GOLDEN_RANKED_ROWS, names.GOLDEN_RANKED_SCORES, ALL_STAGES)
    return (retrieved,) if snapshot.ranker is None else (retrieved, ranked)


def golden_answers(snapshot: Snapshot, batch: RequestBatch, stages: Stages = ALL_STAGES) -> Candidates:
    """The answers to the warm-up requests, by retrieval and, where there is one and `stages` say so, by the ranker.

    They are as deep as golden answers, though a catalogue may have fewer items.
    """
    answers = recommend(snapshot, batch, GOLDEN_DEPTH, stages)
    return replace(
        answers,
        rows=pad_columns(answers.rows, GOLDEN_DEPTH, names.PADDING_ROW),
        scores=pad_columns(answers.scores, GOLDEN_DEPTH, -np.inf),
    )


def golden_error(expected: NDArray[np.int64], scores: NDArray[np.float32], answers: Candidates) -> float:
    """The largest difference of an item's score, over the items that are both expected and answered.

    By item rather than by position: where an item near the end of a list is replaced, all behind it move up.
    """
    same = (expected[:, :, None] == answers.rows[:, None, :]) & (expected[:, :, None] != names.PADDING_ROW)
    request, expected_position, position = np.nonzero(same)
    differences = scores[request, expected_position] - answers.scores[request, position]
    return float(np.abs(differences).max(initial=0.0))


def golden_overlap(expected: NDArray[np.int64], rows: NDArray[np.int64]) -> float:
    """The mean over requests of the share of the expected rows that are among `rows`."""
    shares = [
        len(np.intersect1d(request_expected[request_expected > 0], request_rows))
        / max(1, int((request_expected > 0).sum()))
        for request_expected, request_rows in zip(expected, rows, strict=True)
    ]
    return float(np.mean(shares))


def _compare_golden(snapshot: Snapshot, golden: GoldenSet, batch: RequestBatch) -> None:
    path = snapshot.folder / golden.rows
    try:
        rows = load_array(path)
        scores = load_array(snapshot.folder / golden.scores)
    except (OSError, ValueError) as error:
        raise BundleCorrupt(f"{snapshot.folder}: golden answers cannot be read ({error}): export it again") from error
    check_array(path, rows, np.int32, len(batch), GOLDEN_DEPTH)
    check_array(snapshot.folder / golden.scores, scores, np.float32, len(batch), GOLDEN_DEPTH)
    answers = golden_answers(snapshot, batch, golden.stages)
    overlap = golden_overlap(rows, answers.rows)
    error_ = golden_error(rows, scores, answers)
    largest = np.abs(scores[np.isfinite(scores)]).max(initial=1e-6)
    if overlap < MIN_GOLDEN_OVERLAP or error_ > MAX_GOLDEN_ERROR * largest:
        raise GoldenMismatch(
            f"{path}: expected the golden answers (overlap@10 of at least {MIN_GOLDEN_OVERLAP}, scores within "
            f"{MAX_GOLDEN_ERROR:.0%}), got overlap {overlap:.3f} and error {error_ / largest:.1%}: export the bundle "
            "again, with `--weight-bits 7` for processors without VNNI"
        )


def write_warmup(folder: Path, batch: RequestBatch) -> None:
    """Write the arrays of `batch` into the bundle in `folder`."""
    below = folder / names.WARMUP
    below.mkdir(parents=True, exist_ok=True)
    for field in fields(batch):
        value = getattr(batch, field.name)
        if value is not None:
            np.save(below / f"{field.name}.npy", value)


def read_warmup(folder: Path) -> RequestBatch:
    """The requests that `write_warmup` wrote.

    Raises:
        BundleCorrupt: a file is missing or unreadable.
    """
    below = folder / names.WARMUP
    try:
        arrays: dict[str, Any] = {path.stem: load_array(path) for path in sorted(below.glob("*.npy"))}
        return RequestBatch(**arrays)
    except (OSError, ValueError, TypeError) as error:
        raise BundleCorrupt(f"{below}: warm-up requests cannot be read ({error}): export it again") from error
