"""`meta.json` of a split: how the log was cut, what each part holds, and how the set is scored."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, ValidationError

from app.artifact.behaviours import Behaviour
from offline.dataset.catalogue_mark import CatalogueMark
from offline.dataset.spec import Task
from offline.dataset.spec_types import Mask
from offline.errors import RunFolderError

META_FILE: Final = "meta.json"


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True)


class PartCounts(_Record):
    """The sizes of one part. `searched` events have a query that is not kept new for validation."""

    events: int = 0
    users: int = 0
    targets: int = 0
    targets_on_unknown_items: int = 0
    targets_on_seen_items: int = 0
    searched: int = 0


class WithheldItems(_Record):
    """Which items' events were left out of train and valid, and how many items those are."""

    how: str
    share: float
    items: int
    live: bool = False  # whether the catalogue of the split lacks them too


class SplitMeta(_Record):
    """What is known of a split. Fields that are not set are not written."""

    dataset: str
    seed: int
    how: str  # column, time:F, last, random or none
    task: Task
    mask: tuple[Mask, ...]
    metrics: tuple[str, ...]
    target_event: Behaviour | None = None
    has_time: bool
    has_order: bool
    event_types: Mapping[str, Behaviour] = {}  # the shop's own words
    behaviours: tuple[Behaviour, ...] = ()  # of train
    catalogue_columns: tuple[str, ...] = ()  # those that `dataset.toml` names, as filters name them
    counts: Mapping[str, PartCounts]  # by part
    train_cut: float | None = None  # unix seconds; None where the log is not cut by time
    test_cut: float | None = None
    fingerprint: str  # of the ingested tables
    catalogue: CatalogueMark | None = None  # where the items were collected
    n_items: int
    n_users: int
    dropped_without_time: int = 0
    valid_unseen: bool | None = None  # whether carved valid users keep no event on what they are asked for
    fresh_valid: int | None = None  # targets of valid that the run of a warm start did not know
    withheld: WithheldItems | None = None
    held_items: int | None = None  # of `own_words`: how many are asked about and learned from by no query

    @property
    def by_time(self) -> bool:
        """Whether the log is cut at clock times."""
        return self.how.startswith("time:")

    @property
    def held_back(self) -> int:
        """How many events the parts that are trained on and counted, train and valid, lack."""
        later = (self.counts[part].events for part in ("context", "test") if part in self.counts)
        return sum(later) + self.dropped_without_time

    def document(self) -> dict[str, Any]:
        """The fields that are set, as JSON holds them."""
        return self.model_dump(mode="json", exclude_unset=True)

    def text(self) -> str:
        """The contents of `meta.json`."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"


def read_split_meta(split: Path) -> SplitMeta:
    """The meta of the split in the folder `split`.

    Raises:
        RunFolderError: there is none, or it is not what `split` writes.
        ValueError: the file is damaged.
    """
    path = split / META_FILE
    try:
        return SplitMeta.model_validate(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        raise RunFolderError(f"{split}: expected a split with {META_FILE}, got none: split first") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        raise RunFolderError(
            f"{path}: expected what `split` writes, got another document ({place}: {first['msg']}): split again"
        ) from None
