"""Give a trained network a recipe: cut it, and fine-tune it where the recipe says so."""

from collections.abc import Sequence
from pathlib import Path

import torch

from model.item_tower import ItemGraph
from offline.compress.choice import CompressionChoice, read_choice
from offline.compress.cut import cut_network
from offline.compress.fine_tune import Step, event_counts, fine_tune
from offline.compress.importance import UnitImportance, unit_importance, weight_importance
from offline.compress.recipe import Recipe
from offline.compress.rotation import principal_directions
from offline.dataset.histories import Histories
from offline.dataset.split_events import read_histories
from offline.training.trained import Trained, load_trained
from offline.training.validation import load_validation

CALIBRATION_USERS = 2_000
_UNSEEN_SHARE = 0.1
"""Of the mean item's weight, what every item has in the rotation besides its events: cold items are items too."""


def apply_compression(
    trained: Trained,
    split: Path,
    choice: CompressionChoice,
    parts: Sequence[str] = ("train",),
    *,
    device: torch.device | None = None,
    step: Step | None = None,
) -> Trained:
    """A network with the chosen recipe: its item vectors come out cut, and its export needs nothing else.

    Args:
        trained: a network that is not cut, trained on `parts`; it is left as it is.
        choice: made on this network or on another of the same sizes.
        parts: what may be learned from: train, or train and valid.
        device: of the fine-tuning; the CPU if left out.
        step: told of every step of the fine-tuning.
    """
    if not choice.recipe.cuts:
        return trained
    histories = read_histories(split, parts)
    cut = cut_for(trained, split, choice.recipe, histories)
    if not choice.recipe.tuned:
        return cut
    return fine_tune(cut, trained, histories, device=device or torch.device("cpu"), step=step)


def cut_for(trained: Trained, split: Path, recipe: Recipe, histories: Histories) -> Trained:
    """The network cut by the recipe, not yet fine-tuned, on the CPU.

    The directions that are kept are those of the items as `histories` asks for them; the units that are kept are the
    strongest ones on the histories of validation users.
    """
    network = trained.network.cpu().eval()
    graph, known = trained.graph.to(torch.device("cpu")), trained.known.cpu()
    with torch.no_grad():
        units, _ = network.wide_vectors(graph, known)
    counts = event_counts(histories, graph.items)
    weights = counts + _UNSEEN_SHARE * counts.mean()
    weights[0] = 0.0
    importance = _importance(trained, split, units, recipe)
    return cut_network(trained, recipe, principal_directions(units, weights), importance)


def load_compressed(split: Path, graph: ItemGraph, train: Path, compress: Path) -> Trained:
    """The network that the chosen variant stands for, on the CPU.

    Args:
        graph: of its training.
        train: folder of the training.
        compress: folder that `compress` wrote.

    Raises:
        RunFolderError: training or compression has not finished.
    """
    return load_trained(split, graph, compress if read_choice(compress).recipe.cuts else train)


def _importance(trained: Trained, split: Path, units: torch.Tensor, recipe: Recipe) -> UnitImportance:
    """Of the hidden units, on validation users; by the weights alone where there are none."""
    tower = trained.network.queries
    validation = load_validation(split, CALIBRATION_USERS, trained.settings.seed)
    if validation is None or (recipe.hidden, recipe.feed) == (None, None):
        return weight_importance(tower)
    cases = validation.cases
    histories = Histories(cases.history.offsets, cases.history.rows, cases.history_types, cases.history_times)
    return unit_importance(tower, units, histories, cases.now)
