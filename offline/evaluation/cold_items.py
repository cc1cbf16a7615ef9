"""Cold items: how well items withheld from training are found, placed by text and attributes alone."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.bundle_store import resolve
from app.artifact.columns import offsets_of
from app.artifact.manifest import read_manifest
from app.artifact.user_state import read_user_states
from app.engine.live.item_change import ItemChange
from app.engine.live.views import ViewMaker
from app.engine.loading import load_snapshot
from app.engine.recommend import recommend
from app.engine.requests import ALL_STAGES, ItemMask, RequestBatch, pad_rows
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import SplitMeta, read_split_meta
from offline.errors import DatasetError, InputError, RunFolderError
from offline.evaluation.baselines import popularity
from offline.evaluation.intervals import mean_interval
from offline.evaluation.metrics import DEPTH, Metric, table_of
from offline.evaluation.protocol import Cases, RowLists, load_cases
from offline.evaluation.ranked import rank_requests
from offline.evaluation.requests import batch_of_cases, bundle_rows, map_rows
from offline.ingest.item_documents import documents_of
from offline.split.withhold import WITHHELD_FILE
from offline.workspace.progress import Progress, silent

NOTE = (
    "histories keep the events on withheld items, as the service would: it knows such an event at once, and reads the "
    "item's vector, which its content has placed"
)

_METRICS = [Metric("hr", 10), Metric("ndcg", 10)]
_BATCH = 256


def cold_items(
    bundle: Path,
    whole: Path,
    withheld: Path,
    *,
    reference: Path | None = None,
    part: str = "test",
    seed: int = 0,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Score a bundle on those targets of a part that are withheld items, against the whole catalogue.

    Items that the catalogue of training lacks are put into the bundle as they are while it is served, at once.

    Returns a JSON document: `how`, `live`, `items` withheld, `targets` scored, `hr@10` with `ci95` (bootstrap over
    users), `ndcg@10`, `ranked_among_cold_hr@10` when only withheld items are ranked, `seen_in_training_hr@10` of
    `reference` (null without) and `popularity_hr@10` of the same targets (null where they are put live: nobody has
    touched any), and `notes`. The first mask of the split is used.

    Args:
        bundle: trained on `withheld`.
        whole: the split before items were withheld.
        withheld: the same without them, from `offline.dataset.withhold`.
        reference: a bundle trained on `whole`, to compare with.
        part: valid or test.
        seed: of the resamples.
        progress: called with how far the work is.

    Raises:
        BundleError: a bundle cannot be served.
        DatasetError: no target of that part is a withheld item.
        InputError: `reference` was trained on something else.
        RunFolderError: a folder is no such split.
    """
    report = progress or silent
    meta = read_split_meta(withheld)
    if meta.withheld is None:
        raise RunFolderError(f"{withheld}: expected a split without some items, got a whole one: withhold some first")
    mask = meta.mask[0]
    cold = pl.read_parquet(withheld / WITHHELD_FILE).get_column("item").to_numpy()
    cases = _on(load_cases(whole, part), cold)
    items = pl.read_parquet(whole / "items.parquet").sort("row")
    item_ids = items["item_id"].to_list()
    new = items.filter(pl.col("row").is_in(cold)) if meta.withheld.live else items.clear()
    if reference is not None:
        _refuse_other(reference, meta)
    ours = _Scored.of(bundle, cases, item_ids, new)
    values = table_of(_METRICS, ours.ranked(mask, report), ours.targets)
    among = table_of(_METRICS, ours.ranked_among(mask, cold, report), ours.targets)
    seen = None
    if reference is not None:
        trained = _Scored.of(reference, cases, item_ids, items.clear())
        seen = float(table_of(_METRICS, trained.ranked(mask, report), trained.targets)[:, 0].mean())
    popular = None
    if not meta.withheld.live:
        by_count = popularity(withheld, cases, [mask], DEPTH)[mask]
        popular = float(table_of(_METRICS, by_count, cases.targets)[:, 0].mean())
    return {
        "how": meta.withheld.how,
        "live": meta.withheld.live,
        "share": meta.withheld.share,
        "items": len(cold),
        "users": len(cases),
        "targets": len(cases.targets.rows),
        "hr@10": float(values[:, 0].mean()),
        "ci95": list(mean_interval(values[:, 0], np.random.default_rng(seed))),
        "ndcg@10": float(values[:, 1].mean()),
        "ranked_among_cold_hr@10": float(among[:, 0].mean()),
        "seen_in_training_hr@10": seen,
        "popularity_hr@10": popular,
        "mask": mask,
        "notes": [NOTE],
    }


@dataclass(frozen=True)
class _Scored:
    """A bundle, and the cases as its requests."""

    snapshot: Snapshot
    cases: Cases
    rows: NDArray[np.int32]  # the bundle's row of every row of the split
    requests: RequestBatch

    @classmethod
    def of(cls, bundle: Path, cases: Cases, item_ids: list[str], new: pl.DataFrame) -> "_Scored":
        """`new` are the items, of the split's table, that are put into the bundle."""
        snapshot = load_snapshot(bundle, threads=0)
        if not new.is_empty():
            changes = map(ItemChange, new["item_id"].to_list(), documents_of(new))
            snapshot = ViewMaker(snapshot).apply(list(changes))
        rows = bundle_rows(item_ids, snapshot.items)
        states = read_user_states(snapshot.folder)
        requests, _ = batch_of_cases(cases, rows, states, snapshot.manifest.shapes.window)
        return cls(snapshot, cases, rows, requests)

    @property
    def targets(self) -> RowLists:
        return map_rows(self.cases.targets, self.rows)

    def ranked(self, mask: str, progress: Progress) -> NDArray[np.int64]:
        """`[n, DEPTH]`, over the whole catalogue."""
        return rank_requests(
            self.snapshot, self.requests, map_rows(self.cases.mask(mask), self.rows), ALL_STAGES, progress
        )

    def ranked_among(self, mask: str, cold: NDArray[np.integer], progress: Progress) -> NDArray[np.int64]:
        """`[n, DEPTH]`, over the rows `cold` of the split alone."""
        hidden = map_rows(self.cases.mask(mask), self.rows)
        allowed = np.zeros(self.snapshot.items.selectable.shape[1], dtype=np.bool_)
        allowed[self.rows[cold]] = True
        allowed[0] = False
        rankings = []
        for start in range(0, len(self.requests), _BATCH):
            progress(start, len(self.requests), "ranking withheld items")
            lines = np.arange(start, min(start + _BATCH, len(self.requests)))
            excluded = pad_rows([hidden.of(line).astype(np.int64) for line in lines.tolist()])
            batch = replace(self.requests.take(lines), exclude_rows=excluded)
            rankings.append(recommend(self.snapshot, batch, DEPTH, ALL_STAGES, ItemMask(allowed[None])).rows)
        progress(len(self.requests), len(self.requests), "ranking withheld items")
        return np.concatenate(rankings)


def _on(cases: Cases, rows: NDArray[np.integer]) -> Cases:
    """The cases with a target among `rows`, and those targets alone.

    Raises:
        DatasetError: there are none.
    """
    is_cold = np.isin(cases.targets.rows, rows)
    counts = np.bincount(cases.targets.lines()[is_cold], minlength=len(cases))
    lines = np.flatnonzero(counts)
    if not len(lines):
        raise DatasetError(
            f"expected targets of the {cases.part} part among the {len(rows)} withheld items, got none: raise --share"
        )
    in_history = np.isin(cases.history.lines(), lines)
    lengths = cases.history.lengths()[lines]
    return replace(
        cases,
        user_ids=[cases.user_ids[line] for line in lines],
        now=cases.now[lines],
        history=RowLists(offsets_of(lengths), cases.history.rows[in_history]),
        history_types=cases.history_types[in_history],
        history_times=cases.history_times[in_history],
        context=cases.context[lines],
        targets=RowLists(offsets_of(counts[lines]), cases.targets.rows[is_cold]),
    )


def _refuse_other(reference: Path, meta: SplitMeta) -> None:
    manifest = read_manifest(resolve(reference))
    trained_on = (manifest.data_fingerprint, manifest.split, manifest.seed)
    expected = (meta.fingerprint, meta.how, meta.seed)
    if trained_on != expected:
        raise InputError(
            f"expected --beside trained on the same data, split and seed {expected}, got {trained_on}: make one with "
            "`aisle-offline run` and the same --split and --seed"
        )
