"""The job finds the structure of a shop that has one, and none where there is none."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from offline.job import Display, Options, run
from offline.synthetic.synthesize import synthesize
from offline.workspace.run_folder import RunFolder

OPTIONS = Options(seed=1, device="cpu", overrides={"epochs": 4, "dim": 32})

pytestmark = pytest.mark.usefixtures("narrow_compression")


@pytest.mark.slow
def test_model_is_far_above_popularity_on_a_shop_with_structure(tmp_path: Path, quiet: Display) -> None:
    synthesize(300, 400, 7, tmp_path / "shop")
    document = run(tmp_path / "shop", RunFolder(tmp_path / "run"), OPTIONS, quiet)
    report = document["reports"][0]
    theirs = document["baselines"]["popularity"]["seen"]
    assert report["metrics"]["ndcg@10"] > 2 * theirs["ndcg@10"]
    assert report["lift_over_popularity"]["ndcg@10"]["ci95"][0] > 0.02


@pytest.mark.slow
def test_model_is_not_above_popularity_when_items_are_permuted_across_users(tmp_path: Path, quiet: Display) -> None:
    shop = tmp_path / "shop"
    synthesize(300, 400, 7, shop)
    events = pl.read_parquet(shop / "events.parquet")
    shuffled = events["item_id"].gather(np.random.default_rng(3).permutation(events.height))
    events.with_columns(shuffled.alias("item_id")).write_parquet(shop / "events.parquet")
    document = run(shop, RunFolder(tmp_path / "run"), OPTIONS, quiet)
    for metric, lift in document["reports"][0]["lift_over_popularity"].items():
        assert lift["ci95"][0] <= 0, (metric, lift)
