"""How training is done: chosen from the data's properties, recorded with the run."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from app.artifact.behaviours import BEHAVIOURS
from app.artifact.event_features import AGE_BUCKETS
from model.item_tower import ItemGraph
from model.network import NetworkShape
from offline.dataset.split_meta import SplitMeta
from offline.errors import InputError

SWITCHES = ("graph", "aggregation", "attention", "text", "attributes", "behaviours")
"""Pieces that a training can be run without, to see what each is worth."""

SMALL_LOG = 120_000
"""Below so many train events a vector of 64 numbers is enough, and more of them overfit."""


CATALOGUE_ONLY: dict[str, Any] = {
    "dim": 256,  # short texts must tell near-equal items apart: on validation .363 against .340 with 128
    "layers": 0,  # there is nothing to pass messages over
    "ordered": True,  # events that come later have an order: the query starts as a mean, the newest most
    "batch": 1_024,  # views, each of which has the others' items as negatives
    "epochs": 5,
    "patience": 3,
    "learning_rate": 5e-3,
    "weight_decay": 0.0,
    "validation_users": 1_000,  # items that validate
}
"""Where there are no events: `offline.training.contrastive`."""
MANY_USERS = 100_000
"""From so many on, larger batches, since a step's fixed cost is the item tower, and a higher learning rate with them:
on diginetica HR@20 is .526 with 3e-3 and .521 with 2e-3."""
MANY_SCORES = 20_000_000_000
"""Next items of an epoch times items: from so many on, the softmax is over `FEW_ITEMS` that are drawn, and the targets.
On diginetica that takes a third of the time and HR@20 is the same (.5196 for .5199)."""
FEW_ITEMS = 8_192
TARGETS_IN_ALL = 1_000_000
"""Next items learned in all, about; further passes gain little, and a large log needs one."""
MOST_EPOCHS = 8
MIN_SEARCH_SHARE = 0.5
"""Share of train events that a query led to."""
LEAST_HISTORY_WEIGHT = 0.1
"""Of the loss of unordered histories, each of which holds what it asks for: where searches teach of users without that,
it overfits at full weight (validation of users alone .018 and falling, at a tenth .027)."""
VIEW_WEIGHT = 0.1
"""Small beside the loss of histories, which decides where items are, enough to tie words to them: with titles,
validation was .0719 with it and .0715 without, and of views .57 found their item among the best 10 against .55."""


@dataclass(frozen=True)
class TrainSettings:
    """The settings of one training run."""

    dim: int
    window: int
    heads: int
    layers: int
    dropout: float
    id_dropout: float
    ordered: bool  # whether the order of events means anything: next items are learned, else held-out sets
    timed: bool
    hide_seen: bool
    batch: int
    epochs: int
    patience: int  # epochs without a better validation metric before it stops
    learning_rate: float
    weight_decay: float
    full_softmax_items: int  # catalogues up to this size see every item in the softmax
    sampled_items: int  # above it, so many are drawn a step
    validation_users: int
    seed: int
    temperature: float  # of the softmax, at the start
    item_gate: float  # of the messages between items, at the start
    behaviour_gate: float  # of those through users, at the start
    id_length: float  # mean length of id embeddings at the start; text and attributes have length 1
    id_length_power: float  # how it grows with how often the item occurs
    without: tuple[str, ...]  # of `SWITCHES`
    query_weight: float = 0.0  # of the loss of logged queries, beside that of histories
    history_weight: float = 1.0  # of the loss of histories where there are queries
    query_batch: int = 0  # events that a query led to, a step
    query_power: float = 0.5  # a query is drawn as often as the number of its events to this power
    query_gate: float = 1.0  # of the messages of queries, at the start
    view_weight: float = 0.0  # of the loss of views of the catalogue's texts
    view_batch: int = 0  # views, a step
    text_scale: float = 14.0  # of a text's vector in the softmax, and beside the user's in a search

    @classmethod
    def of_record(cls, record: dict[str, Any]) -> "TrainSettings":
        """The inverse of `as_dict`, after JSON."""
        return cls(**(record | {"without": tuple(record["without"])}))

    def shape(self) -> NetworkShape:
        """The sizes of the network."""
        return NetworkShape(
            dim=self.dim,
            window=self.window,
            heads=self.heads,
            layers=0 if "graph" in self.without else self.layers,
            types=1 + len(BEHAVIOURS),
            ages=AGE_BUCKETS,
            ordered=self.ordered,
            dropout=self.dropout,
            id_dropout=self.id_dropout,
            temperature=self.temperature,
            item_gate=self.item_gate,
            behaviour_gate=self.behaviour_gate,
            query_gate=self.query_gate,
            aggregation="aggregation" not in self.without,
            attention="attention" not in self.without,
            typed="behaviours" not in self.without,
            timed=self.timed,
        )

    def as_dict(self) -> dict[str, Any]:
        """The settings as JSON holds them; `of_record` is the inverse."""
        return asdict(self)


def has_content(graph: ItemGraph) -> bool:
    """Whether items have text or attributes."""
    return graph.text is not None or graph.item_attributes is not None


def choose_settings(
    meta: SplitMeta,
    seed: int,
    overrides: dict[str, Any] | None = None,
    *,
    content: bool = True,
    without: Sequence[str] = (),
) -> TrainSettings:
    """Settings from the properties of a split.

    Random id embeddings of full length make the untrained network a random projection of the graph's powers, which
    already ranks like a neighbourhood method; where text or attributes place the items, ids begin short instead.

    Args:
        meta: of the split.
        overrides: replaces single settings.
        content: whether items have text or attributes.
        without: pieces to leave out.

    Raises:
        InputError: there is no such piece, or without it nothing is left that could answer.
    """
    split = _SplitFacts.of(meta, content=content, without=without)
    chosen: dict[str, Any] = {
        **_size(split),
        **_schedule(split),
        **_first_weights(split),
        **_texts(split),
        "seed": seed,
        "without": check_switches(without, ordered=split.ordered),
    }
    if not split.events:
        chosen |= CATALOGUE_ONLY
    return TrainSettings(**(chosen | (overrides or {})))


@dataclass(frozen=True)
class _SplitFacts:
    """The properties of a split that settings depend on."""

    events: int  # of train
    users: int
    items: int
    ordered: bool
    timed: bool
    hides_seen: bool
    content: bool  # whether items have text or attributes
    reads_text: bool
    search_share: float  # of the train events that a query led to; 0 where text is left out

    @classmethod
    def of(cls, meta: SplitMeta, *, content: bool, without: Sequence[str]) -> "_SplitFacts":
        train, reads_text = meta.counts["train"], "text" not in without
        return cls(
            events=train.events,
            users=train.users,
            items=meta.n_items,
            ordered=meta.has_order,
            timed=meta.has_time,
            hides_seen="seen" in meta.mask[:1],
            content=content,
            reads_text=reads_text,
            search_share=train.searched / max(train.events, 1) if reads_text else 0.0,
        )

    @property
    def mostly_searched(self) -> bool:
        """Whether the words of queries say of items what a catalogue's text does elsewhere."""
        return self.search_share >= MIN_SEARCH_SHARE

    @property
    def has_words(self) -> bool:
        """Whether text, attributes or queries place the items."""
        return self.content or self.mostly_searched

    @property
    def has_many_users(self) -> bool:
        """Whether next items are learned from so many that steps are worth less than their time."""
        return self.ordered and self.users >= MANY_USERS

    @property
    def has_many_scores(self) -> bool:
        """Whether an epoch of the softmax over all items would take most of the time."""
        return self.ordered and (self.events - self.users) * self.items >= MANY_SCORES

    @property
    def batch(self) -> int:
        if not self.ordered:
            return 512 if self.mostly_searched else 2048
        return 1024 if self.has_many_users else 256

    def pick(self, *, ordered: float, searches: float, unordered: float) -> Any:
        """The value for histories with an order, else for logs that are mostly searches, else for all others."""
        return ordered if self.ordered else searches if self.mostly_searched else unordered


def _size(split: _SplitFacts) -> dict[str, Any]:
    """The sizes of the network, and what it drops out."""
    return {
        "dim": _dim(split.events, ordered=split.ordered or split.mostly_searched),
        "window": 50,
        "heads": 2,
        "layers": 2 if split.ordered else 1,
        "dropout": 0.4,
        "id_dropout": 0.1 if split.content else 0.0,
        "ordered": split.ordered,
        "timed": split.timed,
        "hide_seen": split.hides_seen,
    }


def _schedule(split: _SplitFacts) -> dict[str, Any]:
    """Batches, epochs and steps of the optimiser."""
    ordered_epochs = _ordered_epochs(split.events, split.users)
    return {
        "batch": split.batch,
        "epochs": split.pick(ordered=ordered_epochs, searches=4, unordered=6),
        "patience": 3,
        "learning_rate": split.pick(ordered=3e-3 if split.has_many_users else 2e-3, searches=4e-3, unordered=5e-3),
        "weight_decay": 1e-3,
        "full_softmax_items": 2 * FEW_ITEMS if split.has_many_scores else 60_000,
        "sampled_items": FEW_ITEMS if split.has_many_scores else 16_384,
        "validation_users": 4_000,
    }


def _first_weights(split: _SplitFacts) -> dict[str, Any]:
    """Where temperature, gates and id embeddings begin."""
    ordered = split.ordered
    chosen = {"temperature": 0.07 if ordered else 0.12}
    if split.has_words:
        return chosen | {"item_gate": 0.25, "behaviour_gate": 0.25, "id_length": 0.1, "id_length_power": 0.0}
    return chosen | {
        "item_gate": 4.0 if ordered else 16.0,
        "behaviour_gate": 2.0 if ordered else 4.0,
        "id_length": 1.0,
        "id_length_power": 0.25 if ordered else 0.5,
    }


def _texts(split: _SplitFacts) -> dict[str, Any]:
    """The weights and batches of the losses of logged queries and of the catalogue's texts."""
    learns_text = split.content and split.reads_text and split.events
    return {
        "query_weight": 1.0 if split.search_share else 0.0,
        "history_weight": 1.0 if split.ordered else max(LEAST_HISTORY_WEIGHT, 1 - split.search_share),
        "query_batch": min(2 * split.batch, 1_024),
        "view_weight": VIEW_WEIGHT if learns_text else 0.0,
        "view_batch": 256,
    }


def _dim(events: int, *, ordered: bool) -> int:
    """Without order a vector holds whole histories: 256 numbers rank better than 128 (validation .140 against .136)."""
    if events < SMALL_LOG:
        return 64
    return 128 if ordered else 256


def _ordered_epochs(events: int, users: int) -> int:
    return min(max(round(TARGETS_IN_ALL / max(events - users, 1)), 1), MOST_EPOCHS)


def check_switches(without: Sequence[str], *, ordered: bool | None = None) -> tuple[str, ...]:
    """The names, each once and in the order of `SWITCHES`; `ordered` tells whether the data has an order, if known.

    Raises:
        InputError: there is no such piece, or without it nothing is left that could answer.
    """
    unknown = sorted(set(without) - set(SWITCHES))
    if unknown:
        raise InputError(f"expected --without {', '.join(SWITCHES)}, got {unknown[0]!r}: choose one of them")
    chosen = tuple(name for name in SWITCHES if name in without)
    if "aggregation" in chosen and ("attention" in chosen or ordered is False):
        why = "the data has no order, so that there is no session encoder" if ordered is False else "both are left out"
        raise InputError(
            "expected the session encoder in place of the aggregation that --without leaves out, got none "
            f"({why}): leave out one of them"
        )
    return chosen
