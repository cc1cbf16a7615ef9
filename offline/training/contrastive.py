"""Train on a catalogue without events: views of an item find the item among others, by text and attributes."""

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from model.item_tower import ItemGraph
from model.network import Network
from model.text_tower import bag_vectors, text_loss
from offline.errors import TrainingError
from offline.training.checkpoint import (
    BEST_FILE,
    CHECKPOINT_FILE,
    load_checkpoint,
    load_weights,
    save_checkpoint,
    save_weights,
)
from offline.training.item_bags import RowBags, bucket_idf, text_bags
from offline.training.scoring import rank_items
from offline.training.settings import TrainSettings
from offline.training.state import LOSS, TrainState
from offline.training.text_augmentation import ItemFields, draw_texts
from offline.training.trained import HISTORY_FILE, Trained
from offline.workspace.atomic import write_json
from offline.workspace.budget import Allowance
from offline.workspace.progress import TrainProgress

TEMPERATURE = 0.07
VALIDATION_METRIC = "ndcg@10 of held-out items by their views"
_VALIDATION_SHARE = 0.05
_VALIDATION_VIEWS, _LEAST_VALIDATION_VIEWS = 2, 400  # an item, and in all
_VIEWS_AN_EPOCH = 400_000
"""At most; larger catalogues are seen over several epochs."""
_VIEWS_AN_ITEM = 2
_LEAST_STEPS = 20
"""An epoch, so that a small catalogue is seen more often."""
_HIDDEN_SHARE = 0.3
"""Of pairs whose item goes without the n-grams of its view, so that the rest of its text must lead there."""
_LEAST_RATE = 0.02  # of the learning rate, at the end of the cosine
_WARM_UP_STEPS = 20
_DEPTH = 10


def train_on_catalogue(
    items: pl.DataFrame,
    graph: ItemGraph,
    out: Path,
    settings: TrainSettings,
    *,
    device: torch.device,
    test_rows: NDArray[np.int64] | None = None,
    allowance: Allowance | None = None,
    progress: Callable[[TrainProgress], None] | None = None,
) -> Trained:
    """Train until the epochs are done, validation stops improving, or the allowance is spent.

    The query side and the item side share the table of n-grams, so that a text finds items as
    `app.engine.text.text_query` reads it. A twentieth of the items validates: they are never trained on, and their
    views must find them in the whole catalogue. A checkpoint is written after every epoch, and an earlier one in `out`
    is taken up.

    Args:
        items: the item table of a split.
        graph: its graph, whose text and attributes are read.
        out: folder of the training.
        settings: from `choose_catalogue_settings`.
        test_rows: of items whose words are those of the test: no view of theirs is trained on or validated by.
        allowance: the seconds that it may take, the last validation included.

    Raises:
        TrainingError: there is nothing to learn from, or the loss is not a number.
        RunFolderError: the checkpoint in `out` is unreadable or of another network.
    """
    allowance = allowance or Allowance.of(None)
    torch.manual_seed(settings.seed)
    run = _Run(ItemFields(items), graph, settings, device, progress, test_rows)
    out.mkdir(parents=True, exist_ok=True)
    run.start(out / CHECKPOINT_FILE, allowance)
    while run.has_epochs_left() and not run.is_cut:
        loss = run.epoch()
        began = allowance.now()
        if run.validate(loss):
            save_weights(out / BEST_FILE, run.network)
        save_checkpoint(out / CHECKPOINT_FILE, run.network, run.optimizer, run.state.as_dict())
        run.closing_s = allowance.now() - began
    load_weights(out / BEST_FILE, run.network)
    record = {
        "settings": settings.as_dict(),
        "device": str(device),
        "metric": run.metric,
        "best": -run.state.best if run.metric == LOSS else run.state.best,
        "epochs": run.state.history,
        "parts": ["train"],
        "cut_short": run.cut_short(),
    }
    write_json(out / HISTORY_FILE, record)
    return Trained(run.network.eval(), graph.to(device), run.known, settings, record)


class _Run:
    """Network, optimiser and data of one training."""

    def __init__(
        self,
        fields: ItemFields,
        graph: ItemGraph,
        settings: TrainSettings,
        device: torch.device,
        progress: Callable[[TrainProgress], None] | None,
        test_rows: NDArray[np.int64] | None = None,
    ) -> None:
        if graph.text is None:
            raise TrainingError("no events, and no item with a title or text: there is nothing to learn from")
        self._fields = fields
        self._settings = settings
        self._device = device
        self._progress = progress
        self._idf = bucket_idf(graph)
        self._text = RowBags.of(graph.text)
        self._attributes = None if graph.item_attributes is None else RowBags.of(graph.item_attributes)
        self._same = fields.titles()
        described = fields.described()
        if test_rows is not None:
            described = described[~np.isin(described, test_rows)]
        self._train, self._valid = _hold_out(described, settings)
        if len(self._train) < 2:
            raise TrainingError(
                f"no events, and {len(self._train)} items with words: expected at least 2 to tell from each other"
            )
        views = min(_VIEWS_AN_ITEM * len(self._train), _VIEWS_AN_EPOCH)
        self._steps = max(_LEAST_STEPS, views // settings.batch)
        self._batch = min(settings.batch, len(self._train))
        self.known = torch.zeros(graph.items, dtype=torch.bool, device=device)
        self.network = Network(graph, settings.shape()).to(device)
        with torch.no_grad():
            self.network.norm_power.zero_()  # without events a vector's length says nothing
        self._graph = graph.to(device)
        items = self.network.items
        learned = [table for table in (items.text, items.attributes) if table is not None]
        self.optimizer = torch.optim.Adam(learned, lr=settings.learning_rate, betas=(0.9, 0.98), fused=True)
        self.state = TrainState()
        self._clock = Allowance.of(None)
        self.closing_s = 0.0  # of the last validation and its checkpoint
        self.is_cut = False
        rng = np.random.default_rng([settings.seed, 0])
        views_an_item = max(_VALIDATION_VIEWS, _LEAST_VALIDATION_VIEWS // max(1, len(self._valid)))
        self._validation_rows = np.repeat(self._valid, views_an_item)
        self._validation_bags = text_bags(draw_texts(fields, self._validation_rows, rng), self._idf)

    @property
    def metric(self) -> str:
        """What validation measures; without an item to spare, the loss."""
        return VALIDATION_METRIC if len(self._valid) else LOSS

    def start(self, checkpoint: Path, allowance: Allowance) -> None:
        """Go on from the checkpoint, or begin anew, for as long as the allowance lasts."""
        if checkpoint.exists():
            self.state = TrainState(**load_checkpoint(checkpoint, self.network, self.optimizer))
        earlier_s = self.state.seconds
        bound_s = None if allowance.seconds is None else earlier_s + allowance.left()
        self._clock = Allowance.of(bound_s, used=earlier_s, now=allowance.now)

    def cut_short(self) -> str | None:
        """What the allowance left undone, in words; None where nothing."""
        done, planned = self.state.step / self._steps, self._settings.epochs
        return f"training stopped after {done:.3g} of at most {planned} epochs" if self.is_cut else None

    def has_epochs_left(self) -> bool:
        """Whether there are epochs left, and validation still improves."""
        return self.state.epoch < self._settings.epochs and self.state.since_best < self._settings.patience

    def epoch(self) -> float:
        """One round of views, or as far as the allowance goes; the mean loss."""
        losses: list[float] = []
        self.network.train()
        rng = np.random.default_rng([self._settings.seed, 1, self.state.epoch])
        order = np.zeros(0, dtype=np.int64)
        for step in range(1, self._steps + 1):
            share = self._clock.sooner(self.closing_s).share()
            if share >= 1.0 and self.state.step:
                self.is_cut = True
                break
            if len(order) < self._batch:
                order = rng.permutation(self._train)
            rows, order = order[: self._batch], order[self._batch :]
            losses.append(self._step(rows, share, rng))
            self._tell(self.state.epoch + 1, step, float(np.mean(losses[-20:])))
        self.state.epoch += 1
        return float(np.mean(losses)) if losses else math.nan

    def _step(self, rows: NDArray[np.int64], budget_share: float, rng: np.random.Generator) -> float:
        settings, state = self._settings, self.state
        done = max(budget_share, state.step / (self._steps * settings.epochs))
        warm = min(1.0, (state.step + 1) / _WARM_UP_STEPS)
        cosine = 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))
        for group in self.optimizer.param_groups:
            group["lr"] = settings.learning_rate * warm * (_LEAST_RATE + (1 - _LEAST_RATE) * cosine)
        queries = text_bags(draw_texts(self._fields, rows, rng), self._idf)
        hidden = rng.random(len(rows)) < _HIDDEN_SHARE
        texts = _without(self._text.take(rows), queries, hidden)
        same = torch.from_numpy(self._same[rows]).to(self._device)
        loss = text_loss(self._queries(queries), self._items(texts, rows), same, TEMPERATURE)
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is {loss.item()} at step {state.step}: lower --learning-rate")
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        state.step += 1
        return loss.item()

    def _queries(self, bags: RowBags) -> Tensor:
        assert self.network.items.text is not None  # noqa: S101 - refused above
        return bag_vectors(self.network.items.text, bags.bags().to(self._device))

    def _items(self, texts: RowBags, rows: NDArray[np.int64]) -> Tensor:
        """Item features as the item tower gives them to items never seen, but for the text that is hidden."""
        features = self._queries(texts)
        table = self.network.items.attributes
        if table is not None and self._attributes is not None:
            features = features + bag_vectors(table, self._attributes.take(rows).bags().to(self._device))
        return features

    @torch.no_grad()
    def validate(self, loss: float) -> bool:
        """Measure the epoch, write it into the history; whether it is the best so far."""
        state = self.state
        value = self._ndcg() if len(self._valid) else -loss
        better = value > state.best or not state.history
        state.best, state.since_best = (value, 0) if better else (state.best, state.since_best + 1)
        state.seconds = self._clock.used()
        shown = loss if self.metric == LOSS else value
        state.history.append({"epoch": state.epoch, "loss": loss, "value": shown, "seconds": state.seconds})
        self._tell(state.epoch, self._steps, loss)
        return better

    def _ndcg(self) -> float:
        """Of every view, 1 / log2(1 + the place of the first item with its item's title), within the best 10."""
        self.network.eval()
        units, _ = self.network.item_vectors(self._graph, self.known)
        queries = torch.nn.functional.normalize(self._queries(self._validation_bags), dim=1)
        nothing = np.zeros(0, dtype=np.int64)
        ranked = rank_items(queries, units, nothing, nothing.astype(np.int32), _DEPTH)
        hit = self._same[ranked] == self._same[self._validation_rows][:, None]
        gains = 1 / np.log2(np.arange(2, 2 + ranked.shape[1]))
        return float((hit * gains).max(axis=1).mean())

    def _tell(self, epoch: int, step: int, loss: float) -> None:
        if self._progress:
            last = self.state.history[-1]["value"] if self.state.history and self.metric != LOSS else None
            self._progress(TrainProgress(epoch, self._settings.epochs, step, self._steps, loss, self.metric, last))


def _hold_out(described: NDArray[np.int64], settings: TrainSettings) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The item rows that train and those that validate, each ascending."""
    count = min(int(_VALIDATION_SHARE * len(described)), settings.validation_users)
    drawn = np.random.default_rng([settings.seed, 2]).permutation(len(described))
    return described[np.sort(drawn[count:])], described[np.sort(drawn[:count])]


def _without(texts: RowBags, queries: RowBags, hidden: NDArray[np.bool_]) -> RowBags:
    """The texts, those that are hidden less the n-grams of the query beside them."""
    span = 1 + max(int(texts.columns.max(initial=0)), int(queries.columns.max(initial=0)))

    def keys(bags: RowBags) -> NDArray[np.int64]:
        return np.repeat(np.arange(len(hidden)), np.diff(bags.offsets)) * span + bags.columns

    lines = np.repeat(hidden, np.diff(texts.offsets))
    return texts.keep(~(lines & np.isin(keys(texts), keys(queries))))
