"""Completions: by word beginnings against a slow oracle, folded, with typos, and over HTTP."""

import itertools
from pathlib import Path

import httpx
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rapidfuzz.distance import OSA
from strange_texts import strange_texts

from app.artifact.text.suggest_index import SORTED_BYTES, SuggestIndex, key_of, read_suggest_index
from app.artifact.text.synonym_table import SynonymRule, SynonymTable
from app.engine.snapshot import Snapshot
from app.engine.text.mistyped_beginnings import begins_but_for_one
from app.engine.text.suggest import Suggester, Suggestion
from app.engine.text.synonyms import Synonyms
from offline.export.suggest import make_suggest_index, spell_queries, write_suggest
from offline.export.vocabulary import make_vocabulary

LONG = "An extraordinarily long title that goes on beyond what is sorted by its bytes"
TITLES = [
    "Logitech Wireless Mouse M185",
    "Logitech Wireless Keyboard",
    "Wireless Headphones Sony WH-1000XM3",
    "Crème brûlée torch",
    "Ｗｉｄｅ 手機殼 iPhone 12",
    "スマートフォン ケース",
    'AC/DC adapter 17" screen',
    "Men's watch",
    "mouse mouse mouse",
    f"{LONG} one",
    f"{LONG} two",
    "Logitech wireless  mouse m185!",
    "☃",
    None,
]
BRANDS = ["Logitech", "Logitech", "Sony", None, "Apple", None, None, None, None, None, None, "Logitech", None, None]
CATEGORIES = ["Computers > Mice", "Computers > Keyboards", "Audio>Headphones", *[None] * 11]
QUERIES = [("wireless mouse", 50), ("sony", 30), ("mouse pad", 5)]


@pytest.fixture(scope="module")
def items() -> pl.DataFrame:
    rows = len(TITLES)
    return pl.DataFrame(
        {
            "row": range(1, rows + 1),
            "title": TITLES,
            "brand": BRANDS,
            "category": CATEGORIES,
            "text": [None] * rows,
            "attributes": [None] * rows,
        },
        schema_overrides={"text": pl.String, "attributes": pl.List(pl.String)},
    )


NO_WORDS = make_vocabulary(
    pl.DataFrame(schema=dict.fromkeys(("title", "brand", "category", "text", "attributes"), pl.String))
)


@pytest.fixture(scope="module")
def popularity() -> np.ndarray:
    return np.concatenate([[0.0], np.linspace(0.2, 1.0, len(TITLES))]).astype(np.float32)


@pytest.fixture(scope="module")
def suggester(items: pl.DataFrame, popularity: np.ndarray) -> Suggester:
    index = make_suggest_index(items, popularity, QUERIES)
    assert index is not None
    return Suggester(index, make_vocabulary(items, QUERIES))


def test_a_synonym_is_completed_to_what_it_stands_for_and_is_no_typo(
    items: pl.DataFrame, popularity: np.ndarray
) -> None:
    index = make_suggest_index(items, popularity, QUERIES)
    assert index is not None
    rules = (
        SynonymRule(phrases=("cans",), means=("cans", "headphones", "ear phones")),
        SynonymRule(phrases=("sonyx",), means=("zzqq",)),
    )
    table = SynonymTable(rules=rules)
    plain = Suggester(index, make_vocabulary(items, QUERIES))
    suggester = Suggester(index, make_vocabulary(items, QUERIES), Synonyms(table))
    assert "Headphones" in texts(suggester.suggest("cans", 8))
    assert texts(suggester.suggest("wireless can", 8)) == ["Wireless Headphones Sony WH-1000XM3"]
    assert texts(plain.suggest("sonyx", 8))
    assert texts(suggester.suggest("sonyx", 8)) == []
    assert texts(suggester.suggest("sony", 8)) == texts(plain.suggest("sony", 8))


def texts(found: list[Suggestion]) -> list[str]:
    return [each.text for each in found]


def first(suggester: Suggester, typed: str) -> Suggestion:
    return suggester.suggest(typed, 8)[0]


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("sony", "Sony"),
        ("SON", "Sony"),
        ("creme b", "Crème brûlée torch"),
        ("CRÈME", "Crème brûlée torch"),
        ("wide", "Ｗｉｄｅ 手機殼 iPhone 12"),
        ("手机", "Ｗｉｄｅ 手機殼 iPhone 12"),
        ("机壳", "Ｗｉｄｅ 手機殼 iPhone 12"),
        ("iphone手机壳", "Ｗｉｄｅ 手機殼 iPhone 12"),
        ("ｽﾏｰﾄ", "スマートフォン ケース"),
        ("フォン", "スマートフォン ケース"),
        ("wh1000", "Wireless Headphones Sony WH-1000XM3"),
        ("wh-1000x", "Wireless Headphones Sony WH-1000XM3"),
        ("wh 1000", "Wireless Headphones Sony WH-1000XM3"),
        ("1000xm3", "Wireless Headphones Sony WH-1000XM3"),
        ("dc ad", 'AC/DC adapter 17" screen'),
        ('17"', 'AC/DC adapter 17" screen'),
        ("mens", "Men's watch"),
        ("keyb logi", "Logitech Wireless Keyboard"),
        (f"{LONG} t", f"{LONG} two"),
        ("headp", "Headphones"),
        ("computers", "Computers"),
    ],
)
def test_what_is_typed_is_completed(suggester: Suggester, typed: str, text: str) -> None:
    assert first(suggester, typed).text == text


@pytest.mark.parametrize(
    ("typed", "text"),
    [
        ("keybaord", "Keyboards"),
        ("keybord", "Keyboards"),
        ("logitehc keyb", "Logitech Wireless Keyboard"),
        ("logitech kyeb", "Logitech Wireless Keyboard"),
        ("wirless headp", "Wireless Headphones Sony WH-1000XM3"),
        ("crenme", "Crème brûlée torch"),
        ("adaptter", 'AC/DC adapter 17" screen'),
    ],
)
def test_a_typo_is_borne(suggester: Suggester, typed: str, text: str) -> None:
    assert text in texts(suggester.suggest(typed, 8))


def test_the_exact_text_comes_first_and_each_text_once(suggester: Suggester) -> None:
    assert texts(suggester.suggest("sony", 8)) == ["Sony", "Wireless Headphones Sony WH-1000XM3"]
    mouse = texts(suggester.suggest("mouse", 20))
    assert mouse[0] == "mouse pad"
    assert mouse.count("mouse mouse mouse") == 1
    assert len([text for text in mouse if text.lower().startswith("logitech wireless")]) == 1


def test_nothing_typed_is_what_is_liked_most(suggester: Suggester) -> None:
    found = suggester.suggest("", 20)
    assert found[0].text == "wireless mouse"
    assert "title" not in {each.kind for each in found}
    assert suggester.suggest(" \u200b☃ ", 20) == found


def test_marks_show_what_was_typed(suggester: Suggester) -> None:
    def marked(typed: str) -> list[str]:
        each = first(suggester, typed)
        return [each.text[start:end] for start, end in each.marks]

    assert marked("creme br") == ["Crème br"]
    assert marked("手机壳") == ["手機殼"]
    assert marked("wh1000") == ["WH-1000"]
    assert marked("keyb logi") == ["Logi", "Keyb"]
    assert marked("keybaord") == ["Keyboard"] or marked("keybaord") == ["Keyboards"]


def test_a_title_names_its_most_popular_item(suggester: Suggester) -> None:
    assert [(each.kind, each.row) for each in suggester.suggest("logitech wireless m", 1)] == [("title", 12)]
    assert {each.row for each in suggester.suggest("sony", 8)} == {0, 3}


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.text("ab é手-", max_size=8), min_size=1, max_size=40),
    st.text("abé手", min_size=1, max_size=4),
    st.integers(1, 20),
)
def test_beginnings_are_found_as_by_looking_at_every_text(titles: list[str], typed: str, limit: int) -> None:
    index = index_of(titles)
    if index is None:
        return
    suggester = Suggester(index, NO_WORDS)
    wanted = key_of(typed).text
    keys = [key_of(index.texts[place] or "") for place in range(len(index.texts))]
    scores = {
        place: index.weights[place] + np.float32(0.3 if key.text.startswith(wanted) else 0.0)
        for place, key in enumerate(keys)
        if any(key.text.startswith(wanted, start) for start in key.starts)
    }
    found = [
        place
        for place in (keys.index(key_of(each.text)) for each in suggester.suggest(typed, limit))
        if place in scores
    ]
    assert len(found) == min(limit, len(scores))
    best = sorted(scores.values(), reverse=True)[: len(found)]
    exact = [place for place in found if keys[place].text == wanted]
    assert found[: len(exact)] == exact
    if not exact:
        assert [scores[place] for place in found] == best


def index_of(titles: list[str | None]) -> SuggestIndex | None:
    rows = len(titles)
    table = pl.DataFrame(
        {"row": range(1, rows + 1), "title": titles, "brand": [None] * rows, "category": [None] * rows},
        schema_overrides={"title": pl.String, "brand": pl.String, "category": pl.String},
    )
    rng = np.random.default_rng(rows)
    return make_suggest_index(table, rng.random(rows + 1, dtype=np.float32))


def test_the_best_of_very_many_are_exact() -> None:
    words = ["".join(letters) for letters in itertools.product("abcdefghij", repeat=4)]
    index = index_of([f"a{word} x a{word[::-1]}" for word in words])
    assert index is not None
    suggester = Suggester(index, NO_WORDS)
    for typed in ("a", "aa", "aab", "x", "x a"):
        found = [each.row for each in suggester.suggest(typed, 20)]
        bonus = 0.3 if typed.startswith("a") else 0.0
        rows = [
            (bonus * key.startswith(typed) + weight, row)
            for key, weight, row in zip(
                (index.keys[place] or "" for place in range(len(index.texts))),
                index.weights.tolist(),
                index.rows.tolist(),
                strict=True,
            )
            if key.startswith(typed) or f" {typed}" in key
        ]
        assert {row for _, row in sorted(rows, reverse=True)[:20]} == set(found)


@given(
    st.lists(st.text("abcé", min_size=1, max_size=9), min_size=1, max_size=20), st.text("abcé", min_size=2, max_size=6)
)
def test_beginnings_with_one_typo_are_those_of_the_edit_distance(words: list[str], typed: str) -> None:
    letters = np.zeros((len(typed) + 1, len(words)), dtype=np.uint32)
    for column, word in enumerate(words):
        for place, letter in enumerate(word[: len(typed) + 1]):
            letters[place, column] = ord(letter)
    expected = [any(OSA.distance(typed, word[:length]) <= 1 for length in range(len(word) + 1)) for word in words]
    assert begins_but_for_one(letters, typed).tolist() == expected


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(codec=None, exclude_categories=()), max_size=512), st.integers(1, 20))
def test_anything_may_be_typed(suggester: Suggester, typed: str, limit: int) -> None:
    found = suggester.suggest(typed, limit)
    assert len(found) <= limit
    assert len({each.text for each in found}) == len(found)
    assert all(0 <= start < end <= len(each.text) for each in found for start, end in each.marks)


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_the_letters_of_a_key_come_from_where_it_says(text: str) -> None:
    key = key_of(text)
    assert len(key.origins) == len(key.text)
    assert all(0 <= start <= end <= len(text) for start, end in key.origins)
    assert all(key.text[start] != " " for start in key.starts)
    assert key_of(key.text).text == key.text


def test_an_index_is_written_and_read_alike(items: pl.DataFrame, popularity: np.ndarray, tmp_path: Path) -> None:
    made = write_suggest(tmp_path, items, popularity, QUERIES)
    read = read_suggest_index(tmp_path)
    assert made is not None
    assert read is not None
    for name in ("kinds", "rows", "weights", "positions", "entries", "scores"):
        np.testing.assert_array_equal(getattr(made, name), getattr(read, name))
    assert [read.texts[place] for place in range(len(read.texts))] == [
        made.texts[place] for place in range(len(made.texts))
    ]
    assert len(LONG) > SORTED_BYTES
    np.save(tmp_path / "suggest/rows.npy", np.zeros(2, dtype=np.int32))
    with pytest.raises(ValueError, match="rows"):
        read_suggest_index(tmp_path)


def test_slips_of_logged_queries_are_not_offered(items: pl.DataFrame) -> None:
    queries = [("Wireless  mouse", 900), ("wirelss mouse", 2), ("手机", 3)]
    vocabulary = make_vocabulary(items, queries)
    assert spell_queries(queries, vocabulary) == [("Wireless  mouse", 900), ("wireless mouse", 2), ("手机", 3)]


def test_a_catalogue_without_texts_suggests_nothing(
    items: pl.DataFrame, popularity: np.ndarray, tmp_path: Path
) -> None:
    bare = items.with_columns(title=pl.lit("☃"), brand=pl.lit(None, pl.String), category=pl.lit("7"))
    assert write_suggest(tmp_path, bare, popularity) is None
    assert read_suggest_index(tmp_path) is None


def test_completions_over_http(client: httpx.Client, snapshot: Snapshot) -> None:
    titles = snapshot.catalogue.texts["title"]
    title = next(title for row in range(1, len(titles)) if (title := titles[row]))
    answer = client.get("/suggest", params={"q": title[:-3], "limit": 3})
    assert answer.status_code == 200
    found = answer.json()["suggestions"]
    assert 1 <= len(found) <= 3
    assert title in {each["text"] for each in found}
    for each in found:
        assert set(each) <= {"text", "kind", "item_id", "highlight"}
        assert ("item_id" in each) == (each["kind"] == "title")
        if "item_id" in each:
            assert client.get(f"/items/{each['item_id']}").json()["fields"]["title"] == each["text"]
    assert [name.split(";")[0] for name in answer.headers["server-timing"].split(", ")][:2] == ["parse", "suggest"]


def test_a_box_just_opened_offers_something(client: httpx.Client) -> None:
    found = client.get("/suggest").json()["suggestions"]
    assert len(found) == 8
    assert all("highlight" not in each for each in found)
    assert client.get("/suggest?q=").json()["suggestions"] == found


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("q=a&limit=0", "limit"),
        ("q=a&limit=21", "limit"),
        ("limit=x", "limit"),
        ("query=a", "query"),
        (f"q={'a' * 513}", "q"),
    ],
)
def test_a_wrong_parameter_is_refused_by_name(client: httpx.Client, query: str, field: str) -> None:
    response = client.get(f"/suggest?{query}")
    assert response.status_code == 422
    assert response.json()["errors"][0]["field"] == field


def test_no_text_breaks_it(client: httpx.Client, snapshot: Snapshot) -> None:
    known = [word for row in range(1, 40) for word in (snapshot.catalogue.texts["title"][row] or "").split()]
    for text in [*strange_texts(300, 5, known), "a" * 512, "%", "\ufffd"]:
        response = client.get("/suggest", params={"q": text, "limit": 20})
        assert response.status_code == 200, text
    for raw in ("/suggest?q=%00", "/suggest?q=a&q=b", "/suggest?q=%"):
        assert client.get(raw).status_code == 200
    for raw in ("/suggest?q=%ff%fe", "/suggest?q=%ED%A0%80"):  # no text: two of them are not to be taken for one
        assert client.get(raw).status_code == 422


def test_only_reading_is_allowed(client: httpx.Client) -> None:
    assert client.post("/suggest", json={"q": "a"}).status_code == 405
