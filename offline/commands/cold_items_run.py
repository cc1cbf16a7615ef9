"""A run of the job that withholds items, and how well they are found."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from offline import job
from offline.evaluation.cold_items import cold_items
from offline.split.withhold import Withhold
from offline.training.ranks import ALONE, Ranks
from offline.workspace.run_folder import RunFolder


def run(
    data: Path,
    out: Path,
    options: job.Options,
    display: job.Display,
    ranks: Ranks = ALONE,
    *,
    how: str,
    share: float,
    live: bool = False,
    reference: Path | None = None,
) -> dict[str, Any]:
    """Train without the withheld items, and score them on test, next to a bundle that was trained with them.

    Stages that were done before are left as they are.

    Args:
        data: `dataset.toml` or its folder.
        out: run folder.
        options: of the run.
        display: shows how far the work is.
        ranks: this process, and those that train beside it.
        how: which items, see `Withhold`.
        share: how many.
        live: whether the catalogue of training lacks them too, and they are put into the bundle as it is served.
        reference: a bundle that was trained on the same split with all items, to compare with.

    Returns:
        The document of `cold_items`, with the `minutes` that this call took.

    Raises:
        AisleError: of the stage that cannot go on.
    """
    began = time.monotonic()
    folder = RunFolder(out)
    withheld = replace(options, withhold=Withhold(how, share, live))
    job.run(data, folder, withheld, display, upto="export", ranks=ranks)
    display.stage("cold items")
    document = cold_items(
        folder.measured, folder.whole, folder.split, reference=reference, seed=options.seed, progress=display.work
    )
    return document | {"minutes": round((time.monotonic() - began) / 60, 1)}
