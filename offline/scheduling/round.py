"""One round: collect, run, publish."""

import shutil
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from app.artifact.bundle_store import point_to, resolve, versions
from app.artifact.erasures import note_erasures, read_erasures
from app.artifact.redis_keys import Keys
from app.errors import AisleError
from offline import job
from offline.collecting.collect import CollectConfig, collect
from offline.dataset.spec import SPEC_FILE, load_spec
from offline.errors import PublishRefused, TrainingError
from offline.evaluation.document import EvaluationDocument
from offline.publishing.erasures import write_down_erasures
from offline.publishing.gate import figures_of
from offline.publishing.object_publish import objects_of
from offline.publishing.object_upload import keep_newest, point_objects, remove_objects, upload
from offline.publishing.publish import PublishConfig, publish
from offline.publishing.replicas import WAIT_S
from offline.scheduling.plan import STOPPED, Outcome, Plan, ScheduleConfig
from offline.workspace.atomic import atomic_folder
from offline.workspace.redis_client import connected
from offline.workspace.run_folder import RunFolder
from offline.workspace.storage_errors import storage_errors

_PUBLICATION = ("previous", "users", "items", "seconds", "replicas")
NOTHING_TO_TRAIN_ON = "no events were collected yet, and there is no --base to train on"


class Stopped(Exception):
    """The schedule is stopping; raised where the round can be resumed."""


class StoppingDisplay:
    """Passes progress on to a display, and raises `Stopped` at the next call once the schedule is stopping."""

    def __init__(self, display: job.Display, is_stopping: Callable[[], bool]) -> None:
        self._display = display
        self._is_stopping = is_stopping

    def begin(self, times: Any) -> None:
        """Show the times of the run."""
        self._display.begin(times)

    def say(self, line: str) -> None:
        """Show a line."""
        self._display.say(line)

    def stage(self, name: str) -> None:
        """Show that a stage begins."""
        self._raise_if_stopping()
        self._display.stage(name)

    def skipped(self, name: str) -> None:
        """Show that a stage was done before."""
        self._display.skipped(name)

    def work(self, done: int, total: int, what: str) -> None:
        """Show the progress of the stage."""
        self._raise_if_stopping()
        self._display.work(done, total, what)

    def training(self, progress: Any) -> None:
        """Show the progress of training."""
        self._raise_if_stopping()
        self._display.training(progress)

    def _raise_if_stopping(self) -> None:
        if self._is_stopping():
            raise Stopped


def play_round(plan: Plan, config: ScheduleConfig, display: job.Display, collected: Callable[[], None]) -> Outcome:
    """Play or resume a round, and call `collected` when all entries of the store are on disk.

    A refused publication and bad data are outcomes, not exceptions. Whatever happens, the served version stays until
    the new one is published.
    """
    details: dict[str, Any] = {}
    try:
        with storage_errors(config.out):
            return _play(plan, config, display, collected, details)
    except Stopped:
        return Outcome("stopped", STOPPED, details=details)
    except AisleError as error:
        afresh = isinstance(error, PublishRefused | TrainingError)
        return Outcome("failed", error.message, is_afresh=afresh, details=details)


def _play(
    plan: Plan, config: ScheduleConfig, display: job.Display, collected: Callable[[], None], details: dict[str, Any]
) -> Outcome:
    keys = Keys(config.prefix.encode())
    if not plan.is_collected:
        display.stage("collect")
        with connected(config.address) as client:
            collected_now = collect(
                client,
                keys,
                config.logs,
                config=CollectConfig(base=_earlier_logs(config), items=config.items),
                progress=display.work,
            )
        counts = ("events", "merged", "erased", "rejected", "items")
        details["collected"] = {name: getattr(collected_now, name) for name in counts}
        collected()
    source = config.logs if (config.logs / SPEC_FILE).is_file() else config.base
    if source is None:
        return Outcome("skipped", NOTHING_TO_TRAIN_ON, details=details)
    data = job.data_key(load_spec(source))
    if data == plan.trained_on:
        return Outcome("skipped", "no new events since the last published round", details=details)
    folder = RunFolder(config.round_folder(plan.number))
    _hand_on_erasures(config.bundles, folder.bundles)
    document = job.run(source, folder, _options(plan, config), display)
    details["training"] = folder.record()["train"]["results"]
    figures = figures_of(EvaluationDocument.of(document))
    details["figures"] = None if figures is None else figures.model_dump()
    bundle = _copy_to_store(resolve(folder.bundles), config.bundles)
    display.stage("publish")
    lines: list[str] = []
    objects = None if config.to is None else objects_of(config.to)
    if objects is not None:
        upload(bundle, objects, display.work)
    try:
        with connected(config.address) as client:
            write_down_erasures(client, keys, bundle)
            published = publish(
                bundle,
                client,
                keys,
                config=PublishConfig(
                    keep_events=config.keep_events,
                    keep_items=config.keep_items,
                    user_ttl_s=config.user_ttl_s,
                    max_drop=config.max_drop,
                    wait_s=WAIT_S,
                ),
                progress=display.work,
                say=lines.append,
            )
    except PublishRefused:
        shutil.rmtree(bundle)
        if objects is not None:
            remove_objects(objects, bundle.name)
        raise
    if objects is not None:
        point_objects(bundle, objects)
        keep_newest(objects, config.keep, {published.version, published.previous})
    point_to(config.bundles, published.version)
    _remove_bundles(config, {published.version, published.previous})
    details["publication"] = {name: value for name, value in asdict(published).items() if name in _PUBLICATION}
    details["publication"]["messages"] = lines
    return Outcome("published", version=published.version, data=data, details=details)


def _earlier_logs(config: ScheduleConfig) -> Path | None:
    """The earlier logs, until the collected data set has its own dataset.toml."""
    return None if (config.logs / SPEC_FILE).is_file() else config.base


def _options(plan: Plan, config: ScheduleConfig) -> job.Options:
    return replace(config.options, warm_from=None if plan.warm_from is None else config.round_folder(plan.warm_from))


def _hand_on_erasures(store: Path, round_store: Path) -> None:
    """Let the bundles of the round be made without those who were erased from the bundles that services read."""
    erasures = read_erasures(store)
    if erasures:
        round_store.mkdir(parents=True, exist_ok=True)
        note_erasures(round_store, erasures)


def _copy_to_store(bundle: Path, store: Path) -> Path:
    """Copy the bundle into the store that services read, before they are pointed at it."""
    target = store / bundle.name
    with atomic_folder(target, "manifest.json") as partial:
        shutil.copytree(bundle, partial, dirs_exist_ok=True)
    return target


def _remove_bundles(config: ScheduleConfig, served: set[str | None]) -> None:
    """Remove the bundles of the store, except the newest and those that may be served."""
    for version in versions(config.bundles)[: -max(config.keep, 2)]:
        if version not in served:
            shutil.rmtree(config.bundles / version, ignore_errors=True)
