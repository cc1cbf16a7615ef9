"""Text to words and terms: one spelling for what people write in many ways, and safe for any text."""

import json

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.artifact.text.ngrams import words
from app.artifact.text.simplified import simplify
from app.artifact.text.words import fold, place_words, read_words, terms_of

MOST_LETTERS_OF_ONE = 18  # of the longest compatibility form
ANY_TEXT = st.text(st.characters(codec=None, exclude_categories=()), max_size=512)  # halves of pairs, too


def share(first: str, second: str) -> bool:
    return bool(set(terms_of(first)) & set(terms_of(second)))


@pytest.mark.parametrize(
    "text",
    [
        '17"',
        "17 inch",
        "17-inch",
        "17in",
        "17 寸",
        "17寸",
        "17英寸",
        "17吋",
        "17 インチ",
        "１７＂",
        "17″",
        "17''",
        "17.0 inches",
        "17 ZOLL",
        "17 ”",
    ],
)
def test_one_size_is_one_term_however_it_is_written(text: str) -> None:
    assert terms_of(text) == ["17inch", "17"]
    assert [word.kind for word in read_words(text)] == ["number"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("手機殼", "手机壳"),
        ("筆記型電腦", "笔记型电脑"),
        ("ﾊﾟｿｺﾝ", "パソコン"),
        ("CAFÉ crème", "cafe creme"),
        ("Ｗｉｒｅｌｅｓｓ", "wireless"),
        ("Straße", "STRASSE"),
        ("Øresund Æbler Łódź", "oresund aebler lodz"),
        ("İSTANBUL ırmak", "istanbul irmak"),
        ("½ inch", "1/2 inch"),
        ('5½"', "5.5 inch"),
        ("1,5 m", "1.5m"),
        ("1,000 W", "1000 watts"),
        ("5000毫安时", "5000mAh"),
        ("wa\u00adter\u200dproof", "waterproof"),
        ("WH‑1000XM3", "WH-1000XM3"),
        ("shelves knives", "shelf knife"),
        ("men's watches", "man watch"),
        ("batteries", "battery"),
        ("١٧", "17"),
        ("Intel™ Core®", "intel core"),
    ],
)
def test_two_spellings_have_the_same_terms(first: str, second: str) -> None:
    assert terms_of(first) == terms_of(second)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("WH-1000XM3", "wh1000xm3"),
        ("t-shirt", "tshirt"),
        ("WH 1000XM3", "wh-1000xm3"),
        ("17 inch", "17"),
        ("O'Neill", "oneill"),
    ],
)
def test_a_code_is_found_in_one_piece_and_in_parts(first: str, second: str) -> None:
    assert share(first, second)


def test_mixed_scripts_part_without_a_space() -> None:
    assert terms_of("iPhone手机壳") == ["iphon", "手机", "机壳"]
    assert [word.kind for word in read_words("17寸显示器")] == ["number", "east_asian"]
    assert terms_of("17寸显示器") == ["17inch", "17", "显示", "示器"]


@pytest.mark.parametrize("text", ["10升级", "17 米其林", "3 in 1", "5, in black"])
def test_what_only_looks_like_a_unit_is_none(text: str) -> None:
    assert not [term for term in terms_of(text) if term.endswith(("inch", "l", "m")) and term[0].isdigit()]


def test_a_quoted_number_is_no_size() -> None:
    assert "5" in terms_of('"iphone 5" case')
    assert "5inch" not in terms_of('"iphone 5" case')
    assert "10inch" not in terms_of('s10"')
    assert terms_of('17" and 19"') == ["17inch", "17", "and", "19inch", "19"]


def test_japanese_keeps_the_marks_that_make_another_sound() -> None:
    assert terms_of("がく") != terms_of("かく")
    assert terms_of("スマート・フォン") == ["スマ", "マー", "ート", "フォ", "ォン"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "📱👍🏽",
        "\x00\x01\x1f\x7f",
        'AND OR NOT * ? ~ ^ " ( ) : \\ /',
        "\u202e\u202d\u200f",
        '"""',
        "'''",
        "\ud800",
        "…—•",
    ],
)
def test_what_holds_no_word_gives_at_most_plain_words(text: str) -> None:
    assert set(terms_of(text)) <= {"and", "or", "not"}


def test_right_to_left_text_is_words_like_any_other() -> None:
    assert terms_of("\u200fחולצה כחולה\u200e") == ["חולצה", "כחולה"]
    assert terms_of("قميـــص أزرق") == terms_of("قميص ازرق")


def test_halves_of_a_pair_that_json_brings_part_words() -> None:
    assert terms_of(json.loads('"\\ud83dphone\\ude00case"')) == ["phone", "case"]


def test_meaning_reads_traditional_characters_as_simplified_too() -> None:
    assert words("手機殼 Case") == words("手机壳 case")
    assert words("ＣＡＦÉ") == ["cafe"]


@given(st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FFF), max_size=50), st.integers(0, 50))
def test_a_part_of_a_text_is_simplified_as_in_the_whole(text: str, place: int) -> None:
    assert simplify(text) == simplify(text[:place]) + simplify(text[place:])
    assert simplify(simplify(text)) == simplify(text)


@settings(max_examples=300)
@given(ANY_TEXT)
def test_any_text_is_read_and_stays_bounded(text: str) -> None:
    folded = fold(text)
    placed = place_words(folded)
    assert len(folded) <= MOST_LETTERS_OF_ONE * max(len(text), 1)
    assert sum(len(term) for each in placed for term in each.word.terms) <= 3 * len(folded)
    assert all(each.word.terms and all(each.word.terms) for each in placed)
    folded.encode()  # no half of a pair is left
    ends = [0, *(each.end for each in placed)]
    assert all(end <= each.start < each.end for end, each in zip(ends, placed, strict=False))


@settings(max_examples=200)
@given(st.text(st.sampled_from("ab17.,-'\"/ 寸米in½\u2033ñ手機"), max_size=40))
def test_a_word_reads_as_itself_again(text: str) -> None:
    for word in read_words(text):
        assert [again.terms for again in read_words(word.text)] == [word.terms]


@pytest.mark.parametrize(
    "text", ["1." * 50_000, '"a ' * 30_000, "a-" * 50_000, "1 " * 50_000, "'" * 100_000, "9" * 100_000]
)
def test_long_texts_are_read_to_their_end_into_no_more_terms_than_letters(text: str) -> None:
    """A pattern that goes back over what it has read would not come to an end within the time of a test."""
    terms = terms_of(text)
    assert len(terms) <= len(text)
    assert all(terms)
    plain = [char for char in text if char.isalnum()]
    assert bool(terms) == bool(plain)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("C++", ["c", "c++"]),
        ("f#", ["f", "f#"]),
        (".NET", ["net", ".net"]),
        ("Notepad++.", ["notepad", "notepad++"]),
        ("H&M", ["hm", "h&m"]),
        ("h & m", ["hm", "h&m"]),
        ("M&M\u2019s", ["mm", "m&m"]),
        ("AT&T", ["att", "at&t"]),
        ("black & decker", ["black", "decker"]),
        ("wow ... and", ["wow", "and"]),
        (".5 mm", ["0.5mm", "0.5"]),
        (".5mm", ["0.5mm", "0.5"]),
        ("0.5 mm", ["0.5mm", "0.5"]),
        ("1/2 inch", ["0.5inch", "0.5"]),
        ("1/2in", ["0.5inch", "0.5"]),
        ('\u00bd"', ["0.5inch", "0.5"]),
        ("1 1/2 inch", ["1.5inch", "1.5"]),
        ('1-1/2"', ["1.5inch", "1.5"]),
        ("1\u00bd inch", ["1.5inch", "1.5"]),
        ("1/2\u5bf8", ["0.5inch", "0.5"]),
        ("3/8", ["0.375"]),
        ("24/7", ["24", "7", "247"]),
        ("4/4", ["4", "44"]),
        ("10/12", ["10", "12", "1012"]),
        ("1/2/2024", ["1", "2", "2024", "122024"]),
    ],
)
def test_signs_that_tell_words_apart_are_kept(text: str, terms: list[str]) -> None:
    assert terms_of(text) == terms


@settings(max_examples=200)
@example(text="h/h&1")
@example(text="1's's")
@example(text="\u5bf8c&h/1")
@given(st.text(st.sampled_from("ch12.&+#/ 8-'s\u5bf8"), max_size=30))
def test_a_word_with_signs_reads_as_itself_again(text: str) -> None:
    for word in read_words(text):
        assert [again.terms for again in read_words(word.text)] == [word.terms]
