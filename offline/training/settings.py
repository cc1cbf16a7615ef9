"""How training is done: chosen from the data's properties, recorded with the run."""

from dataclasses import asdict, dataclass
from typing import Any

from app.artifact.event_features import AGE_BUCKETS
from app.artifact.names import BEHAVIOURS
from model.network import NetworkShape

SMALL = 120_000
"""Below so many train events a vector of 64 numbers is enough, and more of them overfit."""


CATALOGUE_ALONE: dict[str, Any] = {
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


@dataclass(frozen=True)
class TrainSettings:
    """One training run."""

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

    def shape(self) -> NetworkShape:
        """The sizes of the network."""
        return NetworkShape(
            dim=self.dim,
            window=self.window,
            heads=self.heads,
            layers=self.layers,
            types=1 + len(BEHAVIOURS),
            ages=AGE_BUCKETS,
            ordered=self.ordered,
            dropout=self.dropout,
            id_dropout=self.id_dropout,
        )

    def as_dict(self) -> dict[str, Any]:
        """For the record."""
        return asdict(self)


def choose_settings(meta: dict[str, Any], seed: int, overrides: dict[str, Any] | None = None) -> TrainSettings:
    """Settings from the properties of a split; `overrides` replaces single ones."""
    events = int(meta["counts"]["train"]["events"])
    if not events:
        overrides = CATALOGUE_ALONE | (overrides or {})
    ordered = bool(meta["has_order"])
    chosen: dict[str, Any] = {
        "dim": 128 if events >= SMALL else 64,
        "window": 50,
        "heads": 2,
        "layers": 2,
        "dropout": 0.4,
        "id_dropout": 0.1,
        "ordered": ordered,
        "timed": bool(meta["has_time"]),
        "hide_seen": "seen" in meta["mask"][:1],
        "batch": 256 if ordered else 2048,
        "epochs": 8 if ordered else 12,
        "patience": 3,
        "learning_rate": 2e-3 if ordered else 5e-3,
        "weight_decay": 1e-3,
        "full_softmax_items": 60_000,
        "sampled_items": 16_384,
        "validation_users": 4_000,
        "seed": seed,
    }
    return TrainSettings(**(chosen | (overrides or {})))
