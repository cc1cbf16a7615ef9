"""A run of the job that withholds items, the same run with all of them beside it, and how the two compare on them."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from offline import job
from offline.dataset.withhold import Withhold
from offline.evaluation.cold_items import cold_items
from offline.run_folder import RunFolder

BESIDE = "beside"


def run(
    data: Path,
    out: Path,
    options: job.Options,
    display: job.Display,
    *,
    how: str,
    share: float,
    beside: Path | None = None,
) -> dict[str, Any]:
    """Train without the withheld items, and with all of them unless `beside` was; score both on test.

    Stages that were done before are left as they are.

    Args:
        data: `dataset.toml` or its folder.
        out: run folder; the run with all items goes into `beside` in it.
        options: of both runs.
        display: told how far it is.
        how: which items, see `Withhold`.
        share: how many.
        beside: a bundle that was trained on the same split with all items.

    Returns:
        The document of `cold_items`, with the `minutes` that this call took.

    Raises:
        AisleError: of the stage that cannot go on.
    """
    began = time.monotonic()
    folder = RunFolder(out)
    job.run(data, folder, replace(options, withhold=Withhold(how, share)), display, upto="export")
    if beside is None:
        all_items = RunFolder(out / BESIDE)
        job.run(data, all_items, options, display, upto="export")
        beside = all_items.bundles
    display.stage("cold items")
    document = cold_items(
        folder.bundles, folder.whole, folder.split, beside=beside, seed=options.seed, progress=display.work
    )
    return document | {"minutes": round((time.monotonic() - began) / 60, 1)}
