"""Words in the languages of a catalogue: their forms, their parts, and what they are not a part of."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

Recommend = Callable[..., dict[str, Any]]
GERMAN = {
    "tisch": "Tisch aus Eiche",
    "esstisch": "Esstisch ausziehbar für die Küche",
    "nachttisch": "Nachttisch mit zwei Schubladen",
    "decke": "Tischdecke aus Baumwolle",
    "buch": "Bücherregal aus Kiefer für das Wohnzimmer",
    "koffer": "Koffer mit vier Rollen",
    "kofferradio": "Kofferradio mit Batterie",
    "hose": "Lederhose für Herren",
    "jacke": "Jacke aus Leder für Damen",
    "stuhl": "Vier Stühle für den Garten",
    "mantel": "Warmer Mantel für den Winter",
    "rad": "Kinderfahrrad mit Stützrädern",
    "topf": "Blumentopf aus Ton",
    "helm": "Skihelm für Kinder",
    "schuhe": "Laufschuhe für Herren",
    "auto": "Spielzeugauto aus Holz",
    "reifen": "Autoreifen für den Winter",
    "automatik": "Regenschirm mit Automatik",
    "kanne": "Ölkanne mit Deckel",
}
ENGLISH = {
    "pin": "Steel pin for the map",
    "pineapple": "Fresh pineapple in slices",
    "car": "Toy car made of wood",
    "carpet": "Soft carpet for the living room",
    "bear": "Brown bear to cuddle",
    "shoes": "Walking shoes for women",
    "speakers": "Wireless speakers for the living room",
    "container": "Storage container with a lid",
    "watch": "Red smartwatch for women",
    "smart": "Smart watch for men",
    "glasses": "Sunglasses for women",
}
CZECH = {
    "hrnec": "Velký hrnec na polévku",
    "deštník": "Skládací deštník do deště",
    "pánev": "Litinová pánev do kuchyně",
    "hřeben": "Dřevěný hřeben na vlasy",
}
OTHERS = {
    "chips": "צ׳יפס מלוח",
    "apple": "りんごジュース",
    "thai": "กระเป๋าหนังแท้สีดำ",
    "hitch": "Weight hitch for a trailer",
    "cap": "Warm cap for the winter",
    "tea": "茶 100 g",
    "teapot": "绿茶壶",
    "fan": "静音电风扇",
    "desk": "사무용 책상",
    "bookcase": "책장 5단",
    "book": "책 한 권",
    "boots": "レインブーツ キッズ",
    "juice": "オレンジジュース",
}
BRANDS = {"hitch": "Blue Ox", "cap": "RedBird"}


def catalogue(titles: dict[str, str]) -> list[dict[str, Any]]:
    return [
        {"item_id": item_id, "title": title, "category": title, "brand": BRANDS.get(item_id)}
        for item_id, title in titles.items()
    ]


@pytest.fixture(scope="module")
def recommend(answers_on: Callable[..., AbstractContextManager[Recommend]]) -> Iterator[Recommend]:
    with answers_on([*catalogue(GERMAN), *catalogue(ENGLISH), *catalogue(CZECH), *catalogue(OTHERS)]) as recommend:
        yield recommend


def ids_of(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ("tisch", ["tisch", "nachttisch", "esstisch", "decke"]),  # the catalogue has the word by itself, too
        ("koffer", ["koffer", "kofferradio"]),
        ("bücher", ["buch"]),
        ("regale", ["buch"]),
        ("fahrräder", ["rad"]),
        ("stuhl", ["stuhl"]),
        ("mäntel", ["mantel"]),
        ("töpfe", ["topf"]),
        ("leder", ["jacke", "hose"]),
        ("auto", ["auto", "reifen"]),  # and no automatic
        ("kanne", ["kanne"]),
    ],
)
def test_german_words_are_found_in_their_forms_and_in_compounds(
    recommend: Recommend, query: str, ids: list[str]
) -> None:
    answer = recommend(query=query, k=10)
    assert answer["corrected_query"] is None
    assert sorted(ids_of(answer)) == sorted(ids)
    assert ids_of(answer)[0] == ids[0]


def test_the_last_part_of_a_compound_is_its_kind(recommend: Recommend) -> None:
    found = ids_of(recommend(query="tisch", k=10))
    assert found[0] == "tisch"
    assert found[-1] == "decke"


@pytest.mark.parametrize("query", ["pin", "car"])
def test_english_words_are_not_looked_for_inside_of_others(recommend: Recommend, query: str) -> None:
    assert ids_of(recommend(query=query, k=10)) == [query]
    assert recommend(query="ear ")["total"] == 0


@pytest.mark.parametrize(
    ("query", "item_id"),
    [("hrnce", "hrnec"), ("deštníky", "deštník"), ("pánve", "pánev"), ("velké hrnce", "hrnec"), ("hřebeny", "hřeben")],
)
def test_words_are_found_in_the_forms_that_a_dictionary_has(recommend: Recommend, query: str, item_id: str) -> None:
    assert ids_of(recommend(query=query, k=10)) == [item_id]


@pytest.mark.parametrize(
    ("query", "item_id"),
    [
        ("ציפס", "chips"),
        ("צ'יפס", "chips"),
        ("リンゴ", "apple"),
        ("りんご", "apple"),
        ("กระเป๋าสีดำ", "thai"),
        ("หนัง", "thai"),
        ("blueox", "hitch"),
        ("blue ox", "hitch"),
        ("redbird", "cap"),
        ("red bird", "cap"),
    ],
)
def test_scripts_and_names_are_read_as_people_write_them(recommend: Recommend, query: str, item_id: str) -> None:
    assert ids_of(recommend(query=query, k=10)) == [item_id]


@pytest.mark.parametrize(
    ("query", "ids"),
    [("茶", ["tea", "teapot"]), ("책", ["book", "bookcase", "desk"]), ("扇", ["fan"]), ("电扇", ["fan"])],
)
def test_one_character_is_found_alone_and_inside_of_words(recommend: Recommend, query: str, ids: list[str]) -> None:
    found = ids_of(recommend(query=query, k=10))
    assert (found[0], sorted(found)) == (ids[0], sorted(ids))


@pytest.mark.parametrize("query", ["テレビ", "책임자", "หมวกกันน็อค"])
def test_letters_and_syllables_of_a_word_that_no_item_has_find_nothing(recommend: Recommend, query: str) -> None:
    answer = recommend(query=query)
    assert (answer["total"], answer["matched_by"]) == (0, "nothing")


def test_a_real_word_is_not_taken_for_a_slip_of_another(recommend: Recommend) -> None:
    assert recommend(query="sneakers ")["total"] == 0
    assert recommend(query="retainers")["total"] == 0  # nor is its plural, two letters away, one of the singular
    assert recommend(query="speekers ")["corrected_query"] == "speakers"


@pytest.mark.parametrize(("query", "item_id"), [("kinderhelm", "helm"), ("herrenschuhe", "schuhe")])
def test_a_compound_finds_what_has_its_parts_in_other_words(recommend: Recommend, query: str, item_id: str) -> None:
    answer = recommend(query=query, k=10)
    assert (ids_of(answer), answer["corrected_query"].replace(" ", "")) == ([item_id], query)
    assert recommend(query=query, exact=True)["total"] == 0


@pytest.mark.parametrize(
    ("query", "ids"),
    [("smart watch", ["smart", "watch"]), ("smartwatch", ["smart", "watch"]), ("sun glasses", ["glasses"])],
)
def test_two_words_are_the_one_that_they_are_elsewhere(recommend: Recommend, query: str, ids: list[str]) -> None:
    answer = recommend(query=query)
    assert (sorted(ids_of(answer)), answer["corrected_query"], answer["dropped_words"]) == (ids, None, [])
