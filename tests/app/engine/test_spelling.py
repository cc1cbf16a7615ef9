"""Queries read with a catalogue's words: what is corrected and what is left alone, compounds, the word still typed."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from rapidfuzz.distance import OSA

from app.artifact.text.languages import ENGLISH
from app.artifact.text.vocabulary import Vocabulary, letter_mask, read_vocabulary
from app.artifact.text.words import read_words, terms_of
from app.engine.text.spelling import Spelling
from offline.export.vocabulary import make_vocabulary, write_vocabulary

TITLES = [
    *["Canon wireless laser printer black"] * 6,
    *["Logitech wireless mouse"] * 5,
    *["Garden hose green"] * 5,
    *["Bosch coffee maker"] * 4,
    *["Phone with touch screen"] * 3,
    *["Tablet touchscreen 10 inch"] * 3,
    *["Spare battery pack for drills"] * 3,
    *["Smart watch with battery"] * 3,
    *["Sony WH-1000XM3 headphones"] * 3,
    *["Gaming headset with microphone"] * 3,
    *["Card reader, MSI GTX 1080 graphics"] * 2,
    *["红色手机壳"] * 2,
    "Powerbank",
]
TEXTS = {0: "cartidge kit", 1: "cartridges inside"}


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    nothing = [None] * len(TITLES)
    texts = [TEXTS.get(place) for place in range(len(TITLES))]
    texts[2:] = ["cartridge cartridge"] * (len(TITLES) - 2)
    return pl.DataFrame(
        {
            "title": TITLES,
            "brand": nothing,
            "category": nothing,
            "text": texts,
            "attributes": [["colour=red"]] * len(TITLES),
        },
        schema_overrides={"brand": pl.String, "category": pl.String},
    )


@pytest.fixture(scope="module")
def vocabulary(items: pl.DataFrame) -> Vocabulary:
    return make_vocabulary(items, [("sneakers", 5), ("wireless mouse", 9)])


@pytest.fixture(scope="module")
def spelling(vocabulary: Vocabulary, items: pl.DataFrame) -> Spelling:
    rows: dict[str, list[int]] = {}
    for row, (title, text) in enumerate(zip(items["title"], items["text"], strict=True), start=1):
        for term in set(terms_of(title)) | set(terms_of(text or "")):
            rows.setdefault(term, []).append(row)

    def rows_of(term: str) -> NDArray[np.int32]:
        return np.array(rows.get(term, []), dtype=np.int32)

    return Spelling(vocabulary, rows_of)


@pytest.mark.parametrize(
    ("asked", "meant"),
    [
        ("wireles mouse", "wireless mouse"),
        ("wirelesss mouse", "wireless mouse"),
        ("wirelass mouse", "wireless mouse"),
        ("wirelses mouse", "wireless mouse"),
        ("hedphnes ", "headphones "),
        ("LOGITEHC Mouse", "logitech Mouse"),
        ("printre, canon", "printer, canon"),
        ('wireléss prinetr 17" x', "wireless printer 17 inch x"),
        ("红色 prinetr x", "红色 printer x"),
        ("红色prinetr红色", "红色printer红色"),
        ("batterypack x", "battery pack x"),
        ("coffeemaker", "coffee maker"),
        ("head set", "headset"),
        ("gtx1080", "gtx 1080"),
        ("MSI GTX1080", "MSI GTX 1080"),
        ("CoffeéMaker", "Coffeé Maker"),
    ],
)
def test_what_the_catalogue_does_not_know_is_read_as_what_it_knows(spelling: Spelling, asked: str, meant: str) -> None:
    assert spelling.read(asked).corrected == " ".join(meant.split())


@pytest.mark.parametrize(
    "asked",
    [
        "wireless mouse",
        "Mice",
        "garden hoses",
        "sneakers",
        "wh-1000xm4 x",
        "wh1000xm3",
        "rx1090 x",
        "12345 x",
        "手机売",
        "17 inch",
        "zzzzz x",
        "",
        "!?",
        "powerbank",
        "ms x",
    ],
)
def test_what_is_known_or_no_word_is_left_alone(spelling: Spelling, asked: str) -> None:
    reading = spelling.read(asked)
    assert reading.corrected is None
    assert [word.text for word in reading.words] == [word.text for word in read_words(asked)]


def test_the_other_words_of_the_query_decide_between_neighbours(spelling: Spelling) -> None:
    assert spelling.read("wireless mose x").corrected == "wireless mouse x"
    assert spelling.read("garden mose x").corrected == "garden hose x"
    assert spelling.read("lser wireless x").corrected == "laser wireless x"


def test_a_slip_of_the_catalogue_is_read_as_its_frequent_neighbour(spelling: Spelling, items: pl.DataFrame) -> None:
    assert (
        spelling.read("cartidge x").corrected is None
    )  # it stands in one item, the right word in thirty times as many
    many = pl.concat([items] * 40)
    many = many.with_columns(
        pl.when(pl.int_range(pl.len()) > 0).then(pl.col("text").str.replace("cartidge", "")).otherwise("text")
    )
    made = make_vocabulary(many)
    assert Spelling(made).read("cartidge x").corrected == "cartridge x"


def test_a_slip_that_many_make_is_read_as_what_far_more_mean(items: pl.DataFrame) -> None:
    def read(searched: int) -> str | None:
        made = make_vocabulary(items, [("wirelass", 3), ("wireless mouse", searched)])
        return Spelling(made).read("wirelass x").corrected

    assert read(1000) == "wireless x"
    assert read(100) is None


def test_compounds_are_found_from_both_sides(spelling: Spelling) -> None:
    assert spelling.compound_terms(read_words("a touch screen phone")) == ["touchscreen"]
    assert spelling.part_terms(read_words("touchscreen phone")) == ["touch", "screen"]
    assert spelling.compound_terms(read_words("touch phone screen battery pack")) == []
    reading = spelling.read("touch screen")
    assert reading.corrected is None
    assert dict(reading.terms) == {"touch": 1.0, "screen": 1.0, "touchscreen": 1.0}
    assert all("touchscreen" in word.terms for word in reading.words)
    assert "wh1000xm3" in dict(spelling.read("wh 1000xm3").terms)


def test_a_last_word_still_typed_stands_for_what_it_begins(spelling: Spelling) -> None:
    reading = spelling.read("sony headpho")
    assert reading.corrected is None
    assert dict(reading.terms)["headphon"] > 0
    assert "headphon" in reading.words[-1].terms
    assert "wh1000xm3" in dict(spelling.read("sony wh-100").terms)
    assert spelling.read("headpho ").corrected is None  # two letters away and short: unknown, and no longer typed
    assert "headphon" in dict(spelling.read("headpho sony").terms)  # a part of a word
    assert "headphon" not in dict(spelling.read("hea sony").terms)
    assert spelling.prefix_terms("touch", 8) == ["touch", "touchscreen"]
    assert spelling.prefix_terms("touch", 1) == ["touch"]
    assert spelling.prefix_terms("\U0010ffff", 8) == []


def test_a_number_without_its_unit_counts_less(spelling: Spelling) -> None:
    assert dict(spelling.read('10"').terms) == {"10inch": 1.0, "10": 0.3}


def test_neighbours_are_all_within_reach_and_none_is_missed(vocabulary: Vocabulary, spelling: Spelling) -> None:
    words = [vocabulary.words[place] for place in range(len(vocabulary.words)) if not vocabulary.codes[place]]
    for typed in ["wireles", "mose", "hose", "headphnoe", "batery", "grene", "xx", "microphne"]:
        most = 2 if len(typed) >= 8 else 1
        expected = {word for word in words if 0 < OSA.distance(typed, word) <= most}
        assert {each.text for each in spelling.neighbours(typed)} == expected


@given(st.text("abcé", min_size=1, max_size=12), st.text("abcé", min_size=1, max_size=12))
def test_letter_masks_differ_by_at_most_two_bits_an_edit(first: str, second: str) -> None:
    turned = (letter_mask(first) ^ letter_mask(second)).bit_count()
    assert turned <= 2 * OSA.distance(first, second) - abs(len(first) - len(second))


def test_a_vocabulary_is_written_and_read_alike(items: pl.DataFrame, tmp_path: Path) -> None:
    made = write_vocabulary(tmp_path, items)
    read = read_vocabulary(tmp_path)
    assert [read.words[place] for place in range(len(read.words))] == sorted(
        (made.words[place] for place in range(len(made.words))), key=str.encode
    )
    for name in ("documents", "named", "searched", "codes", "lengths", "letters", "compounds"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
    place = read.words.find("wireless")
    assert (read.documents[place], read.named[place]) == (11, 11)
    assert read.terms.find(ENGLISH.stems("headphones")[0]) >= 0


def test_a_catalogue_without_words_corrects_nothing(items: pl.DataFrame, tmp_path: Path) -> None:
    write_vocabulary(tmp_path, items.with_columns(title=pl.lit("手机"), text=None, attributes=None))
    spelling = Spelling(read_vocabulary(tmp_path))
    for text in ("wireles mose", "手机", "", "gtx1080", "touch screen"):
        reading = spelling.read(text)
        assert reading.corrected is None
        assert {term for term, _ in reading.terms} == set(terms_of(text))


def test_a_damaged_vocabulary_is_refused(items: pl.DataFrame, tmp_path: Path) -> None:
    write_vocabulary(tmp_path, items)
    np.save(tmp_path / "vocabulary/named.npy", np.zeros(3, dtype=np.int32))
    with pytest.raises(ValueError, match="named"):
        read_vocabulary(tmp_path)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=512))
def test_any_query_is_read(spelling: Spelling, text: str) -> None:
    reading = spelling.read(text)
    assert all(0 < weight <= 1 for _, weight in reading.terms)
    assert len(dict(reading.terms)) == len(reading.terms)
    assert spelling.read(text) == reading


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["wireles", "mose", "touch", "screen", "17", '"', "gtx", "1080", "head", "set", "手机", "-", "½"]
        ),
        max_size=40,
    ),
    st.sampled_from(["", " "]),
)
def test_a_corrected_query_reads_as_itself(spelling: Spelling, parts: list[str], between: str) -> None:
    reading = spelling.read(between.join(parts))
    if reading.corrected is not None:
        assert [word.text for word in read_words(reading.corrected)] == [word.text for word in reading.words]
