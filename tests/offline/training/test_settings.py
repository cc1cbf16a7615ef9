"""Settings follow from properties of the data, never from its name."""

import pytest
from made_up_meta import made_up_meta

from offline.training.settings import (
    MANY_SCORES,
    MANY_USERS,
    MOST_EPOCHS,
    TARGETS_IN_ALL,
    TrainSettings,
    choose_settings,
)


def chosen(
    *, events: int = 50_000, users: int = 5_000, items: int = 10, order: bool = True, content: bool = True
) -> TrainSettings:
    meta = made_up_meta({"events": events, "users": users}, has_order=order, n_items=items)
    return choose_settings(meta, 0, content=content)


@pytest.mark.parametrize(("events", "expected"), [(2_000, MOST_EPOCHS), (5_000 + TARGETS_IN_ALL // 3, 3), (10**8, 1)])
def test_a_larger_log_takes_fewer_epochs_and_never_none(events: int, expected: int) -> None:
    assert chosen(events=events).epochs == expected


def test_many_short_histories_take_larger_batches_at_a_higher_rate() -> None:
    many, fewer = chosen(users=MANY_USERS), chosen(users=MANY_USERS - 1)
    assert many.batch > fewer.batch
    assert many.learning_rate > fewer.learning_rate


def test_the_softmax_is_over_drawn_items_where_next_items_times_items_are_many() -> None:
    users, items = 10_000, 40_000
    events = users + MANY_SCORES // items
    large, smaller = (chosen(events=count, users=users, items=items) for count in (events, events - 1))
    assert items > large.full_softmax_items >= large.sampled_items
    assert items <= smaller.full_softmax_items
    assert chosen(events=events, users=users, items=items, order=False).full_softmax_items >= items


@pytest.mark.parametrize("order", [True, False])
def test_without_text_and_attributes_ids_begin_long_and_are_never_dropped(order: bool) -> None:
    bare, described = chosen(order=order, content=False), chosen(order=order)
    assert bare.id_length > described.id_length
    assert bare.item_gate > described.item_gate
    assert bare.id_dropout == 0 < described.id_dropout


def test_a_name_changes_nothing() -> None:
    one, other = (made_up_meta({"events": 9, "users": 3}, has_time=True, dataset=name) for name in ("a", "b"))
    assert choose_settings(one, 0) == choose_settings(other, 0)
