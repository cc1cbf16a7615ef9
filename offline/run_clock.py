"""The clock of one run: what its stages took, before a stop too, what each may take, and how long the rest takes."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Final

from offline.estimates import LEAST_S, STAGES_S, Sizes
from offline.workspace.atomic import write_json
from offline.workspace.budget import SHARES, Allowance, Now, share_of
from offline.workspace.run_folder import RunFolder

_NOTED_EVERY_S: Final = 2.0
_FACTOR: Final = (0.5, 8.0)  # how far this machine may be from the one of the estimates


class RunClock:
    """Seconds by stage. One clock serves a call, and takes up the record of the calls before it.

    Args:
        folder: of the run.
        keys: of all stages; what another key stands beside was spent on something else.
        stages: of this call, in their order.
        budget_s: of the stages in `SHARES` together.
        now: returns seconds.
    """

    def __init__(
        self,
        folder: RunFolder,
        keys: Mapping[str, str],
        stages: Sequence[str],
        budget_s: float | None,
        now: Now = time.monotonic,
    ) -> None:
        self._folder = folder
        self._keys = keys
        self._stages = tuple(stages)
        self.budget_s = budget_s
        self._now = now
        self._seconds: dict[str, float] = {
            name: entry["seconds"] for name, entry in folder.record().items() if entry.get("key") == keys.get(name)
        }
        self._sizes: Sizes | None = None
        self._stage: str | None = None
        self._clock = Allowance.of(None, now=now)
        self._done = 0.0

    @contextmanager
    def stage(self, name: str, *, again: bool = False) -> Iterator[None]:
        """Count the body as the stage, with what an attempt before it had spent; noted as it goes, for the next one.

        Args:
            name: of the stage.
            again: it is done anew, though it was done.
        """
        if again:
            self._seconds.pop(name, None)
        self._stage, self._done = name, 0.0
        done = False
        self._clock = Allowance.of(None, used=self._spent_before(name), now=self._now)
        stop = threading.Event()
        thread = threading.Thread(target=self._note_on, args=(stop,), daemon=True, name="clock")
        thread.start()
        try:
            yield
            done = True
        finally:
            stop.set()
            thread.join()
            if done:
                self._seconds[name] = self._clock.used()
                self._folder.spent.unlink(missing_ok=True)
            else:
                self._note()
            self._stage = None

    def seconds(self) -> float:
        """Of the stage at work."""
        return self._clock.used()

    def elapsed_s(self) -> float:
        """Of the whole run, with what was done and spent before."""
        before = sum(seconds for name, seconds in self._seconds.items() if name != self._stage)
        return before + (self._clock.used() if self._stage else 0.0)

    def advance(self, share: float) -> None:
        """The stage at work has done so much of its work."""
        self._done = min(max(share, 0.0), 1.0)

    def know(self, sizes: Sizes) -> None:
        """Estimate from these sizes."""
        self._sizes = sizes

    def allowance(self) -> Allowance:
        """What the stage at work may take, beginning when it began; without a bound where there is no budget."""
        stage = self._stage
        if stage is None or self.budget_s is None or stage not in SHARES:
            return Allowance(None, self._clock.began, self._now)
        return Allowance(self._share_s(stage), self._clock.began, self._now)

    def bounds(self, stage: str) -> bool:
        """Whether the budget bounds a stage of that name."""
        return self.budget_s is not None and stage in SHARES

    def bounded_s(self) -> float:
        """What the stages that the budget bounds have taken, together."""
        return sum(seconds for name, seconds in self._seconds.items() if name in SHARES)

    def least_s(self) -> float:
        """About what one pass of every bounded stage takes."""
        return sum(self._estimate(LEAST_S, name) for name in self._stages if name in SHARES)

    def on_top_s(self) -> float:
        """About what the stages take that no budget bounds, and that are still to be done."""
        return sum(
            self._estimate(STAGES_S, name) for name in self._stages if name not in SHARES and name not in self._seconds
        )

    def left_s(self) -> float | None:
        """About how long the rest of the run takes; None while nothing is known of the sizes."""
        if self._sizes is None:
            return None
        rest = 0.0
        ahead = [name for name in self._stages if name not in self._seconds and name != self._stage]
        bounded = [name for name in ahead if name in SHARES]
        rest += sum(self._estimate(STAGES_S, name) for name in ahead if name not in SHARES)
        at_work_s = 0.0
        if self._stage is not None:
            used, share = self._clock.used(), self._done
            estimated = self._estimate(STAGES_S, self._stage)
            by_share = used * (1 - share) / share if share > 0 else 0.0
            by_rule = max(estimated - used, 0.0)
            at_work_s = by_share if share > 0.5 or (share > 0 and used > estimated) else max(by_share, by_rule)
        if self.budget_s is None:
            return rest + at_work_s + sum(self._estimate(STAGES_S, name) for name in bounded)
        if self._stage in SHARES or bounded:
            used = self._clock.used() if self._stage in SHARES else 0.0
            of_budget = max(0.0, self.budget_s - self.bounded_s() - used)
            needed_s = sum(self._estimate(STAGES_S, name) for name in bounded)
            needed_s += at_work_s if self._stage in SHARES else 0.0
            rest += min(of_budget, needed_s) if needed_s else of_budget
        return rest + (at_work_s if self._stage not in SHARES else 0.0)

    def _share_s(self, stage: str) -> float:
        assert self.budget_s is not None  # noqa: S101 - the caller has looked
        before = sum([self._seconds.get(name, 0.0) for name in self._stages if name in SHARES and name != stage])
        later = [name for name in self._stages if name in SHARES and self._order(name) > self._order(stage)]
        needs = {
            name: (self._estimate(LEAST_S, name), self._estimate(STAGES_S, name)) if self._sizes else None
            for name in later
        }
        return share_of(stage, max(0.0, self.budget_s - before), needs)

    @staticmethod
    def _order(name: str) -> int:
        return tuple(SHARES).index(name)

    def _estimate(self, rules: Mapping[str, Callable[[Sizes], float]], name: str) -> float:
        if self._sizes is None or name not in rules:
            return 0.0
        return rules[name](self._sizes) * self._factor()

    def _factor(self) -> float:
        """How much longer the first stages took here than estimated: this machine, and what else it does."""
        assert self._sizes is not None  # noqa: S101 - the caller has looked
        done = [name for name in ("ingest", "split", "graph") if name in self._seconds]
        if not done:
            return 1.0
        ratio = sum(self._seconds[name] for name in done) / sum(STAGES_S[name](self._sizes) for name in done)
        return min(max(ratio, _FACTOR[0]), _FACTOR[1])

    def _spent_before(self, stage: str) -> float:
        try:
            spent = json.loads(self._folder.spent.read_text("utf-8"))
            same = (spent["stage"], spent["key"]) == (stage, self._keys[stage])
            return float(spent["seconds"]) if same else 0.0
        except (OSError, ValueError, KeyError, TypeError):  # lost: the time counts from now
            return 0.0

    def _note_on(self, stop: threading.Event) -> None:
        while not stop.wait(_NOTED_EVERY_S):
            self._note()

    def _note(self) -> None:
        assert self._stage is not None  # noqa: S101 - a stage is at work
        with suppress(OSError):  # the stage itself meets a full disk, and says so
            spent = {"stage": self._stage, "key": self._keys[self._stage], "seconds": round(self._clock.used(), 2)}
            write_json(self._folder.spent, spent)
