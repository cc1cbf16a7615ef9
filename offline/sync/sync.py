"""Sync: send the difference between a shop's export and the live catalogue."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from offline.errors import InputError
from offline.sync.difference import Difference, Operation, difference
from offline.sync.export_file import ExportedItems
from offline.sync.target import AT_ONCE, Refusal, Target
from offline.workspace.durations import about
from offline.workspace.progress import Progress

MOST_DELETED: Final = 0.2
"""The share of the live items that `delete_missing` takes away without being told once more."""
_EXAMPLES: Final = 5
_MOST_SHOWN: Final = 20  # refusals
_TELL_EVERY_S: Final = 5.0

Say = Callable[[str], None]
"""Receives a line for people."""


@dataclass(frozen=True)
class SyncConfig:
    """How a difference is sent."""

    dry_run: bool = False
    delete_missing: bool = False
    delete_most: bool = False  # whatever share of the items goes
    rate: float | None = None  # operations a second at most
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Synced:
    """What a sync did, or with `dry_run` would do."""

    dry_run: bool
    put: int
    patched: int
    deleted: int
    same: int  # items that were as the export says
    missing: int  # items that the export lacks and that stay
    seconds: float
    rejected_rows: tuple[str, ...] = ()  # of the export
    refused: list[Refusal] = field(default_factory=list)  # by the catalogue

    @property
    def is_whole(self) -> bool:
        """Whether everything that the export says was taken."""
        return not self.rejected_rows and not self.refused


def sync(exported: ExportedItems, target: Target, config: SyncConfig, progress: Progress, say: Say) -> Synced:
    """Send what differs. A sync that was stopped goes on when it is repeated, and one after the other sends nothing.

    Args:
        exported: what the export says.
        target: the live catalogue.
        config: how it is sent.
        progress: called with the items read, and the operations done.
        say: called with each line that a person may want to read.

    Raises:
        AisleError: the catalogue cannot be read, too many items would go, or sending failed; before sending nothing
            was changed.
    """
    started = config.clock()
    for line in exported.rejected[:_MOST_SHOWN]:
        say(f"not taken: {line}")
    gap = difference(exported, target.items(progress))
    deletes = _deletes(gap, exported, config, say)
    operations = [*gap.puts, *gap.patches, *deletes]
    _tell(gap, deletes, say)
    refused: list[Refusal] = []
    if config.dry_run:
        for kind in (gap.puts, gap.patches, deletes):
            for operation in kind[:_EXAMPLES]:
                say(f"would {operation.said()}")
    else:
        refused = _send(target, operations, config, progress)
        for refusal in refused[:_MOST_SHOWN]:
            say(f"refused: {refusal.item_id}: {refusal.reason}")
        if len(refused) > _MOST_SHOWN:
            say(f"refused: {len(refused) - _MOST_SHOWN} more")
    lost = {refusal.item_id for refusal in refused}
    counts = [sum(operation.item_id not in lost for operation in kind) for kind in (gap.puts, gap.patches, deletes)]
    return Synced(
        dry_run=config.dry_run,
        put=counts[0],
        patched=counts[1],
        deleted=counts[2],
        same=gap.same,
        missing=len(gap.missing) - len(deletes),
        seconds=round(config.clock() - started, 3),
        rejected_rows=exported.rejected,
        refused=refused,
    )


def _deletes(gap: Difference, exported: ExportedItems, config: SyncConfig, say: Say) -> Sequence[Operation]:
    if not config.delete_missing or not gap.missing:
        return []
    if exported.rejected:
        say(
            f"{len(gap.missing)} items that the export lacks stay: rows of it cannot be read, and may be theirs; "
            "correct them and sync again"
        )
        return []
    share = len(gap.missing) / gap.known
    if share > MOST_DELETED and not config.delete_most:
        some = ", ".join(operation.item_id for operation in gap.missing[:_EXAMPLES])
        raise InputError(
            f"expected an export of the whole catalogue, got one that lacks {len(gap.missing)} of {gap.known} items "
            f"({share:.0%}), such as {some}: nothing was changed; give the whole export, leave --delete-missing out, "
            "or add --delete-most"
        )
    return gap.missing


def _tell(gap: Difference, deletes: Sequence[Operation], say: Say) -> None:
    stay = len(gap.missing) - len(deletes)
    line = f"{len(gap.puts)} new, {len(gap.patches)} changed, {len(deletes)} to delete, {gap.same} as they are"
    say(line + (f"; {stay} that the export lacks stay" if stay else ""))


def _send(target: Target, operations: Sequence[Operation], config: SyncConfig, progress: Progress) -> list[Refusal]:
    refused: list[Refusal] = []
    started = last_line = config.clock()
    done, what = 0, "sent"
    for group in _groups(operations, config.rate):
        refused += target.send(group)
        done += len(group)
        spent = config.clock() - started
        if config.rate is not None and done < len(operations) and (early := done / config.rate - spent) > 0:
            config.sleep(early)
            spent += early
        if started + spent - last_line > _TELL_EVERY_S:
            last_line, speed = started + spent, done / spent
            what = f"sent, {speed:.0f} a second, {about((len(operations) - done) / speed)} left"
        progress(done, len(operations), what)
    return refused


def _groups(operations: Sequence[Operation], rate: float | None) -> Iterator[Sequence[Operation]]:
    """Parts that are sent at once: with a rate those of a second at most."""
    size = AT_ONCE if rate is None else max(1, min(AT_ONCE, int(rate)))
    for start in range(0, len(operations), size):
        yield operations[start : start + size]
