"""A run folder: where each stage of one training run writes, what is done already, and who is at work in it."""

import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.artifact.bundle_store import STORE
from offline.errors import RunFolderError
from offline.workspace.atomic import write_json
from offline.workspace.lock import exclusive_lock
from offline.workspace.stop import at_hard_stop

RECORD_FILE = "run.json"
LOCK_FILE = ".lock"


@dataclass(frozen=True)
class RunFolder:
    """The folder of one run, such as `runs/NAME`, and where its stages write."""

    path: Path

    @property
    def ingested(self) -> Path:
        """The clean tables of ingest."""
        return self.path / "ingest"

    @property
    def embed(self) -> Path:
        """The teacher's vectors of the texts of the catalogue, where there is a teacher."""
        return self.path / "embed"

    @property
    def distil(self) -> Path:
        """The student of the teacher, and the vectors of the queries that it learned from."""
        return self.path / "distil"

    @property
    def split(self) -> Path:
        """Numbered tables, cut into parts."""
        return self.path / "split"

    @property
    def whole(self) -> Path:
        """The split before items were withheld, where some are."""
        return self.path / "whole"

    @property
    def graph(self) -> Path:
        """Edges of the heterogeneous graph."""
        return self.path / "graph"

    @property
    def train(self) -> Path:
        """Checkpoint, best weights, learning curve."""
        return self.path / "train"

    @property
    def rank(self) -> Path:
        """The ranker, and how its training went."""
        return self.path / "rank"

    @property
    def rank_bundle(self) -> Path:
        """The store with the bundle that the ranker learned from, which knows train alone."""
        return self.path / "rank_bundle"

    @property
    def refit(self) -> Path:
        """Graph and weights of the network that learned from the validation events too."""
        return self.path / "refit"

    @property
    def compress(self) -> Path:
        """The variants' table, the choice, and the weights of the chosen one."""
        return self.path / "compress"

    @property
    def measured(self) -> Path:
        """The store of the bundles that test is measured on, which know train and valid."""
        return self.path / "measured"

    @property
    def serve(self) -> Path:
        """Where the bundle that is served is made: the whole log with its graph, and the bundle until it is moved."""
        return self.path / "serve"

    @property
    def bundles(self) -> Path:
        """The store of the bundles that are served, which know the whole log."""
        return self.path / STORE

    @property
    def serving(self) -> Path:
        """What the served bundle knows besides the measured one, how far it drifted from it, and what it took."""
        return self.path / "serving.json"

    @property
    def report(self) -> Path:
        """The figures of the current bundle."""
        return self.path / "report.json"

    @property
    def live(self) -> Path:
        """How the versions did that served while the data was collected, where it was."""
        return self.path / "live.json"

    @property
    def page(self) -> Path:
        """The report that people read."""
        return self.path / "report.html"

    @property
    def spent(self) -> Path:
        """What a stage that is not finished has spent so far."""
        return self.path / "spent.json"

    def record(self) -> dict[str, Any]:
        """What was done here, by stage: its key, its seconds, its results.

        Raises:
            RunFolderError: the record is unreadable.
        """
        path = self.path / RECORD_FILE
        try:
            record = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except ValueError as error:
            raise RunFolderError(f"{path}: not JSON ({error}); delete it to run all stages again") from error
        if not isinstance(record, dict) or not all(isinstance(entry, dict) for entry in record.values()):
            raise RunFolderError(
                f"{path}: expected an object with one entry a stage, got another document; delete it to run all "
                "stages again"
            )
        return record

    def is_done(self, stage: str, key: str) -> bool:
        """Whether the stage was finished with that key."""
        return bool(self.record().get(stage, {}).get("key") == key)

    def note(self, stage: str, entry: dict[str, Any]) -> None:
        """Record that a stage is finished."""
        write_json(self.path / RECORD_FILE, self.record() | {stage: entry})

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep others out; the lock goes with the process, so that a killed run leaves none behind.

        Raises:
            RunFolderError: somebody else is at work here, or the folder is no run folder.
        """
        if self.path.is_file():
            raise RunFolderError(f"{self.path}: expected a run folder, got a file: name another folder")
        if self.path.is_dir() and any(self.path.iterdir()) and not (self.path / LOCK_FILE).exists():
            raise RunFolderError(f"{self.path}: expected a run folder or an empty one, got other files: name another")
        self.path.mkdir(parents=True, exist_ok=True)
        with exclusive_lock(
            self.path / LOCK_FILE, f"{self.path}: another run is at work here; wait for it, or name another"
        ):
            self._clear_leftovers()
            with at_hard_stop(self._clear_leftovers):
                yield

    def _clear_leftovers(self) -> None:
        """Remove the unfinished files and folders of a killed run, whose names begin with a dot.

        It is called under the lock, when nobody else writes here. Files in the store of served bundles stay: a service
        may be moving its pointer.
        """
        kept = (self.path / LOCK_FILE, *self.bundles.glob(".*"))
        for entry in list(self.path.rglob(".*")):
            if entry.is_dir():
                shutil.rmtree(entry, ignore_errors=True)
            elif entry not in kept:
                entry.unlink(missing_ok=True)


def key_of(*parts: Any) -> str:
    """A short hash of what a stage depends on; `parts` are JSON."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def reset_if_stale(folder: Path, key: str) -> None:
    """Empty `folder` unless its checkpoint belongs to `key`; afterwards it exists and holds the key."""
    path = folder / "key"
    if folder.exists() and not (path.exists() and path.read_text("utf-8") == key):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(key, encoding="utf-8")
