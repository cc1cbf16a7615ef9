"""Text to buckets: stable, script-aware, and safe for any text."""

from hypothesis import given
from hypothesis import strategies as st

from app.artifact.text.ngrams import TEXT_BUCKETS, buckets, ngrams, words


def test_case_accents_and_width_do_not_matter() -> None:
    assert words("CAFÉ Ｔrail") == words("cafe trail") == ["cafe", "trail"]


def test_east_asian_text_is_cut_into_ones_and_twos() -> None:
    assert list(ngrams("运动鞋")) == ["运", "动", "鞋", "运动", "动鞋"]


def test_a_typo_keeps_most_of_a_words_grams() -> None:
    right, wrong = set(ngrams("waterproof")), set(ngrams("waterproff"))
    assert len(right & wrong) >= len(right) // 2


@given(st.text(max_size=100))
def test_any_text_falls_into_buckets(text: str) -> None:
    assert all(0 <= bucket < TEXT_BUCKETS for bucket in buckets(text))
