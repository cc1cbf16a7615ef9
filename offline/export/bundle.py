"""Write a bundle: beside, verified against the network, renamed into the store, pointed to."""

import hashlib
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import torch

from app.artifact import names
from app.artifact.bundle_store import point_to
from app.artifact.columns import TextColumn
from app.artifact.manifest import Manifest, Shapes, list_files
from app.artifact.search_spec import PRIOR, SearchSpec
from app.artifact.user_state import UserStates
from app.engine.gpu_retriever import Device
from app.engine.loading import GOLDEN_DEPTH, check_golden, golden_answers, load_snapshot, open_snapshot, write_warmup
from model.query_tower import QueryTower
from offline.dataset.histories import Histories
from offline.dataset.logged_queries import logged_query_texts, popular_queries
from offline.dataset.split_events import read_histories
from offline.dataset.split_meta import read_split_meta
from offline.export.catalogue_columns import write_catalogue
from offline.export.fidelity import Fidelity, measure_fidelity
from offline.export.filter_columns import first_times, write_filters
from offline.export.half_graph import write_half_search
from offline.export.item_tables import ItemTable, item_table
from offline.export.lexical import have_words, queries_by_row, write_lexical
from offline.export.provenance import git_revision, package_versions
from offline.export.rank_tables import rank_tables
from offline.export.retrieve_graph import block_of, export_tower, write_search
from offline.export.suggest import spelled, write_suggest
from offline.export.text_table import write_text_table
from offline.export.user_states import user_states
from offline.export.vocabulary import write_vocabulary
from offline.export.warmup import warmup_requests
from offline.training.trained import Trained
from offline.workspace.atomic import atomic_file, atomic_folder
from offline.workspace.progress import Progress, silent

SAMPLE_USERS = 12
FIDELITY_REQUESTS = 1_000
GOLDEN_REQUESTS = 64
_STEPS = 6


@dataclass(frozen=True)
class Exported:
    """A bundle in its store."""

    folder: Path
    version: str
    fidelity: Fidelity


def export_bundle(
    trained: Trained,
    split: Path,
    store: Path,
    graph: Path,
    *,
    parts: Sequence[str] = ("train", "valid"),
    ranker: Path | None = None,
    search: SearchSpec | None = None,
    weight_bits: int = 8,
    compression: list[dict[str, Any]] | None = None,
    now: datetime | None = None,
    progress: Progress | None = None,
) -> Exported:
    """Write the bundle of a trained network to `store`, and make it the current one.

    Users are known as of the end of `parts`: nothing of test or context is in a bundle.

    Args:
        trained: the network.
        split: the split that it was trained on.
        store: folder of versions.
        graph: folder of the graph that was built of the same parts.
        parts: of the split, whose events users and counts are made of.
        ranker: folder with a trained ranker.
        search: how the results of a search are ordered; by the prior weights if left out.
        weight_bits: of the item vectors; 7 for processors whose 8-bit products saturate (x86 without VNNI).
        compression: what was measured of this network's variants, for the manifest; the export adds its own check
            to the line of the chosen one.
        now: when it is made.
        progress: told of each step.

    Raises:
        GoldenMismatch: the bundle does not answer like the network; the store is as it was.
        RunFolderError: the version's folder holds something else.
    """
    tell = progress or silent
    meta = read_split_meta(split)
    network = trained.network.cpu().eval()
    histories = read_histories(split, parts)
    cut = _newest(histories)
    tell(0, _STEPS, "item vectors")
    items = pl.read_parquet(split / "items.parquet").sort("row")
    quantised = item_table(trained, weight_bits)
    created = now or datetime.now(UTC)
    version = _version(created, quantised)
    folder = store / version
    with atomic_folder(folder, names.MANIFEST) as beside:
        (beside / names.ITEM_IDS).parent.mkdir(parents=True)
        tables = rank_tables(
            trained,
            items,
            histories,
            graph,
            quantised.vectors.astype(np.int8, copy=False),
            quantised.scales,
            quantised.score_scales,
        )
        tables.write(beside)
        if ranker is not None:
            for name in (names.RANK_GRAPH, names.RANKER):
                shutil.copyfile(ranker / name, beside / name)
        TextColumn.of(["", *items["item_id"].to_list()]).write(beside / names.ITEM_IDS)
        tell(1, _STEPS, "catalogue")
        columns = write_catalogue(beside, items)
        write_filters(beside, items, first_times(histories.rows, histories.times, items.height + 1))
        asked = popular_queries(split, parts).select("text", "users").rows()
        write_text_table(beside, trained, items, [text for text, _ in asked])
        vocabulary = write_vocabulary(beside, items, asked)
        write_lexical(beside, items, vocabulary, queries_by_row(logged_query_texts(split, parts), items.height))
        write_suggest(beside, items, tables.popularity, spelled(asked, vocabulary))
        order = SearchSpec(weights=PRIOR) if search is None else search
        order = order.model_copy(
            update={"text_scale": trained.settings.text_scale, "items_have_words": have_words(items)}
        )
        (beside / names.SEARCH).write_text(order.model_dump_json(indent=2) + "\n", encoding="utf-8")
        tell(2, _STEPS, "retrieve.onnx")
        _write_graphs(beside, network.queries, quantised, block_of(items.height))
        tell(3, _STEPS, "users")
        user_ids = pl.read_parquet(split / "users.parquet").sort("user")["user_id"].to_list()
        vectors = torch.from_numpy(quantised.real())
        states = user_states(user_ids, histories, network.queries, vectors, cut)
        states.write(beside)
        manifest = Manifest(
            schema_version=names.SCHEMA_VERSION,
            version=version,
            dataset=meta.dataset,
            created_at=created.isoformat(timespec="seconds"),
            cut=cut,
            behaviours=list(meta.behaviours),
            event_types=dict(meta.event_types),
            shapes=_shapes(items.height, quantised, trained, states),
            weight_bits=weight_bits,
            data_fingerprint=meta.fingerprint,
            git_revision=git_revision(),
            seed=meta.seed,
            split=meta.how,
            packages=package_versions(),
            sample_users=_sample_users(user_ids, histories),
            catalogue_columns=columns,
            metrics={},
            compression=[],
            files={},
        )
        tell(4, _STEPS, "golden answers")
        fidelity = _write_golden(beside, manifest, trained, states)
        manifest = manifest.model_copy(
            update={"files": list_files(beside), "compression": _compression(beside, quantised, fidelity, compression)}
        )
        _write_manifest(beside, manifest)
        tell(5, _STEPS, "verifying")
        load_snapshot(beside)
        load_snapshot(beside, device=Device("cpu"))  # the graph for a GPU must give the golden answers, too
    point_to(store, version)
    tell(_STEPS, _STEPS, "exported")
    return Exported(folder, version, fidelity)


def record_metrics(folder: Path, manifest: Manifest, metrics: dict[str, Any]) -> None:
    """Put the figures of an evaluation into the manifest of the bundle in `folder`."""
    _write_manifest(folder, manifest.model_copy(update={"metrics": metrics}))


def _write_graphs(folder: Path, queries: QueryTower, table: ItemTable, block: int) -> None:
    """Retrieval twice behind the same tower: in int8 for a CPU, in half precision for a GPU."""
    rows, dim = table.vectors.shape
    tower, for_gpu = export_tower(queries, dim), onnx.ModelProto()
    for_gpu.CopyFrom(tower)
    write_search(folder / names.RETRIEVE_GRAPH, tower, table.vectors, table.score_scales, block)
    write_half_search(folder / names.HALF_GRAPH, for_gpu, rows, dim, block)


def _newest(histories: Histories) -> float | None:
    known = histories.times[np.isfinite(histories.times)]
    return float(known.max()) if len(known) else None


def _version(created: datetime, quantised: ItemTable) -> str:
    """The time, and four digits of the content, so that two made in one second differ."""
    content = hashlib.sha256(quantised.vectors.tobytes() + quantised.score_scales.tobytes()).hexdigest()
    return f"{created:%Y-%m-%dT%H-%M-%S}-{content[:4]}"


def _shapes(items: int, quantised: ItemTable, trained: Trained, states: UserStates) -> Shapes:
    rows, dim = quantised.vectors.shape
    return Shapes(items=items, rows=rows, dim=dim, window=trained.settings.window, users=len(states.hashes))


def _sample_users(user_ids: list[str], histories: Histories) -> list[str]:
    """Users with a middling number of events, for somebody who looks at the page."""
    known = np.flatnonzero(histories.lengths > 0)
    order = known[np.argsort(histories.lengths[known], kind="stable")]
    if not len(order):
        return []
    places = np.unique((np.linspace(0.3, 0.95, SAMPLE_USERS) * (len(order) - 1)).astype(np.int64))
    return [user_ids[user] for user in order[places]]


def _write_golden(folder: Path, manifest: Manifest, trained: Trained, states: UserStates) -> Fidelity:
    rng = np.random.default_rng(trained.settings.seed)
    shapes = manifest.shapes
    wide = warmup_requests(states, shapes.items + 1, shapes.window, manifest.cut, FIDELITY_REQUESTS, rng)
    snapshot = open_snapshot(folder, manifest, threads=0)
    fidelity = measure_fidelity(trained, snapshot, wide)
    batch = warmup_requests(states, shapes.items + 1, shapes.window, manifest.cut, GOLDEN_REQUESTS, rng)
    write_warmup(folder, batch)
    answers = golden_answers(snapshot, batch)
    (folder / names.GOLDEN_ROWS).parent.mkdir(parents=True, exist_ok=True)
    np.save(folder / names.GOLDEN_ROWS, answers.rows[:, :GOLDEN_DEPTH].astype(np.int32))
    np.save(folder / names.GOLDEN_SCORES, answers.scores[:, :GOLDEN_DEPTH])
    check_golden(snapshot)
    return fidelity


def _compression(
    folder: Path, quantised: ItemTable, fidelity: Fidelity, table: list[dict[str, Any]] | None
) -> list[dict[str, Any]]:
    """The table with what the export found; without one, a line of the bundle alone."""
    note = (
        f"the bundle beside this network in full precision: overlap@10 {fidelity.overlap_at_10:.3f}, query vectors "
        f"within {fidelity.query_error:.1%}, {fidelity.requests} requests"
    )
    if table:
        return [
            line | ({"note": "; ".join(filter(None, [line["note"], note]))} if line["chosen"] else {}) for line in table
        ]
    size = quantised.nbytes + (folder / names.RETRIEVE_GRAPH).stat().st_size
    return [
        {
            "variant": f"int8, {quantised.vectors.shape[1]} dimensions",
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


def _write_manifest(folder: Path, manifest: Manifest) -> None:
    with atomic_file(folder / names.MANIFEST) as temporary:
        temporary.write_text(manifest.model_dump_json(indent=2) + "\n", encoding="utf-8")
