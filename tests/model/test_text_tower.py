"""The text tower: bags are weighted sums, and the contrastive loss equals its definition."""

import math

import pytest
import torch

from model.text_tower import Bags, bag_vectors, text_loss


def test_a_bag_is_the_weighted_sum_of_its_rows_and_an_empty_one_is_zeros() -> None:
    table = torch.randn(6, 4, generator=torch.Generator().manual_seed(0))
    bags = Bags(torch.tensor([0, 2, 2, 3]), torch.tensor([5, 1, 1]), torch.tensor([0.5, 2.0, -1.0]))
    expected = torch.stack([0.5 * table[5] + 2 * table[1], torch.zeros(4), -table[1]])
    torch.testing.assert_close(bag_vectors(table, bags), expected)


@pytest.mark.parametrize("same", [[0, 1, 2, 3], [0, 1, 0, 3], [7, 7, 7, 7]])
def test_the_loss_equals_its_definition(same: list[int]) -> None:
    generator = torch.Generator().manual_seed(1)
    queries, items = torch.randn(4, 3, generator=generator), torch.randn(4, 3, generator=generator)

    def one_way(asking: torch.Tensor, found: torch.Tensor) -> float:
        total = 0.0
        for line in range(4):
            cosines = [torch.cosine_similarity(asking[line], other, dim=0).item() / 0.1 for other in found]
            others = [cosines[place] for place in range(4) if place == line or same[place] != same[line]]
            total += math.log(sum(map(math.exp, others))) - cosines[line]
        return total / 4

    expected = 0.5 * (one_way(queries, items) + one_way(items, queries))
    assert text_loss(queries, items, torch.tensor(same), 0.1).item() == pytest.approx(expected, rel=1e-5)
