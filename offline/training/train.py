"""Train the network on a split and its graph: epochs of cross-entropy, validated, checkpointed, resumable."""

import math
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.network import Network
from offline.dataset.split_events import read_events
from offline.dataset.split_meta import read_split_meta
from offline.errors import TrainingError
from offline.split.graded import GRADED_FILES
from offline.training.batches import Batch, SetBatch
from offline.training.checkpoint import (
    BEST_FILE,
    CHECKPOINT_FILE,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from offline.training.contrastive import train_on_catalogue
from offline.training.query_loss import QueryBatch, draw_query_batch, query_vectors_of
from offline.training.ranks import ALONE, Ranks
from offline.training.state import LOSS, TrainState
from offline.training.step_items import step_items
from offline.training.step_loss import batch_loss, cross_entropy, parameter_groups
from offline.training.steps import count_steps, epoch_batches
from offline.training.text_loss import TextBatch, draw_text_batch, text_vectors
from offline.training.train_data import TrainData, TrainInputs, TrainTask, load_data, validation_of
from offline.training.trained import HISTORY_FILE, Trained
from offline.training.validation import Validation, validate
from offline.workspace.atomic import write_json
from offline.workspace.budget import Allowance
from offline.workspace.progress import TrainProgress
from offline.workspace.reused_memory import returned_memory, reused_memory

WARM_UP_STEPS = 100
_LEAST_RATE = 0.02  # of the learning rate, at the end of the cosine
_LONGEST_GRADIENT = 5.0
_WORK_A_VALIDATION = 100_000  # histories, about five minutes of two cores
_MOST_VALIDATIONS = 10  # an epoch
_VALIDATION_SHARE = 0.1  # of an allowance, that one validation may take
_VALIDATION_PAUSE = 4.0  # times what the last one took, before another one within an epoch
_PROBE_USERS = 200
_CHECKPOINT_EVERY_S = 60.0
_CHECKPOINT_PAUSE = 20.0  # times what the last one took


def train(
    inputs: TrainInputs,
    out: Path,
    *,
    device: torch.device,
    allowance: Allowance | None = None,
    fixed_epochs: float | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
    begin: Callable[[Network], None] | None = None,
    ranks: Ranks = ALONE,
) -> Trained:
    """Train until the epochs are done, validation stops improving, or the allowance is spent.

    Long epochs are validated several times. A checkpoint is written with every validation and about once a minute,
    and training goes on from an earlier one in `out` as if it had never stopped. Where the allowance ends before the
    epochs do, the learning rate has come down by then, be it in the middle of the first epoch; a single step is taken
    at least. Without any event the catalogue alone is learned from (`train_on_catalogue`), by one process.

    Args:
        inputs: data and settings.
        out: folder for checkpoint, best weights and learning curve.
        device: CPU or GPU.
        allowance: the seconds that it may take, the last validation included.
        fixed_epochs: the number of epochs of the schedule to train, or a part of one, without validation; the weights
            at their end are taken.
        progress: called after every step.
        begin: puts weights into the fresh network where there is no checkpoint.
        ranks: this process, and those that `follow` it.

    Raises:
        TrainingError: there is nothing to learn from, or the loss is not a number.
        RankLost: another process is gone.
        RunFolderError: the checkpoint in `out` is unreadable or of another network.
    """
    allowance = allowance or Allowance.of(None)
    settings, graph = inputs.settings, inputs.graph
    torch.manual_seed(settings.seed)
    events = read_events(inputs.split, inputs.parts)
    if events.is_empty():
        items = pl.read_parquet(inputs.split / "items.parquet")
        return train_on_catalogue(
            items,
            graph,
            out,
            settings,
            device=device,
            test_rows=held_rows(inputs.split, items),
            allowance=allowance,
            progress=progress,
        )
    if not ranks.is_alone:
        ranks.tell(TrainTask.of(inputs, fixed_epochs))
    data = load_data(inputs, events, validated=not fixed_epochs)
    run = _Run(data, inputs, out, device, fixed_epochs, progress, ranks)
    out.mkdir(parents=True, exist_ok=True)
    with ranks.threads(), reused_memory():
        run.start(begin)
        run.bound(allowance)
        while run.has_epochs_left():
            run.epoch()
    return _keep_best(run, inputs, out)


def follow(ranks: Ranks, device: torch.device) -> None:
    """Take part in each `train` of the first process until it has no more; nothing is written.

    Raises:
        InputError: what the first process has read cannot be read here.
        RankLost: another process is gone.
    """
    while (task := ranks.tell(None)) is not None:
        inputs = task.inputs()
        torch.manual_seed(inputs.settings.seed)
        with (
            suppress(TrainingError),
            ranks.threads(),
            reused_memory(),
        ):  # the first process raises the same, and says it
            data = load_data(inputs, read_events(inputs.split, inputs.parts), validated=False)
            run = _Run(data, inputs, inputs.split, device, task.fixed_epochs, None, ranks)
            run.start(None)
            while run.has_epochs_left():
                run.epoch()


def held_rows(split: Path, items: pl.DataFrame) -> NDArray[np.int64]:
    """The rows of the items that are set aside, to be asked about by their own words."""
    if not read_split_meta(split).held_items:
        return np.zeros(0, dtype=np.int64)
    judged = pl.read_parquet(split / GRADED_FILES[1]).select("item_id").unique()
    return items.join(judged, on="item_id", how="semi").get_column("row").sort().to_numpy().astype(np.int64)


def _keep_best(run: "_Run", inputs: TrainInputs, out: Path) -> Trained:
    """The network with its best weights, recorded as finished."""
    load_weights(out / BEST_FILE, run.network)
    run.network.eval()
    record = {
        "settings": inputs.settings.as_dict(),
        "device": str(run.device),
        "metric": run.metric,
        "best": -run.state.best if run.metric == LOSS else run.state.best,
        "epochs": run.state.history,
        "parts": list(inputs.parts),
        "cut_short": run.cut_short(),
        **({} if run.ranks.is_alone else {"processes": run.ranks.count}),
    }
    write_json(out / HISTORY_FILE, record)
    return Trained(run.network, run.graph, run.known, inputs.settings, record)


_Histories = Batch | SetBatch | None
_Texts = tuple[QueryBatch | None, TextBatch | None]


class _Run:
    """One training run: the network, its optimiser, and how far it is."""

    def __init__(
        self,
        data: TrainData,
        inputs: TrainInputs,
        out: Path,
        device: torch.device,
        fixed_epochs: float | None,
        progress: Callable[[TrainProgress], None] | None,
        ranks: Ranks,
    ) -> None:
        self._data = data
        self.ranks = ranks
        self.device = device
        self._settings = settings = inputs.settings
        self._split = inputs.split
        self._out = out
        self._progress = progress
        self._steps = count_steps(data.histories, data.queries, settings)
        self._last_step = math.ceil((fixed_epochs or settings.epochs) * self._steps)
        self._fixed = fixed_epochs is not None
        self.state = TrainState()
        self._clock = Allowance.of(None)
        self._closing_s, self._closed_at = 0.0, self._clock.now()  # of the last validation and its checkpoint
        self._checkpoint_s, self._checkpoint_at = 0.0, self._clock.now()
        self._is_cut = False
        self.network = Network(inputs.graph, settings.shape()).to(device)
        self.graph = inputs.graph.to(device)
        self._cpu_graph = inputs.graph
        counts = torch.from_numpy(np.bincount(data.histories.rows, minlength=inputs.graph.items)).to(device)
        self.known = data.known.to(device)
        self._frequency = counts.float()
        self._items = step_items(self.graph, self.known, self._frequency, settings)
        self._parts = 1 if self._fixed else _validations_an_epoch(self._steps, settings.batch, self._items.count)
        groups = parameter_groups(self.network, settings.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)

    @property
    def metric(self) -> str:
        """What validation measures; without anybody to validate on, the loss."""
        return self._data.validation.metric if self._data.validation else LOSS

    def start(self, begin: Callable[[Network], None] | None) -> None:
        """Go on from the checkpoint, else with the weights that `begin` puts in.

        Without either, begin anew: id embeddings are random, and longer the more an item occurs.
        """
        if self.ranks.leads:
            self._start_alone(begin)
        self._share_state()
        self.ranks.share_moments(self.optimizer)

    def _share_state(self) -> None:
        """All processes have the leader's weights and state."""
        if not self.ranks.is_alone:
            self.state.take(self.ranks.tell(self.state.as_dict()))
            self.ranks.share_weights(self.network)

    def _start_alone(self, begin: Callable[[Network], None] | None) -> None:
        checkpoint = self._out / CHECKPOINT_FILE
        if checkpoint.exists():
            self.state = TrainState(**load_checkpoint(checkpoint, self.network, self.optimizer))
            return
        settings, ids = self._settings, self.network.items.ids
        lengths = self._frequency.clamp(min=0.5) ** settings.id_length_power
        with torch.no_grad():
            ids.mul_((settings.id_length * lengths / lengths[1:].mean())[:, None])
        if begin is not None:
            begin(self.network)

    def bound(self, allowance: Allowance) -> None:
        """Count the seconds from here on, those before a stop with them, and end when the allowance does.

        Where validation would take more than a tenth of what is left, fewer users validate.
        """
        earlier_s = self.state.seconds
        if allowance.seconds is not None and self._data.validation is not None:
            self._bound_validation(allowance)
        bound_s = None if allowance.seconds is None else earlier_s + allowance.left()
        self._clock = Allowance.of(bound_s, used=earlier_s, now=allowance.now)
        self._checkpoint_at = self._closed_at = self._clock.now()

    def _bound_validation(self, allowance: Allowance) -> None:
        validation = self._data.validation
        assert validation is not None  # noqa: S101 - the caller has looked
        users = self.state.validation_users
        if users is None:
            began = allowance.now()
            with torch.no_grad(), returned_memory():
                self.network.eval().item_vectors(self.graph, self.known)
            fixed_s = allowance.now() - began
            few = self._load_validation(_PROBE_USERS)
            began = allowance.now()
            self._measure_on(few)
            a_user_s = max(0.0, allowance.now() - began - fixed_s) / len(few.cases)
            most_s = max(0.0, _VALIDATION_SHARE * allowance.left() - fixed_s)
            users = int(max(_PROBE_USERS, min(len(validation.cases), most_s / max(a_user_s, 1e-9))))
            self._closing_s = fixed_s + users * a_user_s
        if users < len(validation.cases):
            self.state.validation_users = users
            self._data = replace(self._data, validation=self._load_validation(users))

    def _load_validation(self, users: int) -> Validation:
        return validation_of(self._split, self._settings, self._cpu_graph, users) or self._validation()

    def _validation(self) -> Validation:
        assert self._data.validation is not None  # noqa: S101 - the caller has looked
        return self._data.validation

    def has_epochs_left(self) -> bool:
        """Whether there are epochs and seconds left, and validation still improves."""
        state = self.state
        improves = self._fixed or state.since_best < self._settings.patience * self._parts
        return state.step < self._last_step and improves and not self._is_cut

    def cut_short(self) -> str | None:
        """What the allowance left undone, in words; None where nothing."""
        if not self._is_cut:
            return None
        done, planned = self.state.step / self._steps, self._last_step / self._steps
        words = f"training stopped after {done:.3g} of at most {planned:.3g} epochs"
        users = self.state.validation_users
        return words if users is None else f"{words}, validated on {users} users"

    def _share(self) -> float:
        """Of the seconds, less those that the end takes."""
        return self._clock.sooner(self._closing_s).share()

    def epoch(self) -> None:
        """One pass over the histories, or as far as the allowance goes, with its validations and checkpoints."""
        state = self.state
        self.network.train()
        rng, text_rng = (np.random.default_rng([self._settings.seed, state.epoch, *more]) for more in ((), (7,)))
        batches = epoch_batches(self._data.histories, self._steps, self._settings, rng, self.ranks.share)
        stops = {round(self._steps * part / self._parts) for part in range(1, self._parts)}
        recent: deque[float] = deque(maxlen=20)
        for step, batch in enumerate(batches, start=1):
            drawn = self._draw_texts(text_rng)
            if step <= state.epoch_step:  # done before a stop
                continue
            if state.step >= self._last_step:
                break
            share, is_soon, own, texts = self._agree(batch, drawn)
            if share >= 1.0 and state.step:
                self._is_cut = True
                break
            recent.append(self._step(own, texts, share))
            state.epoch_step, state.loss_sum = step, state.loss_sum + recent[-1]
            self._tell(state.epoch + 1, step, float(np.mean(recent)))
            if step in stops and not is_soon:
                self._conclude()
                self.network.train()
            elif step < self._steps and self.ranks.leads and self._is_checkpoint_due():
                self._save_checkpoint()
        self._conclude()

    def _conclude(self) -> None:
        """Validate what was trained so far, keep it where it is the best, and write a checkpoint."""
        if self.ranks.leads:
            self._conclude_alone()
        self._share_state()

    def _conclude_alone(self) -> None:
        began = self._clock.now()
        state = self.state
        loss = state.loss_sum / state.epoch_step if state.epoch_step else math.nan
        is_known = bool(state.history) and state.history[-1].get("step") == state.step
        if not is_known and self.validate(loss):
            save_weights(self._out / BEST_FILE, self.network)
        if state.epoch_step >= self._steps:
            state.epoch, state.epoch_step, state.loss_sum = state.epoch + 1, 0, 0.0
        self._save_checkpoint()
        self._closed_at = self._clock.now()
        self._closing_s = self._closed_at - began

    def _is_soon(self) -> bool:
        """Whether it is soon after the last validation, by what that took: a bounded training can do without."""
        return self._clock.seconds is not None and (
            self._clock.now() - self._closed_at < _VALIDATION_PAUSE * self._closing_s
        )

    def _is_checkpoint_due(self) -> bool:
        since_s = self._clock.now() - self._checkpoint_at
        return since_s > max(_CHECKPOINT_EVERY_S, _CHECKPOINT_PAUSE * self._checkpoint_s)

    def _save_checkpoint(self) -> None:
        began = self._clock.now()
        self.state.seconds = self._clock.used()
        with returned_memory():
            save_checkpoint(self._out / CHECKPOINT_FILE, self.network, self.optimizer, self.state.as_dict())
        self._checkpoint_at = self._clock.now()
        self._checkpoint_s = self._checkpoint_at - began

    def _draw_texts(self, rng: np.random.Generator) -> _Texts:
        settings, data, device = self._settings, self._data, self.device
        queries = views = None
        if data.queries is not None:
            queries = draw_query_batch(
                data.queries,
                data.histories,
                self.graph.queries,
                settings.query_batch,
                settings.window,
                ordered=settings.ordered,
                timed=settings.timed,
                rng=rng,
                share=self.ranks.share,
            )
        if data.catalogue is not None:
            views = draw_text_batch(data.catalogue, settings.view_batch, rng, self.ranks.share)
        return None if queries is None else queries.to(device), None if views is None else views.to(device)

    def _agree(self, batch: _Histories, texts: _Texts) -> tuple[float, bool, _Histories, _Texts]:
        """By the leader's clock the share of the seconds, and whether it is soon after a validation; this process's
        examples, each kind with its whole weight.

        Alone, a kind is whole.
        """
        share, is_soon = (self._share(), self._is_soon()) if self.ranks.leads else (0.0, False)
        if self.ranks.is_alone:
            return share, is_soon, batch, texts
        queries, views = texts
        kinds = batch, queries, views
        own = [0.0 if kind is None else float(kind.targets.weight.sum()) for kind in kinds]
        share, soon, *wholes = self.ranks.sums([share, is_soon, *own])
        batch = None if batch is None else replace(batch, targets=replace(batch.targets, whole=wholes[0]))
        queries = None if queries is None else replace(queries, targets=replace(queries.targets, whole=wholes[1]))
        views = None if views is None else replace(views, targets=replace(views.targets, whole=wholes[2]))
        return share, soon > 0, batch, (queries, views)

    def _step(self, batch: _Histories, texts: _Texts, budget_share: float) -> float:
        settings, state = self._settings, self.state
        done = max(budget_share, state.step / self._last_step)
        warm = min(1.0, (state.step + 1) / min(WARM_UP_STEPS, self._steps))
        cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        rate = settings.learning_rate * warm * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.ranks.seed_step(settings.seed, state.step)
        loss = self._loss(None if batch is None else batch.to(self.device), *texts)
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        loss = self.ranks.add_up(list(self.network.parameters()), loss)
        self._require_finite("loss", loss)
        # Looked at before the step: weights that are no numbers would go into the checkpoint of the epoch.
        self._require_finite("gradient", torch.nn.utils.clip_grad_norm_(self.network.parameters(), _LONGEST_GRADIENT))
        self.optimizer.step()
        state.step += 1
        return loss.item()

    def _loss(self, batch: _Histories, query_batch: QueryBatch | None, views: TextBatch | None) -> Tensor:
        """Of histories, of queries and of views of texts, each where there is a batch of it."""
        network, settings = self.network, self._settings
        items = self._items.step(network, batch, query_batch, views)
        units, lengths = items.units, items.lengths
        batch, query_batch, views = items.batch, items.queries, items.views
        of_histories, of_queries, of_views = items.frequencies
        loss = 0.0 * lengths.sum()  # with a gradient, if there is nothing at all
        if batch is not None and len(batch.targets.item) and (query_batch is None or settings.history_weight):
            loss = batch_loss(network.queries, units, lengths, of_histories, batch, settings)
        table = network.items.text
        if table is not None and query_batch is not None:
            loss = settings.history_weight * loss
            if len(query_batch.targets.item):
                queries = query_vectors_of(network.queries, table, units, query_batch, settings.text_scale)
                by_words = cross_entropy(queries, units * lengths[:, None], query_batch.targets, of_queries, settings)
                loss = loss + settings.query_weight * by_words
        if table is not None and views is not None and len(views.targets.item):
            # Views learn where items are; items do not move towards what merely describes them.
            seen = text_vectors(table, views, settings.text_scale)
            by_views = cross_entropy(seen, units.detach(), views.targets, of_views, settings)
            loss = loss + settings.view_weight * by_views
        return loss

    def _require_finite(self, what: str, value: Tensor) -> None:
        if torch.isfinite(value):
            return
        lower = self._settings.learning_rate / 4
        raise TrainingError(
            f"expected a number as the {what}, got {value.item()} at step {self.state.step + 1} (epoch "
            f"{self.state.epoch + 1}): run again with --learning-rate {lower:.1g} (it was "
            f"{self._settings.learning_rate:.1g}); no checkpoint holds that step"
        )

    def validate(self, loss: float) -> bool:
        """Measure the network, write it into the history; whether it is the best so far."""
        state = self.state
        value = self._measure_on(self._data.validation) if self._data.validation else -loss
        better = value > state.best or not state.history or self._fixed
        state.best, state.since_best = (value, 0) if better else (state.best, state.since_best + 1)
        state.seconds = self._clock.used()
        passes = state.epoch + state.epoch_step / self._steps
        entry = {
            "epoch": int(passes) if passes == int(passes) else round(passes, 3),
            "step": state.step,
            "loss": loss,
            "value": loss if self.metric == LOSS else value,
            "seconds": state.seconds,
        }
        state.history.append(entry)
        self._tell(state.epoch + 1, state.epoch_step, loss)
        return better

    def _measure_on(self, validation: Validation) -> float:
        settings = self._settings
        with returned_memory():
            return validate(self.network, self.graph, self.known, validation, settings.window, settings.text_scale)

    def _tell(self, epoch: int, step: int, loss: float) -> None:
        if self._progress:
            last = self.state.history[-1]["value"] if self.state.history and self.metric != LOSS else None
            self._progress(TrainProgress(epoch, self._settings.epochs, step, self._steps, loss, self.metric, last))


def _validations_an_epoch(steps: int, batch: int, items: int) -> int:
    """How often an epoch is validated, by what a step costs: that of its histories, and of the vectors of all items."""
    return int(min(max(steps * (batch + items / 200) / _WORK_A_VALIDATION, 1), _MOST_VALIDATIONS))
