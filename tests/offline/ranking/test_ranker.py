"""The ranker stage: learned on validation, better than retrieval where there is something to learn, exact in ONNX."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import polars as pl
import pytest
import torch

from app.artifact import names
from app.artifact.manifest import sha256_of
from app.artifact.rank_features import FEATURES, OF_ORDER, OF_TIME
from app.engine.candidates import Source
from app.engine.loading import load_snapshot
from app.engine.snapshot import Snapshot
from app.errors import BundleCorrupt
from model.ranker import Ranker
from offline.dataset.split_meta import SplitMeta
from offline.evaluation.candidate_examples import Examples, examples_of
from offline.evaluation.metrics import parse_metric
from offline.evaluation.next_session import happened, next_session
from offline.evaluation.protocol import RowLists, load_cases
from offline.ranking.fit import fit_ranker, score_candidates
from offline.ranking.order_features import senseless_features
from offline.ranking.rank_graph import write_rank_graph
from offline.ranking.train_ranker import train_ranker


@pytest.fixture(scope="module")
def ranked_snapshot(shop_bundle: Path) -> Snapshot:
    return load_snapshot(shop_bundle)


def test_the_graph_gives_what_the_network_gives(tmp_path: Path) -> None:
    torch.manual_seed(0)
    ranker = Ranker(torch.randn(7), torch.rand(7) + 0.5, (16, 8), torch.randn(3), base=4).eval()
    torch.nn.init.normal_(ranker.order[-1].weight)
    torch.nn.init.normal_(ranker.chain[-1].weight)
    write_rank_graph(tmp_path / "rank.onnx", ranker)
    features = torch.randn(50, 7) * 5
    session = onnxruntime.InferenceSession(str(tmp_path / "rank.onnx"), providers=["CPUExecutionProvider"])
    order, chain = session.run((names.OUT_ORDER, names.OUT_CHAIN), {names.IN_FEATURES: features.numpy()})
    with torch.no_grad():
        expected = ranker(features)
    assert np.allclose(order, expected[0], atol=1e-5)
    assert np.allclose(chain, expected[1], atol=1e-5)


def made_up_examples(seed: int, lists: int = 60, each: int = 20) -> Examples:
    """Lists in which the candidate nearest to the last event is the target."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(lists * each, len(FEATURES))).astype(np.float32)
    best = features[:, FEATURES.index("like_last")].reshape(lists, each).argmax(axis=1)
    target = np.zeros(lists * each, dtype=np.bool_)
    target[np.arange(lists) * each + best] = True
    rows = np.tile(np.arange(1, each + 1), lists)
    return Examples(
        features,
        rows,
        np.ones(len(rows), dtype=np.uint8),
        target,
        target[:, None],
        np.arange(lists + 1) * each,
        RowLists(np.arange(lists + 1), rows[target].astype(np.int32)),
    )


def test_what_says_nothing_in_a_log_has_no_say_in_its_ranker_whatever_is_served(tmp_path: Path) -> None:
    examples = made_up_examples(0)
    mute = [FEATURES.index(name) for name in OF_ORDER]
    metric = parse_metric("ndcg@10")
    fitted = {
        name: fit_ranker(examples, 0, metric=metric, epochs=(5, 5), mute=mute if name == "without" else ())
        for name in ("with", "without")
    }
    changed = examples.features.copy()
    changed[:, mute] = np.random.default_rng(1).normal(size=(len(changed), len(mute))) * 100
    for name, fit in fitted.items():
        write_rank_graph(tmp_path / f"{name}.onnx", fit.ranker)
        session = onnxruntime.InferenceSession(str(tmp_path / f"{name}.onnx"), providers=["CPUExecutionProvider"])
        outputs = (names.OUT_ORDER, names.OUT_CHAIN)
        before, after = (session.run(outputs, {names.IN_FEATURES: values}) for values in (examples.features, changed))
        for one, other in zip(before, after, strict=True):
            assert np.isfinite(other).all()
            assert np.array_equal(one, other) == (name == "without")


@pytest.mark.slow
@pytest.mark.parametrize("lists", [1, 8, 9, 16, 24])
def test_a_ranker_may_be_fitted_in_any_number_of_steps(lists: int) -> None:
    examples = made_up_examples(0, lists, each=5)
    for epochs in range(1, 21):
        fitted = fit_ranker(examples, 0, metric=parse_metric("ndcg@10"), most_epochs=epochs)
        assert len(fitted.history) == epochs
        assert all(np.isfinite(entry["loss"]) for entry in fitted.history)


@pytest.mark.parametrize(("has_order", "has_time"), [(True, True), (True, False), (False, False)])
def test_a_log_mutes_the_features_of_what_it_does_not_have(has_order: bool, has_time: bool) -> None:
    meta = SplitMeta.model_construct(has_order=has_order, has_time=has_time)
    assert set(senseless_features(meta)) == {*(() if has_order else OF_ORDER), *(() if has_time else OF_TIME)}
    assert {*OF_ORDER, *OF_TIME} <= set(FEATURES)


def test_shop_has_a_ranker_of_all_behaviours(ranked_snapshot: Snapshot) -> None:
    ranker = ranked_snapshot.ranker
    assert ranker is not None
    assert ranker.spec.behaviours == ["view", "cart", "purchase"]
    assert ranker.objectives == ["view", "cart", "purchase", "revenue"]


def test_examples_mark_targets_and_sessions_and_hide_what_is_masked(
    shop_run: object, ranked_snapshot: Snapshot
) -> None:
    split = shop_run.split  # type: ignore[attr-defined]
    cases = load_cases(split, "test")
    found = examples_of(ranked_snapshot, split, cases, "seen", ["view", "cart", "purchase"])
    assert len(found) == len(cases)
    ids = pl.read_parquet(split / "items.parquet").sort("row")["item_id"].to_list()
    rows = [0, *(ranked_snapshot.items.row_of(item_id) for item_id in ids)]
    hidden = cases.mask("seen")
    case, item, types = next_session(split, cases)
    assert found.target.any()
    for line in range(len(cases)):
        part = slice(found.offsets[line], found.offsets[line + 1])
        listed = found.rows[part].tolist()
        assert not set(listed) & {rows[row] for row in hidden.of(line)}
        wanted = {rows[row] for row in cases.targets.of(line)} - {0}
        assert {row for row, is_target in zip(listed, found.target[part], strict=True) if is_target} == wanted & set(
            listed
        )
        for link, least in enumerate((1, 2, 3)):
            did = {
                rows[row] for row, code in zip(item[case == line], types[case == line], strict=True) if code >= least
            }
            came = {row for row, yes in zip(listed, found.happened[part, link], strict=True) if yes}
            assert came == did & set(listed)
    assert ((found.sources & Source.HISTORY) == 0).all()  # all of it is hidden


def test_what_is_left_out_of_examples_leaves_all_else_as_it_is(shop_run: object, ranked_snapshot: Snapshot) -> None:
    split, chain = shop_run.split, ["view", "cart", "purchase"]  # type: ignore[attr-defined]
    cases = load_cases(split, "test")
    whole = examples_of(ranked_snapshot, split, cases, "none", chain)
    left_out = np.zeros(len(ranked_snapshot.tables.scales), dtype=np.bool_)
    left_out[np.unique(whole.rows)[::3]] = True
    came = examples_of(ranked_snapshot, split, cases, "none", chain, without=left_out)
    expected = whole.keep(~left_out[whole.rows])
    assert 0 < len(came.rows) < len(whole.rows)
    for name in ("features", "rows", "sources", "target", "happened", "offsets"):
        assert np.array_equal(getattr(came, name), getattr(expected, name)), name


def test_scores_with_columns_at_their_mean_are_those_of_features_with_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("offline.ranking.fit._SCORED_AT_ONCE", 300)  # four parts
    monkeypatch.setattr("offline.ranking.fit._SUMMED_AT_ONCE", 700)
    examples = made_up_examples(3)
    ranker = fit_ranker(examples, 0, metric=parse_metric("ndcg@10"), most_epochs=2).ranker
    assert np.allclose(ranker.mean.numpy(), examples.features.mean(axis=0), atol=1e-6)
    assert np.allclose(ranker.spread.numpy(), examples.features.std(axis=0), atol=1e-6)
    before, columns = examples.features.copy(), [0, 5]
    muted = before.copy()
    muted[:, columns] = ranker.mean.numpy()[columns]
    for came, expected in zip(
        score_candidates(ranker, examples.features, mute=columns), score_candidates(ranker, muted), strict=True
    ):
        assert np.array_equal(came, expected)
    assert np.array_equal(examples.features, before)


def test_a_session_ends_with_the_first_long_pause(write_split: Callable[..., Path], tmp_path: Path) -> None:
    split = write_split(
        tmp_path / "split",
        train=[(0, 1, 1, 0.0), (1, 2, 1, 0.0)],
        valid=[(0, 3, 1, 100.0), (0, 4, 2, 1_000.0), (0, 5, 3, 9_000.0), (0, 6, 1, 9_001.0), (1, 7, 1, 50.0)],
    )
    case, item, types = next_session(split, load_cases(split, "valid"))
    assert list(zip(case.tolist(), item.tolist(), types.tolist(), strict=True)) == [(0, 3, 1), (0, 4, 2), (1, 7, 1)]


def test_a_purchase_is_a_view_and_a_cart_too() -> None:
    steps = happened(np.array([1, 2, 3], dtype=np.uint8), ["view", "cart", "purchase"])
    assert steps.tolist() == [[True, False, False], [True, True, False], [True, True, True]]
    assert happened(np.array([3], dtype=np.uint8), ["purchase"]).tolist() == [[True]]


def test_with_too_few_validated_users_there_is_no_ranker_and_a_note(
    write_split: Callable[..., Path], tmp_path: Path, ranked_snapshot: Snapshot
) -> None:
    split = write_split(
        tmp_path / "split", train=[(0, 1, 1, 0.0)], valid=[(0, 2, 1, 1.0)], behaviours=["view"], items=3
    )
    assert train_ranker(ranked_snapshot, split, tmp_path / "rank", seed=0) is None
    assert "of 30" in json.loads((tmp_path / "rank" / "history.json").read_text())["note"]


def test_a_ranker_of_other_features_is_refused(shop_bundle: Path, ranked_snapshot: Snapshot, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(ranked_snapshot.folder, tmp_path / "bundle"))
    manifest = json.loads((copy / names.MANIFEST).read_text())
    spec = json.loads((copy / names.RANKER).read_text())
    spec["features"] = spec["features"][1:]
    (copy / names.RANKER).write_text(json.dumps(spec))
    changed = copy / names.RANKER
    manifest["files"][names.RANKER] = {"bytes": changed.stat().st_size, "sha256": sha256_of(changed)}
    (copy / names.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(BundleCorrupt, match="other features"):
        load_snapshot(copy)
