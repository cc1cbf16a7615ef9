"""One round: collect, run, publish; reads as a table of contents."""

import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from app.artifact.bundle_store import point_to, resolve, versions
from app.artifact.redis_keys import Keys
from app.errors import AisleError
from offline import job
from offline.collecting.collect import collect
from offline.dataset.spec import SPEC_FILE, load_spec
from offline.errors import PublishRefused, TrainingError
from offline.publishing.gate import figures_of
from offline.publishing.publish import publish
from offline.scheduling.plan import STOPPED, Outcome, Plan, Wishes
from offline.workspace.atomic import atomic_folder
from offline.workspace.redis_client import connected
from offline.workspace.run_folder import RunFolder
from offline.workspace.storage_errors import storage_errors

NEXT_TO_NOTHING = "no events were collected yet, and there is no --base to train on"


class Stopped(Exception):
    """The schedule is to end; raised at a place from which the round can go on."""


class StoppingDisplay:
    """Passes on how far a round is, and raises `Stopped` at the next word of it once that is asked for."""

    def __init__(self, display: job.Display, is_stopping: Callable[[], bool]) -> None:
        self._display = display
        self._is_stopping = is_stopping

    def stage(self, name: str) -> None:
        """A stage begins."""
        self._look()
        self._display.stage(name)

    def skipped(self, name: str) -> None:
        """A stage was done before."""
        self._display.skipped(name)

    def work(self, done: int, total: int, what: str) -> None:
        """How far the stage is."""
        self._look()
        self._display.work(done, total, what)

    def training(self, progress: Any) -> None:
        """How far training is."""
        self._look()
        self._display.training(progress)

    def _look(self) -> None:
        if self._is_stopping():
            raise Stopped


def play_round(plan: Plan, wishes: Wishes, display: job.Display, collected: Callable[[], None]) -> Outcome:
    """Play a round, or go on with one; `collected` is called when all that was in the store is on disk.

    An intended refusal is an outcome; the version before it stays, whatever happens.
    """
    told: dict[str, Any] = {}
    try:
        with storage_errors(wishes.out):
            return _play(plan, wishes, display, collected, told)
    except Stopped:
        return Outcome("stopped", STOPPED, told=told)
    except AisleError as error:
        afresh = isinstance(error, PublishRefused | TrainingError)
        return Outcome("failed", error.message, is_afresh=afresh, told=told)


def _play(
    plan: Plan, wishes: Wishes, display: job.Display, collected: Callable[[], None], told: dict[str, Any]
) -> Outcome:
    keys = Keys(wishes.prefix.encode())
    if not plan.is_collected:
        display.stage("collect")
        with connected(wishes.address) as client:
            found = collect(
                client, keys, wishes.logs, base=_unless_there(wishes), items=wishes.items, progress=display.work
            )
        told["collected"] = {name: getattr(found, name) for name in ("events", "merged", "erased", "rejected")}
        collected()
    source = wishes.logs if (wishes.logs / SPEC_FILE).is_file() else wishes.base
    if source is None:
        return Outcome("skipped", NEXT_TO_NOTHING, told=told)
    data = job.data_key(load_spec(source))
    if data == plan.trained_on:
        return Outcome("skipped", "no new events since the last published round", told=told)
    folder = RunFolder(wishes.round_folder(plan.number))
    document = job.run(source, folder, _options(plan, wishes), display)
    told["training"] = folder.record()["train"]["results"]
    figures = figures_of(document)
    told["figures"] = None if figures is None else figures.model_dump()
    bundle = _placed(resolve(folder.bundles), wishes.bundles)
    display.stage("publish")
    try:
        with connected(wishes.address) as client:
            published = publish(
                bundle,
                client,
                keys,
                keep_events=wishes.keep_events,
                user_ttl_s=wishes.user_ttl_s,
                max_drop=wishes.max_drop,
                progress=display.work,
            )
    except PublishRefused:
        shutil.rmtree(bundle)
        raise
    point_to(wishes.bundles, published.version)
    _remove_bundles(wishes, {published.version, published.previous})
    told["publication"] = {
        name: value for name, value in asdict(published).items() if name in ("previous", "users", "items", "seconds")
    }
    return Outcome("published", version=published.version, data=data, told=told)


def _unless_there(wishes: Wishes) -> Path | None:
    """The base counts until the collected data set is described."""
    return None if (wishes.logs / SPEC_FILE).is_file() else wishes.base


def _options(plan: Plan, wishes: Wishes) -> job.Options:
    return job.Options(
        split=wishes.split,
        seed=wishes.seed,
        device=wishes.device,
        budget_s=wishes.budget_s,
        overrides=wishes.overrides,
        weight_bits=wishes.weight_bits,
        max_bad_share=wishes.max_bad_share,
        warm_from=None if plan.warm_from is None else wishes.round_folder(plan.warm_from),
        warm_epochs=wishes.warm_epochs,
    )


def _placed(bundle: Path, store: Path) -> Path:
    """The bundle in the store that services read, before any of them is told of it."""
    place = store / bundle.name
    with atomic_folder(place, "manifest.json") as beside:
        shutil.copytree(bundle, beside, dirs_exist_ok=True)
    return place


def _remove_bundles(wishes: Wishes, served: set[str | None]) -> None:
    """All but the newest, and those that may be served: the published one and the one to go back to."""
    for version in versions(wishes.bundles)[: -max(wishes.keep, 2)]:
        if version not in served:
            shutil.rmtree(wishes.bundles / version, ignore_errors=True)
