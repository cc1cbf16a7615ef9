"""Make the variants of a trained network one after another, measure them on validation, and choose one."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray

from app.engine.loading import golden_overlap
from offline.compress.apply import cut_for
from offline.compress.choice import Difference, Measurement, choose, is_clear, paired_difference, within_loss
from offline.compress.cut import hidden_units
from offline.compress.fine_tune import fine_tune
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
from offline.workspace.progress import Progress

DIM_SHARES = (7 / 8, 3 / 4, 1 / 2, 3 / 8)
UNIT_SHARES = (3 / 4, 1 / 2, 1 / 4)
SPARSE_SHARES = (0.5, 0.8)
_STEPS = 6 + len(SPARSE_SHARES) + len(DIM_SHARES) + len(UNIT_SHARES)  # more where more is fine-tuned
_LATENCY_REQUESTS = 64
OVERLAP_DEPTH = 10


@dataclass(frozen=True)
class SweepResult:
    """The table, milder variants first, and the chosen one with its network."""

    measured: list[Measurement]
    chosen: Measurement
    recipe: Recipe  # of the chosen one
    trained: Trained


@dataclass(frozen=True)
class _Variant:
    """A variant that is open to be timed."""

    name: str
    recipe: Recipe | None
    session: VariantSession
    value: float
    overlap: float
    difference: Difference
    milder: tuple[str, ...]
    note: str


class Sweep:
    """One bounded sweep: dimensions, hidden units, then both together.

    Args:
        trained: a network that is not cut, on the CPU.
        split: of its training; test is not read.
        validation: the users that variants are judged by.
        weight_bits: of the item vectors that are session.
        max_loss: as in `choose`.
        device: of the fine-tuning.
        weights_folder: keeps the weights of fine-tuned variants, so that a stopped sweep need not train them again.
    """

    def __init__(
        self,
        trained: Trained,
        split: Path,
        validation: Validation,
        *,
        weight_bits: int,
        max_loss: float,
        device: torch.device,
        weights_folder: Path,
        progress: Progress,
    ) -> None:
        self._trained = trained
        self._split = split
        self._validation = validation
        self._bits = weight_bits
        self._max_loss = max_loss
        self._device = device
        self._weights = weights_folder
        self._progress = progress
        self._histories = read_histories(split, ("train",))
        self._variants: list[_Variant] = []
        self._full: tuple[NDArray[np.float64], NDArray[np.int64]] | None = None

    def run(self) -> SweepResult:
        """Measure all variants and choose one."""
        with tempfile.TemporaryDirectory() as folder:
            self._graphs = Path(folder)
            model = tower_model(self._trained)
            self._add("fp32", None, self._trained, model, 32, note="the reference; the service does not read it")
            plain = self._add(f"int{self._bits}", Recipe(weight_bits=self._bits), self._trained, model, self._bits)
            if self._max_loss == 0:  # whatever is cut may cost something
                return self._choose(plain)
            for share in SPARSE_SHARES:
                self._add_sparse(model, share, plain)
            dims = self._cut_deeper([Recipe(item_dim=dim, weight_bits=self._bits) for dim in self._dims()])
            units = self._cut_deeper([self._units(share) for share in UNIT_SHARES])
            self._combine(dims, units)
            return self._choose(plain)

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

    def _add_sparse(self, model: onnx.ModelProto, share: float, plain: _Variant) -> None:
        self._add(
            f"{plain.name}, {share:.0%} of the tower's weights zero",
            None,
            self._trained,
            without_small_weights(model, share),
            self._bits,
            milder=(plain.name,),
            note="for comparison: zeros stay in dense matrices, which ONNX Runtime multiplies as they are",
        )

    def _cut_deeper(self, recipes: list[Recipe]) -> list[_Variant]:
        """Ever deeper cuts of one kind; returns those within the loss.

        The first that is not within it, fine-tuned or not, ends the search: what goes further cannot be chosen, and
        is measured without fine-tuning, for the curve.
        """
        within: list[_Variant] = []
        milder: tuple[str, ...] = ()
        for place, recipe in enumerate(recipes):
            variant = self._cut(recipe, milder, tune=len(within) == place)
            milder = (variant.name,)
            if self._is_within(variant):
                within.append(variant)
        return within

    def _combine(self, dims: list[_Variant], units: list[_Variant]) -> None:
        """The deepest cuts of both kinds together; where that goes too far, a milder one of the units."""
        if not dims or not units:
            return
        dim = dims[-1]
        for unit in reversed(units[-2:]):
            assert dim.recipe is not None and unit.recipe is not None  # noqa: S101, PT018 - for the type checker
            recipe = replace(unit.recipe, item_dim=dim.recipe.item_dim, tuned=False)
            if self._is_within(self._cut(recipe, (dim.name, unit.name), tune=True)):
                return

    def _cut(self, recipe: Recipe, milder: tuple[str, ...], *, tune: bool) -> _Variant:
        """The cut alone if that is within the loss; else, with `tune`, the cut and fine-tuning.

        Where users are too few to tell, fine-tuning would not make it clearer.
        """
        cut = cut_for(self._trained, self._split, recipe, self._histories)
        bits = recipe.weight_bits
        variant = self._add(_name(recipe), recipe, cut, tower_model(cut), bits, milder=milder)
        if not tune or self._is_within(variant) or not is_clear(variant.difference, self._max_loss):
            return variant
        recipe = replace(recipe, tuned=True)
        tuned = self._fine_tune(_name(recipe), cut)
        return self._add(_name(recipe), recipe, tuned, tower_model(tuned), bits, milder=milder)

    def _fine_tune(self, name: str, cut: Trained) -> Trained:
        """The cut network fine-tuned, now or in an earlier search that was stopped."""
        path = self._weights / f"{name.replace(' ', '_').replace(',', '')}.safetensors"
        if path.exists():
            load_weights(path, cut.network)
            return cut
        self._tell(f"fine-tuning {name}")
        tuned = fine_tune(cut, self._trained, self._histories, device=self._device)
        save_weights(path, tuned.network)
        return tuned

    def _open(self, trained: Trained, model: onnx.ModelProto, bits: int) -> VariantSession:
        return open_variant(trained, model, bits, self._graphs / f"{len(self._variants)}.onnx")

    def _add(
        self,
        name: str,
        recipe: Recipe | None,
        trained: Trained,
        model: onnx.ModelProto,
        bits: int,
        *,
        milder: tuple[str, ...] = (),
        note: str = "",
    ) -> _Variant:
        self._tell(name)
        session = self._open(trained, model, bits)
        rows = top_rows(session, self._validation, DEPTH)
        values = self._values(rows)
        top = rows[:, :OVERLAP_DEPTH]
        if self._full is None:
            self._full = values, top
        full_values, full_top = self._full
        variant = _Variant(
            name,
            recipe,
            session,
            float(values.mean()),
            golden_overlap(full_top, top),
            paired_difference(full_values, values),
            milder,
            note,
        )
        self._variants.append(variant)
        return variant

    def _tell(self, what: str) -> None:
        self._progress(len(self._variants), max(_STEPS, len(self._variants) + 1), what)

    def _values(self, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The validation metric of every user."""
        metric = parse_metric(self._validation.metric, DEPTH)
        return table_of([metric], rows, self._validation.cases.targets)[:, 0]

    def _is_within(self, variant: _Variant) -> bool:
        return variant.name in within_loss([_measurement(other) for other in self._variants], self._max_loss)

    def _choose(self, plain: _Variant) -> SweepResult:
        requests = load_validation(self._split, _LATENCY_REQUESTS, self._trained.settings.seed)
        assert requests is not None  # noqa: S101 - there are validation users
        timed = measure_latencies([variant.session for variant in self._variants], requests)
        measured = [_measurement(variant, latency) for variant, latency in zip(self._variants, timed, strict=True)]
        chosen = choose(measured, plain.name, self._max_loss)
        network = next(variant.session.trained for variant in self._variants if variant.name == chosen.variant)
        assert chosen.recipe is not None  # noqa: S101 - `choose` takes no other
        return SweepResult(measured, chosen, chosen.recipe, network)


def _measurement(variant: _Variant, latency: Latency | None = None) -> Measurement:
    return Measurement(
        variant=variant.name,
        recipe=variant.recipe,
        megabytes=variant.session.megabytes,
        p50_ms=latency.p50_ms if latency else 0.0,
        p99_ms=latency.p99_ms if latency else 0.0,
        value=variant.value,
        overlap_at_10=variant.overlap,
        difference=variant.difference,
        milder=variant.milder,
        note=variant.note,
    )


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
