"""The ranker's losses against plain definitions."""

import numpy as np
import torch
from scipy.special import log_softmax

from model.ranker import Ranker, chain_loss, listwise_loss


def test_listwise_loss_is_cross_entropy_within_each_list() -> None:
    rng = np.random.default_rng(0)
    lengths = [3, 1, 5, 4]
    line = np.repeat(np.arange(4), lengths)
    scores = rng.normal(size=len(line))
    target = np.zeros(len(line), dtype=bool)
    target[[1, 5, 7]] = True  # one in the first list, two in the third
    expected = 0.0
    for number in range(4):
        here = line == number
        if target[here].any():
            expected -= log_softmax(scores[here])[target[here]].mean()
    found = listwise_loss(torch.tensor(scores), torch.tensor(line), 4, torch.tensor(target))
    assert abs(found.item() - expected) < 1e-9


def test_chain_loss_counts_a_link_only_where_the_one_before_it_happened() -> None:
    chain = torch.tensor([[0.3, -1.0], [1.2, 0.4], [-0.7, 2.0]], dtype=torch.float64)
    happened = torch.tensor([[True, False], [False, False], [True, True]])
    log = torch.nn.functional.logsigmoid
    expected = -(log(chain[0, 0]) + log(-chain[0, 1]) + log(-chain[1, 0]) + log(chain[2, 0]) + log(chain[2, 1]))
    assert torch.isclose(chain_loss(chain, happened), expected)


def test_a_feature_far_outside_the_training_range_counts_like_one_at_its_edge() -> None:
    torch.manual_seed(0)
    ranker = Ranker(torch.zeros(4), torch.ones(4), (8, 4), torch.zeros(2)).eval()
    far, near = torch.full((1, 4), 1e6), torch.full((1, 4), 6.0)
    assert torch.equal(ranker(far)[0], ranker(near)[0])


def test_a_fresh_ranker_orders_by_its_base_and_predicts_the_base_rate() -> None:
    torch.manual_seed(0)
    odds = torch.tensor([-3.0, -1.0])
    ranker = Ranker(torch.zeros(4), torch.ones(4), (8, 4), odds, base=2, base_weight=0.7).eval()
    features = torch.randn(20, 4)
    order, chain = ranker(features)
    assert torch.allclose(order, features[:, 2] * 0.7)
    assert torch.equal(chain, odds.expand(20, 2))
