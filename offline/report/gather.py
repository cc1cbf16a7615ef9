"""What a run folder says of the run: read here, and nowhere else in the report. Stages that a run lacks are None."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.artifact.bundle_store import resolve
from app.artifact.manifest import Manifest, read_manifest
from app.errors import BundleError
from offline.dataset.split_meta import META_FILE, SplitMeta, read_split_meta
from offline.errors import RunFolderError
from offline.evaluation.document import EvaluationDocument
from offline.evaluation.serving_document import ServingDocument, read_serving
from offline.graph.build import GRAPH_FILE
from offline.ingest.ingest import SUMMARY_FILE
from offline.report.distributions import Distributions, distributions_of
from offline.report.findings import Evidence
from offline.training.trained import HISTORY_FILE
from offline.workspace.run_folder import RunFolder

Document = dict[str, Any]

TRAINED = {"train": "network", "refit": "refitted network", "refit/train": "refitted network", "rank": "ranker"}
"""Folders of a run that may hold a learning curve, and what was trained there."""


@dataclass(frozen=True)
class RunFacts:
    """All that the report is made of."""

    path: Path
    document: EvaluationDocument
    record: Document  # by stage
    summary: Document | None  # of ingest
    split: SplitMeta | None
    graph: Document | None
    curves: dict[str, Document]  # by what was trained
    manifest: Manifest | None  # of the measured bundle
    distributions: Distributions | None
    published: Manifest | None = None  # of the bundle that `publish` takes
    serving: ServingDocument | None = None
    live: Document | None = None  # how versions that served did, where the data was collected from them

    def evidence(self) -> Evidence:
        """What the verdict is made of."""
        manifest, published = self.manifest, self.published
        return Evidence(
            document=self.document,
            summary=self.summary,
            compression=[] if manifest is None else manifest.compression,
            curves=list(self.curves.items()),
            version=None if published is None else published.measured_as or published.version,
            serving=self.serving,
        )


def gather(folder: RunFolder) -> RunFacts:
    """Read the run in `folder`.

    Raises:
        RunFolderError: nothing was evaluated there, or a file is unreadable.
    """
    document = _read(folder.report)
    if document is None:
        raise RunFolderError(f"{folder.path}: expected an evaluated run with {folder.report.name}, got none: run it")
    published = _manifest(folder.bundles)
    curves = [(what, _read(folder.path / below / HISTORY_FILE)) for below, what in TRAINED.items()]
    return RunFacts(
        path=folder.path,
        document=EvaluationDocument.of(document),
        record=folder.record(),
        summary=_read(folder.ingested / SUMMARY_FILE),
        split=_split(folder.split),
        graph=_read(folder.graph / GRAPH_FILE),
        curves={what: history for what, history in curves if history is not None},
        manifest=_manifest(folder.measured) or published,
        distributions=distributions_of(folder.ingested),
        published=published,
        serving=read_serving(folder.serving) if folder.serving.exists() else None,
        live=_read(folder.live),
    )


def _read(path: Path) -> Document | None:
    try:
        document: Document = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise RunFolderError(f"{path}: expected JSON, got something else ({error}): run its stage again") from error
    return document


def _split(folder: Path) -> SplitMeta | None:
    path = folder / META_FILE
    try:
        return read_split_meta(folder) if path.exists() else None
    except ValueError as error:
        raise RunFolderError(f"{path}: expected JSON, got something else ({error}): run its stage again") from error


def _manifest(bundles: Path) -> Manifest | None:
    try:
        return read_manifest(resolve(bundles))
    except BundleError:  # a page about what is there is better than none
        return None
