"""The query tower: padding, time and the cut between window and long state behave as promised."""

import pytest
import torch
from torch import Tensor

from model.network import Network
from model.query_tower import QueryTower, QueryTowerShape

DIM, WINDOW, TYPES, AGES = 8, 6, 4, 5


@pytest.fixture
def tower(network: Network) -> QueryTower:
    return network.queries


def events(seed: int, batch: int = 3, length: int = 4) -> tuple[Tensor, Tensor, Tensor]:
    """Vectors, types, and ages seen from the last position alone."""
    draw = torch.Generator().manual_seed(seed)
    vectors = torch.nn.functional.normalize(torch.randn(batch, length, DIM, generator=draw), dim=2)
    types = torch.randint(1, TYPES, (batch, length), generator=draw)
    return vectors, types, torch.randint(0, AGES, (batch, 1, length), generator=draw)


def nothing(batch: int = 3) -> tuple[Tensor, Tensor]:
    return torch.zeros(batch, DIM), torch.zeros(batch, 1)


@torch.no_grad()
def test_padding_does_not_matter(tower: QueryTower) -> None:
    vectors, types, ages = events(1)
    plain = tower(vectors, types, ages, *nothing())
    padded = tower(
        torch.cat([torch.zeros(3, 2, DIM), vectors], dim=1),
        torch.cat([torch.zeros(3, 2, dtype=torch.int64), types], dim=1),
        torch.cat([torch.full((3, 1, 2), AGES - 1), ages], dim=2),
        *nothing(),
    )
    torch.testing.assert_close(padded, plain)


@torch.no_grad()
def test_a_request_does_not_depend_on_its_batch(tower: QueryTower) -> None:
    vectors, types, ages = events(2, batch=5)
    together = tower(vectors, types, ages, *nothing(5))
    alone = torch.cat([tower(vectors[n : n + 1], types[n : n + 1], ages[n : n + 1], *nothing(1)) for n in range(5)])
    torch.testing.assert_close(alone, together)


@torch.no_grad()
def test_order_matters_where_it_means_something_and_only_there(tower: QueryTower) -> None:
    vectors, types, ages = events(3)
    order = torch.tensor([2, 0, 3, 1])
    plain = tower(vectors, types, ages, *nothing())
    shuffled = tower(vectors[:, order], types[:, order], ages[:, :, order], *nothing())
    assert torch.allclose(plain, shuffled, atol=1e-5) != tower.ordered


@torch.no_grad()
def test_later_events_do_not_change_what_earlier_positions_ask(tower: QueryTower) -> None:
    vectors, types, _ = events(4, length=WINDOW)
    ages = torch.randint(0, AGES, (3, WINDOW, WINDOW), generator=torch.Generator().manual_seed(0))
    plain = tower(vectors, types, ages, *nothing())
    assert plain.shape == (3, WINDOW, DIM)
    for place in range(1, WINDOW):
        changed, kinds = vectors.clone(), types.clone()
        changed[:, place:] = -changed[:, place:].flip(1)
        kinds[:, place:] = kinds[:, place:] % (TYPES - 1) + 1
        came = tower(changed, kinds, ages, *nothing())
        torch.testing.assert_close(came[:, :place], plain[:, :place])
        assert not torch.allclose(came[:, place:], plain[:, place:], atol=1e-3)


@torch.no_grad()
def test_every_position_asks_as_the_last_one_of_the_events_up_to_it(tower: QueryTower) -> None:
    vectors, types, _ = events(5, length=WINDOW)
    ages = torch.randint(0, AGES, (3, WINDOW, WINDOW), generator=torch.Generator().manual_seed(1))
    together = tower(vectors, types, ages, *nothing())
    for place in range(WINDOW):
        upto = slice(0, place + 1)
        alone = tower(vectors[:, upto], types[:, upto], ages[:, place : place + 1, upto], *nothing())
        torch.testing.assert_close(alone[:, 0], together[:, place])


@torch.no_grad()
def test_events_moved_into_the_long_state_leave_the_mean_as_it_is(
    tower: QueryTower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tower, "join", lambda mean, state: mean)
    vectors, types, ages = events(6, length=WINDOW)
    whole = tower(vectors, types, ages, *nothing())
    for moved in range(1, WINDOW + 1):
        distance = torch.arange(WINDOW - 1, WINDOW - 1 - moved, -1)
        weight = tower.event_weights(types[:, :moved], ages[:, 0, :moved], distance)
        long_vector = (weight[:, :, None] * vectors[:, :moved]).sum(dim=1)
        kept_types = types.clone()
        kept_types[:, :moved] = 0
        kept = vectors.clone()
        kept[:, :moved] = 0
        came = tower(kept, kept_types, ages, long_vector, weight.sum(dim=1, keepdim=True))
        torch.testing.assert_close(came, whole)


@torch.no_grad()
def test_the_mean_is_the_weighted_mean_of_the_events(tower: QueryTower, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tower, "join", lambda mean, state: mean)
    vectors, types, ages = events(7, batch=1)
    total, expected = 0.0, torch.zeros(DIM)
    for place in range(4):
        log_weight = tower.type_weight[types[0, place]] + tower.age_weight[ages[0, 0, place]]
        if tower.ordered:
            log_weight = log_weight + tower.distance_weight[3 - place]
        total, expected = total + log_weight.exp(), expected + log_weight.exp() * vectors[0, place]
    torch.testing.assert_close(tower(vectors, types, ages, *nothing(1))[0, 0], expected / total)


@torch.no_grad()
def test_a_user_without_anything_gets_a_finite_vector(tower: QueryTower) -> None:
    empty = (torch.zeros(2, WINDOW, DIM), torch.zeros(2, WINDOW, dtype=torch.int64))
    came = tower(*empty, torch.zeros(2, 1, WINDOW, dtype=torch.int64), *nothing(2))
    assert torch.isfinite(came).all()


@torch.no_grad()
def test_queries_have_the_length_that_the_temperature_says(tower: QueryTower) -> None:
    vectors, types, ages = events(8)
    norms = tower(vectors, types, ages, *nothing()).norm(dim=2)
    torch.testing.assert_close(norms, torch.full_like(norms, (-tower.log_temperature).exp().item()))


@torch.no_grad()
@pytest.mark.parametrize("typed", [True, False])
def test_histories_without_order_give_the_same_vectors_with_and_without_padding(typed: bool) -> None:
    torch.manual_seed(3)
    made = QueryTower(QueryTowerShape(DIM, 2, WINDOW, 4, 5, 0.1, ordered=False, typed=typed)).eval()
    for value in made.parameters():
        value.add_(0.2 * torch.randn(value.shape))
    items = torch.nn.functional.normalize(torch.randn(20, DIM), dim=1)
    lengths = [1, 4, WINDOW, 2]
    rows = [torch.randint(1, 20, (length,)) for length in lengths]
    types = [torch.randint(1, 4, (length,)) for length in lengths]
    first = torch.tensor([0, *lengths]).cumsum(0)[:-1]
    came = made.of_sets(items, torch.cat(rows), torch.cat(types), first)
    for line, (own, kinds) in enumerate(zip(rows, types, strict=True)):
        ages = torch.zeros(1, 1, len(own), dtype=torch.int64)
        padded = made(items[own][None], kinds[None], ages, *nothing(1))[0, 0]
        torch.testing.assert_close(came[line], padded)


@torch.no_grad()
def test_without_behaviours_types_change_nothing_and_with_them_they_do() -> None:
    for typed in (True, False):
        torch.manual_seed(1)
        made = QueryTower(QueryTowerShape(DIM, 2, WINDOW, 4, 5, 0.1, ordered=True, typed=typed)).eval()
        for value in made.parameters():
            value.add_(0.2 * torch.randn(value.shape))
        vectors, types, ages = events(9)
        other = torch.where(types == 0, 0, 1 + types % 3)
        same = torch.allclose(made(vectors, types, ages, *nothing()), made(vectors, other, ages, *nothing()))
        assert same != typed


@torch.no_grad()
@pytest.mark.parametrize("ordered", [True, False])
def test_a_tower_trained_without_times_reads_no_ages(ordered: bool) -> None:
    for timed in (True, False):
        torch.manual_seed(1)
        made = QueryTower(QueryTowerShape(DIM, 2, WINDOW, 4, AGES, 0.1, ordered=ordered, timed=timed)).eval()
        for value in made.parameters():
            value.add_(0.2 * torch.randn(value.shape))
        vectors, types, ages = events(9)
        unknown = torch.zeros_like(ages)
        same = torch.allclose(made(vectors, types, ages, *nothing()), made(vectors, types, unknown, *nothing()))
        assert same != timed
        weights = made.event_weights(types, ages[:, 0], torch.zeros_like(types))
        assert torch.allclose(weights, made.event_weights(types, torch.zeros_like(types), types * 0)) != timed


@torch.no_grad()
def test_each_half_of_the_query_can_be_left_out() -> None:
    vectors, types, ages = events(10)
    for aggregation, attention in ((True, False), (False, True)):
        torch.manual_seed(2)
        made = QueryTower(
            QueryTowerShape(DIM, 2, WINDOW, 4, 5, 0.1, ordered=True, aggregation=aggregation, attention=attention)
        ).eval()
        before = made(vectors, types, ages, *nothing())
        made.type_weight += torch.randn(4)
        assert torch.allclose(made(vectors, types, ages, *nothing()), before) != aggregation
        assert (made.session is not None) == attention


@torch.no_grad()
def test_ages_reach_the_weights_and_the_session_encoder_each_on_its_own() -> None:
    vectors, types, ages = events(11)
    older = (ages + 1) % AGES
    for parts in ({"attention": False}, {"aggregation": False}):
        torch.manual_seed(4)
        made = QueryTower(QueryTowerShape(DIM, 2, WINDOW, TYPES, AGES, 0.1, ordered=True, **parts)).eval()
        for value in made.parameters():
            value.add_(0.2 * torch.randn(value.shape))
        assert not torch.allclose(made(vectors, types, ages, *nothing()), made(vectors, types, older, *nothing()))


@torch.no_grad()
def test_places_that_are_asked_for_get_what_they_get_among_all(tower: QueryTower) -> None:
    vectors, types, _ = events(11, batch=3)
    ages = torch.randint(0, AGES, (3, 4, 4), generator=torch.Generator().manual_seed(1))
    everything = tower(vectors, types, ages, *nothing()).reshape(-1, DIM)
    asked = torch.tensor([1, 2, 7, 11])
    torch.testing.assert_close(tower(vectors, types, ages, *nothing(), asked), everything[asked])
