"""Which variant is chosen, by cases; no network."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from offline.compress.choice import (
    COMPRESS_FILE,
    CompressionChoice,
    Difference,
    Measurement,
    choose,
    paired_difference,
    read_choice,
    within_loss,
)
from offline.compress.recipe import Recipe
from offline.errors import RunFolderError

NOISE = 0.001
SURELY = 1.96 * NOISE


def measured(
    name: str,
    megabytes: float,
    loss: float,
    *milder: str,
    noise: float = NOISE,
    value: float = 0.1,
    served: bool = True,
) -> Measurement:
    recipe = Recipe(item_dim=int(megabytes * 8)) if served else None
    return Measurement(name, recipe, megabytes, 1.0, 2.0, value, 0.9, {"users": Difference(loss, noise)}, milder)


FULL = measured("fp32", 40, 0.0, noise=0.0, served=False)
PLAIN = measured("int8", 10, 0.001)


def chosen(*variants: Measurement, max_loss: float = 0.005) -> str:
    return choose([FULL, PLAIN, *variants], "int8", max_loss).variant


def test_smallest_within_the_loss_is_chosen() -> None:
    assert chosen(measured("a", 8, 0.002), measured("b", 6, 0.003, "a"), measured("c", 4, 0.004, "b")) == "b"


def test_the_end_of_the_interval_has_to_be_within_the_stated_loss() -> None:
    assert chosen(measured("a", 8, 0.005 - SURELY - 1e-9)) == "a"
    assert chosen(measured("a", 8, 0.005 - SURELY + 1e-9)) == "int8"


def test_full_precision_and_comparisons_are_never_chosen_though_small() -> None:
    assert chosen(measured("sparse", 1, 0.0, served=False)) == "int8"


def test_plain_variant_is_served_even_where_it_loses_too_much() -> None:
    worse = measured("int8", 10, 0.2)
    assert choose([FULL, worse, measured("a", 8, 0.1, "int8")], "int8", 0.005).variant == "int8"


def test_a_variant_that_goes_beyond_one_that_loses_too_much_was_lucky() -> None:
    assert chosen(measured("a", 8, 0.01), measured("b", 6, -0.001, "a")) == "int8"
    assert within_loss([measured("a", 8, 0.01), measured("b", 6, -0.001, "a")], 0.005) == set()


def test_both_kinds_of_cut_must_be_within_the_loss_for_their_combination() -> None:
    assert chosen(measured("d", 8, 0.0), measured("u", 9, 0.02), measured("both", 5, 0.0, "d", "u")) == "d"


def test_what_cannot_be_told_is_not_cut() -> None:
    assert chosen(measured("a", 8, -0.005, noise=0.008)) == "int8"  # a gain that lies inside the noise
    assert chosen(measured("a", 8, -0.005, noise=0.005)) == "a"


def test_of_equally_small_ones_the_better_is_chosen_then_the_first() -> None:
    assert chosen(measured("a", 8, 0.0, value=0.1), measured("b", 8, 0.0, value=0.2)) == "b"
    assert chosen(measured("a", 8, 0.0), measured("b", 8, 0.0)) == "a"


def test_difference_is_paired_and_relative() -> None:
    rng = np.random.default_rng(0)
    full = rng.random(400)
    found = paired_difference(full, full - 0.01 - 0.001 * rng.standard_normal(400))
    assert found.loss == pytest.approx(0.01 / full.mean(), rel=0.02)
    assert found.noise == pytest.approx(0.001 / 20 / full.mean(), rel=0.15)  # not that of the users
    same = paired_difference(full, full)
    assert (same.loss, same.noise) == (0.0, 0.0)


def test_few_users_who_all_get_the_same_prove_little() -> None:
    full = np.zeros(2_000)
    full[::10] = 0.5  # a mean of .05; one of them more or less is half a percent
    few, many = paired_difference(full, full), paired_difference(np.tile(full, 20), np.tile(full, 20))
    assert few.most == pytest.approx(0.005 * (1 + 1.96))
    assert not chosen_of(few)
    assert many.most < 0.001
    assert chosen_of(many)


def chosen_of(difference: Difference) -> bool:
    cut = Measurement("a", Recipe(item_dim=8), 5, 1.0, 2.0, 0.1, 0.9, {"users": difference})
    return chosen(cut) == "a"


def test_a_cut_that_users_do_not_notice_and_searches_do_is_not_made() -> None:
    users, searches = Difference(0.0, 0.0), Difference(0.03, 0.001)
    cut = Measurement("a", Recipe(item_dim=8), 5, 1.0, 2.0, 0.1, 0.9, {"users": users, "searches": searches})
    assert chosen(cut) == PLAIN.variant
    assert chosen(replace(cut, differences={"users": users, "searches": users})) == "a"
    note = cut.line("ndcg@10", PLAIN.variant)["note"]
    assert "users loss +0.00% \u00b1 0.00%" in note
    assert "searches loss +3.00% \u00b1 0.10%, surely not more than +3.20%" in note


def test_where_full_precision_finds_nothing_nothing_can_be_told() -> None:
    assert paired_difference(np.zeros(9), np.ones(9)).noise == np.inf
    assert paired_difference(np.ones(1), np.ones(1)).noise == np.inf


def test_choice_goes_through_json_and_table_has_its_keys(tmp_path: Path) -> None:
    table = [line.line("ndcg@10", "a") for line in (FULL, PLAIN, measured("a", 8, 0.004))]
    choice = CompressionChoice("a", Recipe(item_dim=64, hidden=8), 0.005, "ndcg@10", 17, table)
    document = json.loads(json.dumps(choice.as_dict()))
    assert CompressionChoice.from_dict(document) == choice
    keys = {"variant", "megabytes", "p50_ms", "p99_ms", "metric", "value", "overlap_at_10", "chosen", "note"}
    assert all(line.keys() == keys for line in document["compression"])
    assert [line["chosen"] for line in document["compression"]] == [False, False, True]
    (tmp_path / COMPRESS_FILE).write_text(json.dumps(document))
    assert read_choice(tmp_path) == choice


def test_missing_choice_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RunFolderError, match="compress first"):
        read_choice(tmp_path)
