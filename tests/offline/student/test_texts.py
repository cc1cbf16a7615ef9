"""Texts to learn from: reproducible, each once, nothing held out among the learned, nothing from behind the cut."""

from pathlib import Path

import polars as pl
import pytest
from small_catalogue import small_catalogue

from offline.student.texts import draw_texts, kind_like, logged_texts


def test_a_seed_draws_the_same_texts_and_another_one_others() -> None:
    items = small_catalogue(60)
    assert draw_texts(items, ["sofa bed"], 3) == draw_texts(items, ["sofa bed"], 3)
    assert draw_texts(items, ["sofa bed"], 3) != draw_texts(items, ["sofa bed"], 4)


def test_what_is_held_out_is_meant_by_nothing_that_is_learned() -> None:
    drawn = draw_texts(small_catalogue(300), ["lamp for a ceiling"], 0)
    assert drawn.held > 0
    learned, held = drawn.meant[: drawn.learned], drawn.meant[drawn.learned :]
    assert not set(learned) & set(held)
    assert drawn.shown[drawn.learned :] == held  # without mistakes


def test_a_small_catalogue_holds_out_enough_to_tell_and_learns_from_most() -> None:
    for items in (60, 300):
        drawn = draw_texts(small_catalogue(items), [], 0)
        assert drawn.held >= 20
        assert drawn.learned >= 2 * drawn.held


def test_some_texts_are_mistyped_by_a_letter_and_mean_what_they_were_before() -> None:
    drawn = draw_texts(small_catalogue(300), [], 5)
    mistyped = [(shown, meant) for shown, meant in zip(drawn.shown, drawn.meant, strict=True) if shown != meant]
    assert len(drawn.shown) / 20 < len(mistyped) < len(drawn.shown) / 5
    assert all(abs(len(shown) - len(meant)) <= 1 for shown, meant in mistyped)


def test_spans_values_brands_and_logged_queries_are_among_them() -> None:
    meant = set(draw_texts(small_catalogue(300), ["warm lamp for a bed"], 0).meant)
    assert {"warm lamp for a bed", "lamp", "moss green", "acme sofa", "trail runner"} <= meant
    assert "true" not in meant


def test_short_first_lines_and_categories_are_like_kinds() -> None:
    items = pl.DataFrame(
        {
            "category": ["Home > Lamps", None, None],
            "text": ["LED\nA tale of a lamp that was lit", "17\nSofa", None],
        }
    )
    assert kind_like(items) == [["Home > Lamps", "LED"], ["Sofa"], []]


def test_only_what_was_typed_in_train_is_learned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []

    def events(_split: Path, parts: tuple[str, ...]) -> pl.DataFrame:
        asked.append(parts)
        return pl.DataFrame({"typed": ["lamp", "sofa  bed", "sofa  bed"]})

    monkeypatch.setattr("offline.student.texts.query_events", events)
    assert logged_texts(tmp_path) == ["sofa bed", "lamp"]
    assert asked == [("train",)]
