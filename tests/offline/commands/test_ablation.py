"""The ablation program: it takes out what the data has, and tells how far each figure moved."""

from typing import Any

from ablation import applicable, line_of

from offline.dataset.split_meta import read_split_meta


def test_only_pieces_that_the_data_has_are_taken_out(shop_run: Any) -> None:
    meta = read_split_meta(shop_run.split)
    assert "text" in applicable(meta, shop_run.graph)
    assert {"attention", "aggregation"} <= set(applicable(meta, shop_run.graph))
    fewer = applicable(meta.model_copy(update={"has_order": False, "behaviours": ("view",)}), shop_run.graph)
    assert not {"attention", "aggregation", "behaviours"} & set(fewer)
    assert "graph" in fewer


def test_a_line_tells_each_figure_and_its_distance_from_the_whole_network() -> None:
    whole = {"without": "nothing", "valid": {"ndcg@10": 0.2}, "test": {"seen": {"hr@10": 0.5}}, "seconds": 3.0}
    row = {"without": "text", "valid": {"ndcg@10": 0.15}, "test": {"seen": {"hr@10": 0.55}}, "seconds": 2.0}
    line = line_of(row, whole)
    assert "without text" in line
    assert "valid ndcg@10 0.1500 (-25.0%)" in line
    assert "test seen hr@10 0.5500 (+10.0%)" in line
