"""Make the variants of a trained network one after another, measure them on validation, and choose one."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from app.engine.loading import golden_overlap
from offline.compress.apply import cut_for
from offline.compress.choice import (
    Difference,
    Measurement,
    choose,
    may_be_clear,
    paired_difference,
    within_loss,
    worst,
)
from offline.compress.cut import hidden_units
from offline.compress.fine_tune import fine_tune
from offline.compress.judges import judge_name
from offline.compress.outcomes import Outcome, Outcomes
from offline.compress.recipe import Recipe
from offline.compress.sparsity import without_small_weights
from offline.compress.variant_session import (
    Latency,
    VariantSession,
    measure_latencies,
    open_variant,
    top_rows,
    tower_model,
)
from offline.dataset.split_events import read_histories
from offline.evaluation.metrics import parse_metric, table_of
from offline.training.checkpoint import load_weights, save_weights
from offline.training.trained import Trained
from offline.training.validation import DEPTH, Validation, load_validation
from offline.workspace.budget import Allowance
from offline.workspace.progress import Progress

DIM_SHARES = (7 / 8, 3 / 4, 1 / 2, 3 / 8)
UNIT_SHARES = (3 / 4, 1 / 2, 1 / 4)
SPARSE_SHARES = (0.5, 0.8)
_STEPS = 6 + len(SPARSE_SHARES) + len(DIM_SHARES) + len(UNIT_SHARES)  # more where more is fine-tuned
_LATENCY_SHARE = 0.1  # of what is left when the search begins
OVERLAP_DEPTH = 10

Make = Callable[[], tuple[Trained, onnx.ModelProto]]
"""Makes a variant's network and its exported tower."""


@dataclass(frozen=True)
class SweepResult:
    """The table, milder variants first, and the chosen one with its network."""

    measured: list[Measurement]
    chosen: Measurement
    recipe: Recipe  # of the chosen one
    trained: Trained
    make_s: float  # seconds to give a network the recipe
    cut_short: str | None  # what the allowance left undone


@dataclass
class _Variant:
    """A variant that was measured, and how to make it again."""

    outcome: Outcome
    make: Make
    bits: int
    differences: dict[str, Difference]  # by each judge
    milder: tuple[str, ...]
    note: str
    session: VariantSession | None = None

    @property
    def name(self) -> str:
        return self.outcome.name

    @property
    def difference(self) -> Difference:
        return worst(list(self.differences.values()))


@dataclass
class _Ladder:
    """Ever deeper cuts of one kind: those within the loss, and the first that is not."""

    recipes: list[Recipe]
    within: list[_Variant] = field(default_factory=list)
    beyond: _Variant | None = None
    is_tuned: bool = False  # the last try

    def next(self) -> Recipe | None:
        """The mildest cut that is not known to be within the loss."""
        return self.recipes[len(self.within)] if len(self.within) < len(self.recipes) else None

    def milder(self) -> tuple[str, ...]:
        """The deepest cut that is."""
        return (self.within[-1].name,) if self.within else ()


class _OutOfTime(Exception):
    """There is no time for a further variant."""


class Sweep:
    """One bounded sweep: cuts alone, then what fine-tuning saves of them, then what is only measured to compare.

    Args:
        trained: a network that is not cut, on the CPU.
        model: its exported tower.
        split: of its training; test is not read.
        judges: the cases that variants are judged by; a variant has to be within the loss by each of them.
        weight_bits: of the item vectors that are served.
        max_loss: as in `choose`.
        device: of the fine-tuning.
        outcomes: of an earlier search that was stopped; what it measured and fine-tuned is not done again.
        allowance: the seconds of the search. Full precision and the network that is not cut are measured in any case.
        progress: told of every variant.
    """

    def __init__(
        self,
        trained: Trained,
        model: onnx.ModelProto,
        split: Path,
        judges: Sequence[Validation],
        *,
        weight_bits: int,
        max_loss: float,
        device: torch.device,
        outcomes: Outcomes,
        allowance: Allowance,
        progress: Progress,
    ) -> None:
        self._trained = trained
        self._model = model
        self._split = split
        self._judges = judges
        self._bits = weight_bits
        self._max_loss = max_loss
        self._device = device
        self._outcomes = outcomes
        self._allowance = allowance
        self._progress = progress
        self._histories = read_histories(split, ("train",))
        self._variants: list[_Variant] = []
        self._longest_s = 0.0  # of a variant

    def run(self) -> SweepResult:
        """Measure variants for as long as there is time, and choose one."""
        with tempfile.TemporaryDirectory(prefix=".graphs.", dir=self._outcomes.folder) as folder:
            self._graphs = Path(folder)
            model = self._model
            self._closing_s = _LATENCY_SHARE * self._allowance.left()
            self._add("fp32", None, lambda: (self._trained, model), 32, note=_REFERENCE, needed=True)
            recipe = Recipe(weight_bits=self._bits)
            plain = self._add(f"int{self._bits}", recipe, lambda: (self._trained, model), self._bits, needed=True)
            cut_short = None
            if self._max_loss > 0:  # else whatever is cut may cost something
                try:
                    self._search(model, plain)
                except _OutOfTime:
                    cut_short = f"the search for smaller variants stopped after {len(self._variants)} of them"
            return self._choose(plain, cut_short)

    def _search(self, model: onnx.ModelProto, plain: _Variant) -> None:
        dims = _Ladder([Recipe(item_dim=dim, weight_bits=self._bits) for dim in self._dims()])
        units = _Ladder([self._units(share) for share in UNIT_SHARES])
        for ladder in (dims, units):
            self._descend(ladder)
        both = self._combine(dims, units, tuned=False)
        for ladder in (dims, units):
            self._descend_tuned(ladder)
        if both is None or any(ladder.is_tuned for ladder in (dims, units)):
            self._combine(dims, units, tuned=True)
        for ladder in (dims, units):
            self._measure_rest(ladder)
        for share in SPARSE_SHARES:
            self._add_sparse(model, share, plain)

    def _dims(self) -> list[int]:
        dim = self._trained.network.shape.dim
        dims = {max(8, round(dim * share / 8) * 8) for share in DIM_SHARES}
        return sorted((kept for kept in dims if kept < dim), reverse=True)

    def _units(self, share: float) -> Recipe:
        hidden, feed = hidden_units(self._trained.network)
        return Recipe(
            hidden=max(1, round(hidden * share)),
            feed=None if feed is None else max(1, round(feed * share)),
            weight_bits=self._bits,
        )

    def _descend(self, ladder: _Ladder) -> None:
        """Cut deeper until a cut is not within the loss; what goes further cannot be chosen."""
        while (recipe := ladder.next()) is not None:
            variant = self._cut(recipe, ladder.milder())
            if not self._is_within(variant):
                ladder.beyond = variant
                return
            ladder.within.append(variant)
        ladder.beyond = None

    def _descend_tuned(self, ladder: _Ladder) -> None:
        """Fine-tune the cut that goes too far, and where that helps cut deeper."""
        while ladder.beyond is not None and may_be_clear(ladder.beyond.difference, self._max_loss):
            recipe = ladder.next()
            assert recipe is not None  # noqa: S101 - it is that of `beyond`
            tuned = self._cut(replace(recipe, tuned=True), ladder.milder())
            if not self._is_within(tuned):
                return
            ladder.within.append(tuned)
            ladder.is_tuned = True
            self._descend(ladder)

    def _combine(self, dims: _Ladder, units: _Ladder, *, tuned: bool) -> _Variant | None:
        """The deepest cuts of both kinds together; where that goes too far, a milder one of the units."""
        if not dims.within or not units.within:
            return None
        dim = dims.within[-1]
        for unit in reversed(units.within[-2:]):
            assert dim.outcome.recipe is not None and unit.outcome.recipe is not None  # noqa: S101, PT018 - for the types
            recipe = replace(unit.outcome.recipe, item_dim=dim.outcome.recipe.item_dim, tuned=tuned)
            variant = self._cut(recipe, (dim.name, unit.name))
            if self._is_within(variant):
                return variant
        return None

    def _measure_rest(self, ladder: _Ladder) -> None:
        """What goes further than can be chosen, for the curve."""
        if ladder.beyond is None:
            return
        milder = ladder.beyond.name
        for recipe in ladder.recipes[len(ladder.within) + 1 :]:
            milder = self._cut(recipe, (milder,)).name

    def _add_sparse(self, model: onnx.ModelProto, share: float, plain: _Variant) -> None:
        self._add(
            f"{plain.name}, {share:.0%} of the tower's weights zero",
            None,
            lambda: (self._trained, without_small_weights(model, share)),
            self._bits,
            milder=(plain.name,),
            note="for comparison: zeros stay in dense matrices, which ONNX Runtime multiplies as they are",
        )

    def _cut(self, recipe: Recipe, milder: tuple[str, ...]) -> _Variant:
        name = _name(recipe)

        def make() -> tuple[Trained, onnx.ModelProto]:
            cut = cut_for(self._trained, self._split, recipe, self._histories)
            if recipe.tuned:
                cut = self._fine_tune(name, cut)
            return cut, tower_model(cut)

        return self._add(name, recipe, make, recipe.weight_bits, milder=milder)

    def _fine_tune(self, name: str, cut: Trained) -> Trained:
        """The cut network fine-tuned, now or in an earlier search that was stopped."""
        path = self._outcomes.weights_file(name)
        if path.exists():
            load_weights(path, cut.network)
            return cut
        self._tell(f"fine-tuning {name}")

        def step(_done: int, _steps: int) -> None:
            if not self._has_time(self._longest_s):
                raise _OutOfTime

        tuned = fine_tune(cut, self._trained, self._histories, device=self._device, step=step)
        save_weights(path, tuned.network)
        return tuned

    def _has_time(self, seconds: float) -> bool:
        return self._allowance.sooner(self._closing_s).fits(seconds) if self._allowance.seconds is not None else True

    def _add(
        self,
        name: str,
        recipe: Recipe | None,
        make: Make,
        bits: int,
        *,
        milder: tuple[str, ...] = (),
        note: str = "",
        needed: bool = False,
    ) -> _Variant:
        """Measure a variant, or read what it came to before a stop.

        Raises:
            _OutOfTime: another as long as the longest one does not fit, and it is not needed.
        """
        known = next((variant for variant in self._variants if variant.name == name), None)
        if known is not None:
            return known
        self._tell(name)
        outcome, session = self._outcomes.read(name), None
        if outcome is None:
            if not needed and not self._has_time(self._longest_s):
                raise _OutOfTime
            began = self._allowance.now()
            trained, model = make()
            make_s = self._allowance.now() - began
            session = self._open(name, trained, model, bits)
            rows = [top_rows(session, judge, DEPTH) for judge in self._judges]
            values = tuple(self._values(judge, ranked) for judge, ranked in zip(self._judges, rows, strict=True))
            outcome = Outcome(name, recipe, session.megabytes, values, rows[0][:, :OVERLAP_DEPTH], make_s)
            self._outcomes.write(outcome)
            self._longest_s = max(self._longest_s, self._allowance.now() - began)
        full = self._variants[0].outcome if self._variants else outcome
        pairs = zip(self._judges, full.values, outcome.values, strict=True)
        differences = {judge_name(judge): paired_difference(*values) for judge, *values in pairs}
        variant = _Variant(outcome, make, bits, differences, milder, note, session)
        self._variants.append(variant)
        return variant

    def _open(self, name: str, trained: Trained, model: onnx.ModelProto, bits: int) -> VariantSession:
        return open_variant(trained, model, bits, self._graphs / f"{self._outcomes.weights_file(name).stem}.onnx")

    def _tell(self, what: str) -> None:
        self._progress(len(self._variants), max(_STEPS, len(self._variants) + 1), what)

    def _values(self, judge: Validation, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The validation metric of every case."""
        return table_of([parse_metric(judge.metric, DEPTH)], rows, judge.cases.targets)[:, 0]

    def _is_within(self, variant: _Variant) -> bool:
        return variant.name in within_loss([self._measurement(other) for other in self._variants], self._max_loss)

    def _choose(self, plain: _Variant, cut_short: str | None) -> SweepResult:
        for variant in self._variants:
            if variant.session is None:
                variant.session = self._open(variant.name, *variant.make(), variant.bits)
        requests = load_validation(self._split, _LATENCY_REQUESTS, self._trained.settings.seed)
        assert requests is not None  # noqa: S101 - somebody is validated
        sessions = [variant.session for variant in self._variants if variant.session is not None]
        timed = measure_latencies(sessions, requests, allowance=self._allowance)
        measured = [self._measurement(variant, latency) for variant, latency in zip(self._variants, timed, strict=True)]
        chosen = choose(measured, plain.name, self._max_loss)
        if chosen.variant == plain.name and self._max_loss > 0:
            cases = " and ".join(f"{len(judge.cases):,}" for judge in self._judges)
            note = f"nothing that was cut is surely within {self._max_loss:.2%}, by {cases} validation cases"
            chosen = replace(chosen, note=note)
            measured = [chosen if variant.variant == plain.name else variant for variant in measured]
        variant = next(variant for variant in self._variants if variant.name == chosen.variant)
        assert chosen.recipe is not None and variant.session is not None  # noqa: S101, PT018 - `choose` takes no other
        make_s = variant.outcome.make_s if chosen.recipe.cuts else 0.0
        return SweepResult(measured, chosen, chosen.recipe, variant.session.trained, make_s, cut_short)

    def _measurement(self, variant: _Variant, latency: Latency | None = None) -> Measurement:
        full = self._variants[0].outcome
        return Measurement(
            variant=variant.name,
            recipe=variant.outcome.recipe,
            megabytes=variant.outcome.megabytes,
            p50_ms=latency.p50_ms if latency else None,
            p99_ms=latency.p99_ms if latency else None,
            value=float(variant.outcome.values[0].mean()),
            overlap_at_10=golden_overlap(full.top, variant.outcome.top),
            differences=variant.differences,
            milder=variant.milder,
            note=variant.note,
        )


_REFERENCE = "the reference; the service does not read it"
_LATENCY_REQUESTS = 64


def _name(recipe: Recipe) -> str:
    """What is kept, in words: `int8, 96 dimensions, 64 + 64 hidden units`."""
    words = [f"int{recipe.weight_bits}"]
    if recipe.item_dim is not None:
        words.append(f"{recipe.item_dim} dimensions")
    if recipe.hidden is not None:
        words.append(f"{' + '.join(str(units) for units in (recipe.hidden, recipe.feed) if units)} hidden units")
    if recipe.tuned:
        words.append("fine-tuned")
    return ", ".join(words)
