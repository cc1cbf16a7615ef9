"""Train the ranker on validation targets: lists by softmax cross-entropy, behaviours by binary cross-entropy."""

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.artifact import names
from app.artifact.rank_features import FEATURES, GROUPS
from app.artifact.ranker_spec import RankerSpec
from app.engine.ranking import log_chain
from app.engine.snapshot import Snapshot
from app.errors import TrainingError
from model.ranker import Ranker, chain_loss, listwise_loss
from offline.dataset.folder import whole_folder
from offline.dataset.progress import Progress, silent
from offline.evaluation.metrics import DEPTH, Metric, parse_metric, table_of
from offline.evaluation.protocol import load_cases, read_meta
from offline.ranking.calibration import fit_calibration
from offline.ranking.examples import Examples, examples_of
from offline.ranking.next_session import chain_of
from offline.ranking.rank_graph import write_rank_graph

HISTORY_FILE = "history.json"
LISTS = 15_000  # at most; candidates of so many fit into memory
HELD_SHARE = 0.2  # of the lists: they stop training, calibrate, and decide whether the ranker orders
HIDDEN = (64, 32)
BATCH = 64  # lists a step
EPOCHS = 15
PATIENCE = 3
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 1e-4
MIN_LISTS = 30
_SCORE = FEATURES.index("score")


@dataclass(frozen=True)
class TrainedRanker:
    """What the stage found out."""

    orders: bool
    metric: str
    retrieval_value: float
    ranked_value: float
    epochs: int
    lists: int


def train_ranker(
    snapshot: Snapshot,
    split: Path,
    out: Path,
    *,
    seed: int,
    progress: Progress | None = None,
) -> TrainedRanker | None:
    """Write `rank.onnx`, `ranker.json` and `history.json` to `out`; None where too few are validated.

    A fifth of the validated users is held out of training: on them training stops, probabilities are calibrated, and
    the ranker's order is compared with that of retrieval. Where it is no better, the ranker only predicts.

    Args:
        snapshot: a bundle that knows train alone, of a network that has not seen validation targets.
        split: folder of the split.
        out: folder, which appears whole.
        seed: of draws.
        progress: told how far it is.

    Raises:
        TrainingError: the loss is not a number.
    """
    tell = progress or silent
    meta = read_meta(split)
    chain = chain_of(meta["behaviours"])
    cases = load_cases(split, "valid", LISTS, seed)
    metric = parse_metric(next((name for name in meta["metrics"] if name.startswith("ndcg")), meta["metrics"][0]))
    with whole_folder(out, HISTORY_FILE) as folder:
        if len(cases) < MIN_LISTS:
            note = f"{len(cases)} validated users, of {MIN_LISTS} that a ranker needs"
            _write(folder / HISTORY_FILE, {"epochs": [], "metric": metric.name, "note": note})
            return None
        examples = examples_of(snapshot, split, cases, meta["mask"][0], chain, progress)
        rng = np.random.default_rng([seed, 11])
        order = rng.permutation(len(examples))
        held = max(1, round(HELD_SHARE * len(order)))
        fit, check = examples.take(np.sort(order[held:])), examples.take(np.sort(order[:held]))
        ranker, history = _fit(fit, check, metric, len(chain), seed, tell)
        scores, links = _scored(ranker, check.features)
        before = float(judged(metric, check, check.features[:, _SCORE]).mean())
        after = float(judged(metric, check, scores).mean())
        raw = np.exp(log_chain(links))
        prices = snapshot.tables.log_price[np.isfinite(snapshot.tables.log_price)]
        spec = RankerSpec(
            features=list(FEATURES),
            behaviours=chain,
            calibrations=[fit_calibration(raw[:, link], check.happened[:, link]) for link in range(len(chain))],
            orders=after > before,
            metric=metric.name,
            retrieval_value=before,
            ranked_value=after,
            mean_log_price=float(prices.mean()) if len(prices) else 0.0,
        )
        write_rank_graph(folder / names.RANK_GRAPH, ranker)
        (folder / names.RANKER).write_text(spec.model_dump_json(indent=2) + "\n", encoding="utf-8")
        document = {
            "epochs": history,
            "metric": metric.name,
            "lists": len(fit),
            "held_lists": len(check),
            "candidates_a_list": round(len(examples.rows) / len(examples), 1),
            "retrieval_value": before,
            "ranked_value": after,
            "orders": spec.orders,
            "feature_groups": _group_worth(ranker, check, metric, after),
        }
        _write(folder / HISTORY_FILE, document)
        return TrainedRanker(spec.orders, metric.name, before, after, len(history), len(fit))


def feature_groups(folder: Path) -> list[dict[str, Any]]:
    """What each group of features is worth on the users held out of the ranker's training; empty without a ranker."""
    path = folder / HISTORY_FILE
    if not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8")).get("feature_groups", [])
    return found


def judged(metric: Metric, examples: Examples, scores: NDArray[np.float32]) -> NDArray[np.float64]:
    """The metric of every list ordered by `scores`, `[lists]`; targets that no source found count as missed."""
    ranked = np.zeros((len(examples), DEPTH), dtype=np.int64)
    lines = examples.lines()
    order = np.lexsort((examples.rows, -scores, lines))
    place = np.arange(len(order)) - examples.offsets[lines[order]]
    kept = place < DEPTH
    ranked[lines[order][kept], place[kept]] = examples.rows[order][kept]
    return table_of([metric], ranked, examples.targets)[:, 0]


def _fit(
    fit: Examples, check: Examples, metric: Metric, links: int, seed: int, tell: Progress
) -> tuple[Ranker, list[dict[str, Any]]]:
    """The weights of the epoch that did best on `check`, and how it went."""
    torch.manual_seed(seed)
    mean = fit.features.mean(axis=0, dtype=np.float64).astype(np.float32)
    spread = np.maximum(fit.features.std(axis=0, dtype=np.float64), 1e-3).astype(np.float32)
    ranker = Ranker(torch.from_numpy(mean), torch.from_numpy(spread), HIDDEN, links)
    with torch.no_grad():  # nearly nothing happens to a candidate: begin there
        last = ranker.chain[-1]
        if isinstance(last, torch.nn.Linear):
            last.bias.copy_(torch.from_numpy(_base_log_odds(fit)))
    optimizer = torch.optim.AdamW(ranker.parameters(), lr=LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    found = np.add.reduceat(fit.target, fit.offsets[:-1]) > 0
    useful = np.flatnonzero(found | (np.add.reduceat(fit.happened.any(axis=1), fit.offsets[:-1]) > 0))
    steps = max(1, -(-len(useful) // BATCH))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps * EPOCHS + 1)
    rng = np.random.default_rng([seed, 12])
    best, since, kept, history = -1.0, 0, copy.deepcopy(ranker.state_dict()), []
    for epoch in range(1, EPOCHS + 1):
        tell(epoch - 1, EPOCHS, f"ranker, best {metric.name} {max(best, 0.0):.4f}")
        loss = _epoch(ranker, fit, useful[rng.permutation(len(useful))], optimizer, schedule.step)
        value = float(judged(metric, check, _scored(ranker, check.features)[0]).mean())
        history.append({"epoch": epoch, "loss": loss, "value": value})
        if value > best:
            best, since, kept = value, 0, copy.deepcopy(ranker.state_dict())
        else:
            since += 1
            if since >= PATIENCE:
                break
    tell(EPOCHS, EPOCHS, f"ranker, best {metric.name} {best:.4f}")
    ranker.load_state_dict(kept)
    return ranker.eval(), history


def _base_log_odds(examples: Examples) -> NDArray[np.float32]:
    """Of each link of the chain, where the one before it happened, `[links]`."""
    counts = examples.happened.sum(axis=0) + 1.0
    before = np.concatenate([[len(examples.rows) + 2.0], counts[:-1] + 1.0])
    return np.asarray(np.log(counts / np.maximum(before - counts, 0.5)), dtype=np.float32)


def _epoch(
    ranker: Ranker,
    examples: Examples,
    lists: NDArray[np.int64],
    optimizer: torch.optim.Optimizer,
    step_rate: Callable[[], None],
) -> float:
    ranker.train()
    total = 0.0
    for start in range(0, len(lists), BATCH):
        part = examples.take(lists[start : start + BATCH])
        order, chain = ranker(torch.from_numpy(part.features))
        line = torch.from_numpy(part.lines())
        by_order = listwise_loss(order, line, len(part), torch.from_numpy(part.target))
        by_chain = chain_loss(chain, torch.from_numpy(part.happened))
        loss = (by_order + by_chain) / len(part)
        if not torch.isfinite(loss):
            raise TrainingError(f"the ranker's loss is {loss.item()}: train with another --seed, and report it")
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        step_rate()
        total += loss.item() * len(part)
    return total / max(1, len(lists))


@torch.no_grad()
def _scored(ranker: Ranker, features: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    ranker.eval()
    parts = [ranker(torch.from_numpy(features[start : start + 200_000])) for start in range(0, len(features), 200_000)]
    return torch.cat([order for order, _ in parts]).numpy(), torch.cat([chain for _, chain in parts]).numpy()


def _group_worth(ranker: Ranker, check: Examples, metric: Metric, value: float) -> list[dict[str, Any]]:
    """What the metric loses where a group of features says nothing, each of its features set to the training mean."""
    found = []
    for group, members in GROUPS.items():
        columns = [FEATURES.index(name) for name in members]
        silent_features = check.features.copy()
        silent_features[:, columns] = ranker.mean.numpy()[columns]
        without = float(judged(metric, check, _scored(ranker, silent_features)[0]).mean())
        found.append(
            {"group": group, "metric": metric.name, "with": value, "without": without, "difference": value - without}
        )
    return found


def _write(path: Path, document: dict[str, Any]) -> None:
    path.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
