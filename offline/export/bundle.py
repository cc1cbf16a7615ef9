"""Write a bundle: into a temporary folder, verified against the network, renamed into the store, pointed to."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import torch
from numpy.typing import NDArray
from pydantic import TypeAdapter

from app.artifact import names
from app.artifact.bundle_store import point_to
from app.artifact.columns import TextColumn
from app.artifact.display_columns import write_display
from app.artifact.manifest import Manifest, Shapes, list_files
from app.artifact.parts import numbers_of
from app.artifact.people import Person
from app.artifact.search_spec import PRIOR, SearchSpec
from app.artifact.text.vocabulary import read_vocabulary
from app.artifact.user_state import UserStates
from app.artifact.variants import write_variants
from app.engine.gpu_retriever import Device
from app.engine.loading import load_snapshot
from offline.dataset.absent import absent_rows
from offline.dataset.histories import Histories
from offline.dataset.logged_queries import logged_query_texts, popular_queries
from offline.dataset.people import read_person
from offline.export.catalogue_columns import display_of, variants_of, write_catalogue
from offline.export.chosen import write_chosen
from offline.export.codes import write_codes
from offline.export.fidelity import Fidelity
from offline.export.filter_columns import first_times, write_filters
from offline.export.golden import write_golden
from offline.export.half_graph import write_half_search
from offline.export.inputs import BundleSource, ExportInputs
from offline.export.item_tables import ItemTable
from offline.export.lexical import have_words, queries_by_row, write_lexical
from offline.export.meaning import kind_queries, write_meaning
from offline.export.meaning_constants import learn_meaning_constants
from offline.export.meaning_floor import learn_meaning_floor
from offline.export.place import write_place
from offline.export.provenance import git_revision, package_versions
from offline.export.rank_tables import rank_tables
from offline.export.retrieve_graph import block_of, write_search
from offline.export.suggest import spell_queries, write_suggest
from offline.export.text_table import write_text_table
from offline.export.tower_graph import export_tower
from offline.export.user_states import user_states
from offline.export.vocabulary import write_vocabulary
from offline.workspace.atomic import atomic_file, atomic_folder
from offline.workspace.progress import Progress, silent

SAMPLE_USERS = 12
_STEPS = 6


@dataclass(frozen=True)
class BundleExport:
    """A bundle that was written to its store."""

    folder: Path
    version: str
    fidelity: Fidelity


def export_bundle(
    inputs: ExportInputs, store: Path, *, now: datetime | None = None, progress: Progress | None = None
) -> BundleExport:
    """Write a bundle to the folder of versions `store`, and make it the current one.

    Users are known as of the end of the inputs' parts: nothing of test or context is in a bundle. `now` is the time
    that its version and manifest name, by default that of the call.

    Raises:
        GoldenMismatch: the bundle does not answer like the network; the store is as it was.
        RunFolderError: the version's folder holds other files.
    """
    report = progress or silent
    report(0, _STEPS, "item vectors")
    source = BundleSource.read(inputs)
    created = now or datetime.now(UTC)
    version = _version(created, source.table)
    folder = store / version
    with atomic_folder(folder, names.MANIFEST) as temporary:
        popularity = write_rank_tables(temporary, source)
        report(1, _STEPS, "catalogue")
        columns = write_items(temporary, source)
        if inputs.meaning is not None:
            write_meaning(temporary, source.items, len(source.table.scales), inputs.meaning)
        write_text(temporary, source, popularity)
        report(2, _STEPS, "retrieve.onnx")
        write_vectors(temporary, source)
        write_place(
            temporary,
            inputs.trained,
            source.items,
            source.content,
            bits=inputs.weight_bits,
            idf=inputs.idf,
            attributes=inputs.attributes,
        )
        report(3, _STEPS, "users")
        states = write_users(temporary, source)
        manifest = _manifest(source, states, created, version, columns)
        manifest = manifest.model_copy(update={"parts": numbers_of(_paths_below(temporary))})
        report(4, _STEPS, "golden answers")
        fidelity = write_golden(temporary, manifest, inputs.trained, states)
        compression = _compression(temporary, source.table, fidelity, inputs.compression)
        manifest = manifest.model_copy(update={"files": list_files(temporary), "compression": compression})
        _write_manifest(temporary, manifest.model_dump_json(indent=2))
        report(5, _STEPS, "verifying")
        load_snapshot(temporary)
        load_snapshot(temporary, device=Device("cpu"))  # the graph for a GPU must give the golden answers, too
    point_to(store, version)
    report(_STEPS, _STEPS, "exported")
    return BundleExport(folder, version, fidelity)


def write_rank_tables(folder: Path, source: BundleSource) -> NDArray[np.float32]:
    """Write the columns that the ranker's features read, and the ranker if there is one; returns popularity by row."""
    inputs = source.inputs
    (folder / names.ITEM_IDS).parent.mkdir(parents=True)
    tables = rank_tables(
        source.items, source.histories, inputs.graph, source.table, source.content, inputs.count_scales
    )
    tables.write(folder)
    if inputs.ranker is not None:
        for name in (names.RANK_GRAPH, names.RANKER):
            shutil.copyfile(inputs.ranker / name, folder / name)
    return tables.popularity


def write_items(folder: Path, source: BundleSource) -> dict[str, str]:
    """Write ids, shown columns and filters of the items; returns the shown columns with their kinds."""
    items, histories = source.items, source.histories
    TextColumn.of(["", *items["item_id"].to_list()]).write(folder / names.ITEM_IDS)
    write_variants(folder, *variants_of(items))
    columns = write_catalogue(folder, items)
    write_display(folder, display_of(items))
    times = first_times(histories.rows, histories.times, items.height + 1)
    times[absent_rows(items)] = np.nan
    write_filters(folder, items, times, source.meta.catalogue_columns)
    return columns


def write_text(folder: Path, source: BundleSource, popularity: NDArray[np.float32]) -> None:
    """Write what a search reads: text vectors, vocabulary, lexical index, suggestions, and the order of results."""
    inputs, items = source.inputs, source.items
    queries = popular_queries(inputs.split, inputs.parts).select("text", "users").rows()
    write_text_table(folder, inputs.trained, items, [text for text, _ in queries], inputs.idf)
    if inputs.text_of is None:
        known = [(text, 1) for text in inputs.synonyms.texts()]
        vocabulary = write_vocabulary(folder, items, [*queries, *known])
        logged = logged_query_texts(inputs.split, inputs.parts)
        answered = logged.filter(~pl.col("item").is_in(absent_rows(items)))
        write_lexical(folder, items, vocabulary, queries_by_row(answered, items.height))
    else:
        for name in (names.VOCABULARY, names.LEXICAL):
            if (inputs.text_of / name).exists():
                shutil.copytree(inputs.text_of / name, folder / name)
        vocabulary = read_vocabulary(folder)
    inputs.synonyms.write(folder)
    write_codes(folder, items)
    write_chosen(folder, inputs.split, inputs.parts, vocabulary, absent_rows(items))
    write_suggest(folder, items, popularity, [*spell_queries(queries, vocabulary), *kind_queries(folder)])
    order = SearchSpec(weights=PRIOR) if inputs.search is None else inputs.search
    scale = inputs.trained.settings.text_scale
    floor = learn_meaning_floor(folder, items, vocabulary)
    order = order.model_copy(
        update={
            "text_scale": scale,
            "items_have_words": have_words(items),
            "meaning_floor": floor,
            "meaning": learn_meaning_constants(folder, items, vocabulary),
        }
    )
    (folder / names.SEARCH).write_text(order.model_dump_json(indent=2) + "\n", encoding="utf-8")


def write_vectors(folder: Path, source: BundleSource) -> None:
    """Write retrieval twice behind the same query tower: in int8 for a CPU, in half precision for a GPU."""
    table, block = source.table, block_of(source.items.height)
    rows, dim = table.vectors.shape
    exported = source.inputs.tower or export_tower(source.inputs.trained.network.queries, dim)
    tower, gpu_tower = onnx.ModelProto(), onnx.ModelProto()
    for copy in (tower, gpu_tower):
        copy.CopyFrom(exported)
    write_search(folder / names.RETRIEVE_GRAPH, tower, table.vectors, table.score_scales, block)
    write_half_search(folder / names.HALF_GRAPH, gpu_tower, rows, dim, block)


def write_users(folder: Path, source: BundleSource) -> UserStates:
    """Write the states of all users with a history."""
    vectors = torch.from_numpy(source.table.real())
    queries = source.inputs.trained.network.queries
    states = user_states(source.user_ids, source.remembered, queries, vectors, source.cut)
    states.write(folder)
    return states


def record_metrics(folder: Path, metrics: dict[str, Any]) -> None:
    """Put the figures of an evaluation into the manifest of the bundle in `folder`; all else of it stays."""
    document = json.loads((folder / names.MANIFEST).read_text("utf-8")) | {"metrics": metrics}
    _write_manifest(folder, TypeAdapter(dict[str, Any]).dump_json(document, indent=2).decode())


def _version(created: datetime, table: ItemTable) -> str:
    """The time, and four digits of the content, so that two made in one second differ."""
    content = hashlib.sha256(table.vectors.tobytes() + table.score_scales.tobytes()).hexdigest()
    return f"{created:%Y-%m-%dT%H-%M-%S}-{content[:4]}"


def _manifest(
    source: BundleSource, states: UserStates, created: datetime, version: str, columns: dict[str, str]
) -> Manifest:
    """The manifest, as yet without the files, the parts that they make, and what is measured of them."""
    meta, trained, measured = source.meta, source.inputs.trained, source.inputs.measured_as
    rows, dim = source.table.vectors.shape
    sample = _sample_people(source.user_ids, source.remembered)
    return Manifest(
        schema_version=names.SCHEMA_VERSION,
        version=version,
        dataset=meta.dataset,
        created_at=created.isoformat(timespec="seconds"),
        cut=source.cut,
        behaviours=list(meta.behaviours),
        event_types=dict(meta.event_types),
        shapes=Shapes(
            items=source.items.height,
            rows=rows,
            dim=dim,
            window=trained.settings.window,
            users=len(states.hashes),
            absent=len(absent_rows(source.items)),
        ),
        weight_bits=source.inputs.weight_bits,
        data_fingerprint=meta.fingerprint,
        git_revision=git_revision(),
        seed=meta.seed,
        split=meta.how,
        packages=package_versions(),
        parts={},
        sample_users=[person.id for person in sample if person.kind == "user"],
        sample_visitors=[person.id for person in sample if person.kind == "visitor"],
        catalogue_columns=columns,
        metrics={} if measured is None else measured.metrics,
        measured_as=None if measured is None else measured.version,
        catalogue_sequence=None if meta.catalogue is None else meta.catalogue.sequence,
        catalogue_epoch=None if meta.catalogue is None else meta.catalogue.epoch,
        compression=[],
        files={},
    )


def _sample_people(user_ids: list[str], histories: Histories) -> list[Person]:
    """People with a medium number of events, as examples on the demo page."""
    active = np.flatnonzero(histories.lengths > 0)
    order = active[np.argsort(histories.lengths[active], kind="stable")]
    if not len(order):
        return []
    positions = np.unique((np.linspace(0.3, 0.95, SAMPLE_USERS) * (len(order) - 1)).astype(np.int64))
    return [read_person(user_ids[user]) for user in order[positions]]


def _compression(
    folder: Path, table: ItemTable, fidelity: Fidelity, variants: list[dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """The variants with the fidelity noted on the chosen one; without any, one line about this bundle."""
    note = (
        f"the bundle beside this network in full precision: overlap@10 {fidelity.overlap_at_10:.3f} (as "
        f"good within rounding: {fidelity.near_at_10:.3f}), query vectors within {fidelity.query_error:.1%}, "
        f"{fidelity.requests} requests"
    )
    if variants:
        return [
            line | ({"note": "; ".join(filter(None, [line["note"], note]))} if line["chosen"] else {})
            for line in variants
        ]
    size = table.nbytes + (folder / names.RETRIEVE_GRAPH).stat().st_size
    return [
        {
            "variant": f"int8, {table.vectors.shape[1]} dimensions",
            "megabytes": size / 1e6,
            "p50_ms": None,
            "p99_ms": None,
            "metric": None,
            "value": None,
            "overlap_at_10": fidelity.overlap_at_10,
            "chosen": True,
            "note": note,
        }
    ]


def _paths_below(folder: Path) -> list[str]:
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


def _write_manifest(folder: Path, text: str) -> None:
    with atomic_file(folder / names.MANIFEST) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
