"""The stage: the bundle that is served has the weights that were measured, and knows the whole log.

What makes frozen weights on new counts sound: the network places an item by weighted means over its neighbours, and a
user by a weighted mean over events. Each row of the graph sums to 1, whatever the number of events, so that more of
them move a mean and no scale. Columns mean what they meant: attributes keep their number and weight, text its idf,
items their row. An item that training never saw has the embedding that training gave to items whose id it dropped, and
takes its place by its text, its attributes and those who touched it. What does grow with the log are counts, which the
ranker reads in logarithms. Whether all this holds for a log is measured: see `offline.evaluation.drift`.
"""

import shutil
import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.behaviours import BEHAVIOURS
from app.artifact.bundle_store import point_to, resolve
from app.artifact.manifest import Manifest, read_manifest
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from offline.evaluation.drift import measure_drift
from offline.evaluation.serving_document import Drift, ServingDocument
from offline.export.bundle import export_bundle
from offline.export.inputs import ExportInputs
from offline.export.retrieve_graph import read_tower
from offline.graph.build import KnownGraph, build_graph, item_graph, read_graph
from offline.serve.grow import grow
from offline.serve.place import place_bundle
from offline.split.whole import PARTS, WholeLog, whole_split
from offline.training.item_bags import bucket_idf
from offline.workspace.atomic import write_json
from offline.workspace.progress import Progress, silent
from offline.workspace.run_folder import RunFolder

MB = 1e6


def serve_measured(folder: RunFolder, reason: str) -> ServingDocument:
    """Make the measured version the one that is served, and write `serving.json`."""
    started = time.monotonic()
    bundle = resolve(folder.measured)
    disk = place_bundle(bundle, folder.bundles, bundle)
    version = read_manifest(bundle).version
    document = ServingDocument(
        how="measured",
        reason=reason,
        version=version,
        measured_as=version,
        seconds=round(time.monotonic() - started, 2),
        own_mb=disk.own / MB,
        linked_mb=disk.linked / MB,
        measured_mb=(disk.own + disk.linked) / MB,
    )
    _finish(folder, document)
    return document


def serve_whole(
    folder: RunFolder, inputs: ExportInputs, *, seed: int, progress: Progress | None = None
) -> ServingDocument:
    """Export the network of the measured bundle once more, on the whole log, and make that version the one served.

    Where it drifted past a threshold, counts are brought to the scale that was measured, and it is looked at again.
    What is served before stays until the new version is verified.

    Args:
        folder: of the run, with a measured bundle.
        inputs: of that bundle; its network is taken over.
        seed: draws the users of the drift check.
        progress: called with each step.

    Raises:
        RunFolderError: an earlier stage's files are not what it writes.
        GoldenMismatch: the bundle does not answer like the network.
    """
    started = time.monotonic()
    tell = progress or silent
    shutil.rmtree(folder.serve, ignore_errors=True)
    places = _Places(folder)
    log = whole_split(folder.ingested, inputs.split, places.split, progress=tell)
    measured = read_manifest(resolve(folder.measured))
    inputs = _whole_inputs(inputs, places, log, measured, tell)  # the graph of training is not needed any more
    review = _Review(folder, places, seed, tell)
    drift, before, scales = review.export(inputs), None, None
    if drift.excesses and inputs.ranker is not None:
        before, scales = drift, review.count_scales()
        drift = review.export(replace(inputs, count_scales=scales))
    disk = place_bundle(resolve(places.store), folder.bundles, resolve(folder.measured))
    document = ServingDocument(
        how="whole",
        version=resolve(places.store).name,
        measured_as=measured.version,
        new_events=log.new_events,
        context_events=log.context_events,
        new_users=log.new_users,
        new_items=log.new_items,
        drift=drift,
        drift_before=before,
        count_scales=None if scales is None else dict(zip(BEHAVIOURS, map(float, scales), strict=True)),
        seconds=round(time.monotonic() - started, 2),
        own_mb=disk.own / MB,
        linked_mb=disk.linked / MB,
        measured_mb=sum(entry.bytes for entry in measured.files.values()) / MB,
    )
    _finish(folder, document)
    return document


@dataclass(frozen=True)
class _Places:
    """Where the stage works; all of it is gone when it is done."""

    folder: RunFolder

    @property
    def split(self) -> Path:
        """The whole log."""
        return self.folder.serve / "split"

    @property
    def graph(self) -> Path:
        """Its graph."""
        return self.folder.serve / "graph"

    @property
    def store(self) -> Path:
        """The store of the bundle until it is moved."""
        return self.folder.serve / "bundle"


@dataclass
class _Review:
    """Exports of the whole log, and each beside the measured bundle."""

    folder: RunFolder
    places: _Places
    seed: int
    tell: Progress
    measured: Snapshot | None = None
    served: Snapshot | None = None

    def export(self, inputs: ExportInputs) -> Drift:
        """Write the bundle to the stage's store, and measure its drift."""
        shutil.rmtree(self.places.store, ignore_errors=True)
        exported = export_bundle(inputs, self.places.store, progress=self.tell)
        if self.measured is None:
            self.measured = load_snapshot(self.folder.measured, threads=0)
        self.served = load_snapshot(exported.folder, threads=0)
        return measure_drift(
            self.measured, self.served, self.folder.split, self.places.split, seed=self.seed, progress=self.tell
        )

    def count_scales(self) -> NDArray[np.float32]:
        """`[3]` what the served counts are multiplied by to sum to the measured ones; 1 where there are none."""
        assert self.measured is not None  # noqa: S101 - after an export
        assert self.served is not None  # noqa: S101
        before, now = (snapshot.tables.counts.sum(axis=0) for snapshot in (self.measured, self.served))
        return np.where((before > 0) & (now > 0), before / np.maximum(now, 1), 1.0).astype(np.float32)


def _whole_inputs(
    inputs: ExportInputs, places: _Places, log: WholeLog, measured: Manifest, tell: Progress
) -> ExportInputs:
    """What the served bundle is made of: the graph of the whole log, and the network on it."""
    trained, bundle = inputs.trained, resolve(places.folder.measured)
    has_same_words = not log.new_items and not log.meta.counts["train"].searched
    idf = bucket_idf(trained.graph)
    known = KnownGraph.read(inputs.graph, inputs.split, trained.record["parts"], idf)
    without = trained.settings.without
    build_graph(places.split, places.graph, parts=PARTS, without=without, known=known, progress=tell)
    graph = item_graph(read_graph(places.graph))
    return replace(
        inputs,
        trained=grow(trained, graph),
        split=places.split,
        graph=places.graph,
        parts=PARTS,
        idf=idf,
        attributes=known.attributes,
        measured_as=measured,
        text_of=bundle if has_same_words else None,
        tower=read_tower(bundle / names.RETRIEVE_GRAPH),
    )


def _finish(folder: RunFolder, document: ServingDocument) -> None:
    """Point to the version, say what it is, and leave nothing else."""
    write_json(folder.serving, document.model_dump(mode="json"))
    point_to(folder.bundles, document.version)
    shutil.rmtree(folder.serve, ignore_errors=True)
