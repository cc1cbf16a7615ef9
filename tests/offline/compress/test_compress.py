"""The stage: variants of a trained network are measured on validation, one is chosen, and its bundle is whole."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from app.artifact.user_records import pack_long_vectors, unpack_long_vectors
from app.artifact.user_state import read_user_states
from app.engine.loading import load_snapshot, read_warmup
from app.engine.requests import RequestBatch
from app.errors import GoldenMismatch
from offline.compress import sweep, variant_session
from offline.compress.apply import apply_compression, cut_for, load_compressed
from offline.compress.choice import CompressionChoice, read_choice
from offline.compress.compress import compress
from offline.compress.fine_tune import fine_tune
from offline.compress.recipe import Recipe
from offline.dataset.split_events import read_histories
from offline.export.bundle import export_bundle
from offline.export.fidelity import measure_fidelity
from offline.export.inputs import ExportInputs
from offline.graph.build import item_graph, read_graph
from offline.training.trained import Trained, load_trained
from offline.workspace.budget import Allowance


@dataclass(frozen=True)
class Compressed:
    """A split without its test rows, and what the stage and the export made of it."""

    split: Path
    whole: Trained
    folder: Path
    choice: CompressionChoice
    small: Trained
    bundle: Path


Models = dict[Any, Any]
LEAST = 1e-9
"""A loss that no cut stays within."""


def one_cut(patch: pytest.MonkeyPatch, models: Models, sparse: tuple[float, ...] = ()) -> None:
    """A search of half the dimensions only, in which towers of one shape are exported once."""

    def tower_model(trained: Trained) -> Any:
        shape = trained.network.shape
        if shape not in models:
            models[shape] = variant_session.tower_model(trained)
        return models[shape]

    patch.setattr(sweep, "DIM_SHARES", (0.5,))
    patch.setattr(sweep, "UNIT_SHARES", ())
    patch.setattr(sweep, "SPARSE_SHARES", sparse)
    patch.setattr(sweep, "tower_model", tower_model)
    patch.setattr("offline.compress.compress.tower_model", tower_model)


@pytest.fixture(scope="module")
def models() -> Models:
    """Exported towers by shape."""
    return {}


@pytest.fixture(scope="module")
def trained(shop_run: Any) -> Trained:
    return load_trained(shop_run.split, item_graph(read_graph(shop_run.graph)), shop_run.train)


@pytest.fixture(scope="module")
def compressed(shop_run: Any, trained: Trained, models: Models, tmp_path_factory: pytest.TempPathFactory) -> Compressed:
    """One cut of the dimensions, whatever it costs; whoever reads test would fail, since it is not there."""
    root = tmp_path_factory.mktemp("compressed")
    shutil.copytree(shop_run.split, root / "split")
    (root / "split" / "test.parquet").unlink()
    with pytest.MonkeyPatch.context() as patch:
        one_cut(patch, models, (0.8,))
        choice = compress(trained, root / "split", root / "compress", max_loss=1.0)
    small = load_compressed(root / "split", trained.graph, shop_run.train, root / "compress")
    inputs = ExportInputs(small, root / "split", shop_run.graph, compression=choice.table)
    exported = export_bundle(inputs, root / "bundle")
    return Compressed(root / "split", trained, root / "compress", choice, small, exported.folder)


def test_table_holds_every_variant_measured(compressed: Compressed) -> None:
    by_name = {line["variant"]: line for line in compressed.choice.table}
    small = by_name["int8, 16 dimensions"]
    assert list(by_name) == ["fp32", "int8", "int8, 16 dimensions", "int8, 80% of the tower's weights zero"]
    assert [name for name, line in by_name.items() if line["chosen"]] == ["int8, 16 dimensions"]
    assert by_name["fp32"]["overlap_at_10"] == 1.0
    assert by_name["int8"]["overlap_at_10"] > by_name["int8, 80% of the tower's weights zero"]["overlap_at_10"] > 0.9
    assert by_name["fp32"]["megabytes"] > by_name["int8"]["megabytes"] > small["megabytes"]
    assert all(0 < line["p50_ms"] <= line["p99_ms"] for line in by_name.values())
    assert {line["metric"] for line in by_name.values()} == {compressed.choice.metric}


def test_the_choice_that_was_written_is_the_one_that_was_made(compressed: Compressed) -> None:
    assert read_choice(compressed.folder) == compressed.choice
    assert compressed.choice.recipe == Recipe(item_dim=16)
    assert not (compressed.folder / "tried").exists()


def test_bundle_of_the_cut_network_is_verified_and_narrow(compressed: Compressed) -> None:
    snapshot = load_snapshot(compressed.bundle)  # compares golden answers
    assert snapshot.manifest.shapes.dim == snapshot.items.vectors.shape[1] == 16
    states = read_user_states(compressed.bundle)
    assert states.long_vectors.shape[1] == 16
    packed = pack_long_vectors(states.long_vectors, states.long_scales, states.long_weights)
    back, _ = unpack_long_vectors([bytes(record) for record in packed], 16)
    np.testing.assert_allclose(back, states.long_vectors_of(np.arange(len(back))), rtol=1e-6)


def test_manifest_tells_the_table_and_what_the_export_found(compressed: Compressed) -> None:
    told = load_snapshot(compressed.bundle).manifest.compression
    assert [line["variant"] for line in told] == [line["variant"] for line in compressed.choice.table]
    assert [("this network in full precision" in line["note"]) for line in told] == [line["chosen"] for line in told]


def test_the_check_of_the_export_compares_with_the_cut_network(compressed: Compressed) -> None:
    snapshot = load_snapshot(compressed.bundle)
    batch = read_warmup(compressed.bundle)
    assert measure_fidelity(compressed.small, snapshot, batch).overlap_at_10 > 0.9
    other = cut_for(
        compressed.whole, compressed.split, Recipe(item_dim=16), read_histories(compressed.split, ("valid",))
    )
    with torch.no_grad():
        other.network.queries.narrow.weight.neg_()  # type: ignore[union-attr]
    with pytest.raises(GoldenMismatch, match="the export is at fault"):
        measure_fidelity(other, snapshot, batch)


def test_answers_of_the_compressed_bundle_are_the_same_alone_and_in_any_batch(compressed: Compressed) -> None:
    snapshot = load_snapshot(compressed.bundle)
    batch = read_warmup(compressed.bundle)
    together = snapshot.retriever.run(batch, 20)
    for line in range(0, len(batch), 5):
        alone = snapshot.retriever.run(_line(batch, line), 20)
        assert np.array_equal(alone.rows[0], together.rows[line])
        assert np.array_equal(alone.scores[0], together.scores[line])


def test_recipe_is_given_anew_to_a_network_trained_on_more(compressed: Compressed) -> None:
    tuned = replace(compressed.choice, recipe=Recipe(item_dim=16, tuned=True))
    again = apply_compression(compressed.whole, compressed.split, tuned, parts=("train", "valid"))
    assert again.network.shape == compressed.small.network.shape
    assert not torch.equal(again.network.narrow.weight, compressed.small.network.narrow.weight)  # type: ignore[union-attr]
    same = apply_compression(compressed.whole, compressed.split, compressed.choice)
    assert torch.equal(same.network.narrow.weight, compressed.small.network.narrow.weight)  # type: ignore[union-attr]


def test_nothing_is_done_where_the_choice_cuts_nothing(compressed: Compressed) -> None:
    plain = replace(compressed.choice, recipe=Recipe(weight_bits=7))
    assert apply_compression(compressed.whole, compressed.split, plain) is compressed.whole


def test_fine_tuning_brings_the_cut_network_nearer_and_leaves_the_others_alone(compressed: Compressed) -> None:
    histories = read_histories(compressed.split, ("train",))
    cut = cut_for(compressed.whole, compressed.split, Recipe(item_dim=16), histories)
    before = {name: value.clone() for name, value in cut.network.state_dict().items()}
    tuned = fine_tune(cut, compressed.whole, histories, device=torch.device("cpu"))
    assert all(torch.equal(value, before[name]) for name, value in cut.network.state_dict().items())
    assert all(
        torch.equal(value, before[name]) == (name.startswith("items.") or name == "norm_power")
        for name, value in tuned.network.state_dict().items()
        if name in ("norm_power", "items.ids", "narrow.weight", "queries.widen.weight", "queries.inner.weight")
    )


def test_stopped_search_goes_on_with_the_variant_that_it_had_not_measured(
    compressed: Compressed, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def tell(told: list[str]) -> Any:
        return lambda _done, _total, what: told.append(what)

    def search(folder: Path, told: list[str]) -> CompressionChoice:
        with pytest.MonkeyPatch.context() as patch:
            one_cut(patch, models, (0.8,))
            patch.setattr(sweep, "may_be_clear", lambda *_: True)
            return compress(compressed.whole, compressed.split, folder, max_loss=LEAST, progress=tell(told))

    def stop(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    whole = search(tmp_path / "whole", [])
    assert [line["variant"] for line in whole.table] == [
        "fp32",
        "int8",
        "int8, 16 dimensions",
        "int8, 16 dimensions, fine-tuned",
        "int8, 80% of the tower's weights zero",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "without_small_weights", stop)
        with pytest.raises(KeyboardInterrupt):
            search(tmp_path / "parts", [])
    assert not (tmp_path / "parts" / "compress.json").exists()
    measured: list[Any] = []
    with monkeypatch.context() as patch:
        patch.setattr(sweep, "fine_tune", lambda *_, **__: pytest.fail("fine-tuned again"))
        patch.setattr(
            sweep,
            "top_rows",
            lambda variant, *rest: measured.append(variant) or variant_session.top_rows(variant, *rest),
        )
        parts = search(tmp_path / "parts", [])
    assert len(measured) == 1
    timed = ("p50_ms", "p99_ms")
    untimed = [[{k: v for k, v in line.items() if k not in timed} for line in it.table] for it in (whole, parts)]
    assert untimed[0] == untimed[1]


class Clock:
    """Every look at it is a second later."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def test_a_search_without_time_measures_what_it_must_and_says_so(
    compressed: Compressed, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_cut(monkeypatch, models)
    allowance = Allowance.of(5.0, now=Clock())
    choice = compress(compressed.whole, compressed.split, tmp_path / "c", max_loss=1.0, allowance=allowance)
    assert [line["variant"] for line in choice.table] == ["fp32", "int8"]
    assert (choice.variant, choice.recipe) == ("int8", Recipe())
    assert choice.cut_short == "the search for smaller variants stopped after 2 of them"
    assert read_choice(tmp_path / "c") == choice


def test_what_is_not_surely_within_the_loss_is_not_cut_and_the_table_says_why(
    compressed: Compressed, models: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one_cut(monkeypatch, models)
    choice = compress(compressed.whole, compressed.split, tmp_path / "c", max_loss=0.005)
    assert choice.variant == "int8"
    assert f"nothing that was cut is surely within 0.50%, by {choice.users} validation cases" in choice.table[1]["note"]


def test_where_nobody_is_validated_nothing_is_cut(compressed: Compressed, tmp_path: Path) -> None:
    shutil.copytree(compressed.split, tmp_path / "split")
    empty = pl.read_parquet(compressed.split / "valid.parquet").clear()
    empty.write_parquet(tmp_path / "split" / "valid.parquet")
    choice = compress(compressed.whole, tmp_path / "split", tmp_path / "c", weight_bits=7)
    assert (choice.recipe, choice.table, choice.metric) == (Recipe(weight_bits=7), [], None)
    assert json.loads((tmp_path / "c" / "compress.json").read_text())["compression"] == []


def _line(batch: RequestBatch, line: int) -> RequestBatch:
    return RequestBatch(
        **{
            name: None if value is None else value[line : line + 1]
            for name, value in ((name, getattr(batch, name)) for name in batch.__dataclass_fields__)
        }
    )
