"""Views: parts of what an item says, typed as people type, the same for the same draws."""

import numpy as np
import polars as pl

from app.artifact.text.ngrams import words
from offline.training.text_augmentation import ItemFields, attribute_text, draw_texts


def table(**columns: list[object]) -> pl.DataFrame:
    count = len(next(iter(columns.values())))
    texts = {name: columns.get(name, [None] * count) for name in ("title", "brand", "category", "text")}
    return pl.DataFrame(
        {"row": range(1, count + 1), **texts, "attributes": columns.get("attributes", [[]] * count)},
        schema_overrides=dict.fromkeys(texts, pl.String) | {"attributes": pl.List(pl.String)},
    )


def rows(count: int, of: int = 1) -> np.ndarray:
    return np.full(count, of, dtype=np.int64)


def test_views_hold_words_of_their_item_but_for_typing_mistakes() -> None:
    fields = ItemFields(
        table(title=["Trail running shoe"], brand=["Acme"], category=["Sport > Shoes"], attributes=[["colour=red"]])
    )
    known = {"trail", "running", "shoe", "acme", "shoes", "red"}
    views = draw_texts(fields, rows(2_000), np.random.default_rng(0))
    typed = [word for view in views for word in view.split()]
    strange = sum(word not in known for word in typed) / len(typed)
    assert known <= set(typed)
    assert 0.05 < strange < 0.2
    assert all(1 <= len(view.split()) <= 8 for view in views)


def test_the_same_draws_give_the_same_views() -> None:
    fields = ItemFields(table(title=["Trail running shoe", "运动鞋 男款 透气 网面"], text=[None, "one\ntwo"]))
    both = [draw_texts(fields, np.array([1, 2, 2]), np.random.default_rng(4)) for _ in range(2)]
    assert both[0] == both[1]


def test_long_runs_of_east_asian_characters_are_cut() -> None:
    title = "适合长跑的轻便透气男士运动鞋夏季新款"
    views = draw_texts(ItemFields(table(title=[title])), rows(50), np.random.default_rng(0))
    assert all(part in title and len(part) <= 8 for view in views for part in view.split())
    assert len(set(views)) > 5


def test_flags_are_named_numbers_are_not_and_values_are_said() -> None:
    assert attribute_text("built_in_microphone=true") == "built in microphone"
    assert [attribute_text(pair) for pair in ("usb=false", "height=45", "x=", "nothing")] == [""] * 4
    assert attribute_text("type=Laser printing") == "Laser printing"


def test_items_that_say_nothing_are_told_apart_from_those_that_do() -> None:
    fields = ItemFields(table(title=["!!", None, "Tea"], text=["", "  ", None]))
    assert fields.described().tolist() == [3]
    assert draw_texts(fields, rows(1), np.random.default_rng(0)) == [""]


def test_items_whose_titles_read_the_same_share_a_number() -> None:
    numbers = ItemFields(table(title=["Green Tea", "green  tea!", "Tea", None, None])).titles()
    assert numbers[1] == numbers[2]
    assert len(set(numbers[2:].tolist())) == 4


def test_no_words_make_no_view() -> None:
    assert words(draw_texts(ItemFields(table(title=[None])), rows(1), np.random.default_rng(0))[0]) == []
