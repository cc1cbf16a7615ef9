"""Settings follow from properties of the data, never from its name."""

import pytest
from made_up_meta import made_up_meta

from offline.training.settings import MANY_USERS, MOST_EPOCHS, TARGETS_IN_ALL, TrainSettings, choose_settings


def chosen(*, events: int = 50_000, users: int = 5_000, order: bool = True, content: bool = True) -> TrainSettings:
    meta = made_up_meta({"events": events, "users": users}, has_order=order)
    return choose_settings(meta, 0, content=content)


@pytest.mark.parametrize(("events", "expected"), [(2_000, MOST_EPOCHS), (5_000 + TARGETS_IN_ALL // 3, 3), (10**8, 1)])
def test_a_larger_log_takes_fewer_epochs_and_never_none(events: int, expected: int) -> None:
    assert chosen(events=events).epochs == expected


def test_many_short_histories_take_larger_batches() -> None:
    assert chosen(users=MANY_USERS).batch > chosen(users=MANY_USERS - 1).batch


@pytest.mark.parametrize("order", [True, False])
def test_without_text_and_attributes_ids_begin_long_and_are_never_dropped(order: bool) -> None:
    bare, described = chosen(order=order, content=False), chosen(order=order)
    assert bare.id_length > described.id_length
    assert bare.item_gate > described.item_gate
    assert bare.id_dropout == 0 < described.id_dropout


def test_a_name_changes_nothing() -> None:
    one, other = (made_up_meta({"events": 9, "users": 3}, has_time=True, dataset=name) for name in ("a", "b"))
    assert choose_settings(one, 0) == choose_settings(other, 0)
