"""Score a bundle on a data set as it lies: ingested and cut for the occasion, the way its training cut it."""

import tempfile
from pathlib import Path
from typing import Any

from app.artifact.bundle_store import resolve
from app.artifact.manifest import Manifest, read_manifest
from offline.dataset.spec import load_spec
from offline.dataset.split_meta import SplitMeta
from offline.errors import InputError
from offline.evaluation.evaluate import evaluate
from offline.ingest.ingest import ingest
from offline.split.split import split
from offline.workspace.progress import Progress


def evaluate_on(
    data: Path,
    bundle: Path,
    *,
    how: str | None = None,
    baselines: bool = True,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """The evaluation document of `bundle` on `data` (a `dataset.toml` or its folder).

    Raises:
        InputError: it would score what the bundle was trained on, or knows.
        AisleError: the data or the bundle cannot be used.
    """
    manifest = read_manifest(resolve(bundle))
    spec = load_spec(data)
    with tempfile.TemporaryDirectory(prefix="aisle-evaluate-") as folder:
        ingested, parts = Path(folder) / "ingest", Path(folder) / "split"
        summary = ingest(spec, ingested, progress)
        _refuse_trained_on(manifest, str(summary["fingerprint"]), how)
        meta = split(ingested, parts, spec, manifest.seed, how or manifest.split, progress=progress)
        _refuse_known(manifest, meta)
        return evaluate(bundle, parts, seed=manifest.seed, baselines=baselines, progress=progress)


def _refuse_trained_on(manifest: Manifest, fingerprint: str, how: str | None) -> None:
    if how is not None and how != manifest.split and fingerprint == manifest.data_fingerprint:
        raise InputError(
            f"the bundle {manifest.version} was trained on this very data, cut by {manifest.split}: a test by {how} "
            "holds what it has learned. Leave --split out, or train again with it"
        )


def _refuse_known(manifest: Manifest, meta: SplitMeta) -> None:
    """A version that knows its whole log is measured on later events alone."""
    if manifest.measured_as is None:
        return
    is_later = manifest.cut is not None and meta.test_cut is not None and meta.test_cut > manifest.cut
    if meta.fingerprint == manifest.data_fingerprint or not is_later:
        raise InputError(
            f"the bundle {manifest.version} knows its whole log, and the test may hold what it knows: evaluate the "
            f"version that it was measured as, {manifest.measured_as}, which lies in the folder `measured` of its run"
        )
