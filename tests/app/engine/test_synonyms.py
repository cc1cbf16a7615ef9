"""Synonyms and stop words of a shop, through the front door of a service."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import pytest

from app.artifact.text.synonym_table import SynonymRule, SynonymTable

Answers = Callable[..., AbstractContextManager[Callable[..., dict[str, Any]]]]

ITEMS = [
    {"item_id": "sofa", "title": "Leather sofa", "category": "Living room"},
    {"item_id": "couch", "title": "Corner couch", "category": "Living room"},
    {"item_id": "settee", "title": "Old settee", "category": "Living room"},
    {"item_id": "tv", "title": "Television 55 inch", "category": "Screens"},
    {"item_id": "flat", "title": "Flat panel screen", "category": "Screens"},
    {"item_id": "flat-only", "title": "Flat cable", "category": "Cables"},
    {"item_id": "panel-only", "title": "Control panel", "category": "Tools"},
    {"item_id": "trainers", "title": "White trainers", "category": "Sport"},
    {"item_id": "running", "title": "Running shoes", "category": "Sport"},
    {"item_id": "shoes", "title": "Walking shoes", "category": "Sport"},
    {"item_id": "lamp", "title": "Stehlampe Holz", "category": "Wohnen"},
    {"item_id": "light", "title": "Leuchte aus Glas", "category": "Wohnen"},
    {"item_id": "hand", "title": "移动电话 黑色", "category": "数码"},
    {"item_id": "hand-red", "title": "红色手机", "category": "数码"},
    {"item_id": "red", "title": "红色皮包", "category": "箱包"},
    {"item_id": "who", "title": "The Who", "category": "Music"},
    {"item_id": "for-kids", "title": "Bike for kids", "category": "Sport"},
]


def each_for_each(*phrases: str) -> SynonymRule:
    return SynonymRule(phrases=phrases, means=phrases)


def one_way(phrase: str, *means: str) -> SynonymRule:
    return SynonymRule(phrases=(phrase,), means=means)


TABLE = SynonymTable(
    rules=(
        each_for_each("sofa", "couch"),
        each_for_each("sofa", "settees"),
        one_way("tv", "television", "flat panel"),
        one_way("running shoe", "trainers"),
        each_for_each("lampe", "leuchte"),
        each_for_each("手机", "移动电话"),
        one_way("sofar", "corner"),
        one_way("davenport", "sofa"),
    ),
    stop_words=("for", "The", "who"),
)


@pytest.fixture(scope="module")
def answers(answers_on: Answers) -> Any:
    with answers_on(ITEMS, synonyms=TABLE) as post:
        yield post


def ids_of(answer: dict[str, Any]) -> list[str]:
    ids = [item["item_id"] for item in answer["items"]]
    assert answer["total"] == len(ids)
    return ids


def test_words_of_one_line_find_each_other_and_nothing_further(answers: Any) -> None:
    found = answers(query="sofa")
    assert set(ids_of(found)) == {"sofa", "couch", "settee"}
    assert found["matched_by"] == "words"
    assert not found["dropped_words"]
    assert set(ids_of(answers(query="couches"))) == {"sofa", "couch"}
    assert set(ids_of(answers(query="settee"))) == {"sofa", "settee"}


def test_what_has_the_typed_word_comes_first(answers: Any) -> None:
    assert ids_of(answers(query="sofa"))[0] == "sofa"
    assert ids_of(answers(query="couch"))[0] == "couch"
    assert ids_of(answers(query="running shoes"))[0] == "running"


def test_a_word_that_no_item_has_is_known_by_its_synonym(answers: Any) -> None:
    found = answers(query="davenport")
    assert ids_of(found) == ["sofa"]
    assert (found["corrected_query"], found["dropped_words"]) == (None, [])


def test_an_alternative_of_several_words_needs_them_all(answers: Any) -> None:
    assert set(ids_of(answers(query="tv"))) == {"tv", "flat"}


def test_one_way_is_one_way(answers: Any) -> None:
    assert ids_of(answers(query="television")) == ["tv"]
    assert ids_of(answers(query="white trainers")) == ["trainers"]


def test_a_phrase_is_replaced_as_a_whole(answers: Any) -> None:
    assert set(ids_of(answers(query="running shoes"))) == {"running", "trainers"}
    assert set(ids_of(answers(query="walking shoes"))) == {"shoes"}
    assert set(ids_of(answers(query="white running shoe"))) == {"trainers"}


def test_a_word_of_a_synonym_is_not_corrected(answers: Any) -> None:
    found = answers(query="sofar")
    assert found["corrected_query"] is None
    assert ids_of(found) == ["couch"]


def test_a_synonym_is_found_inside_of_words(answers: Any) -> None:
    assert set(ids_of(answers(query="lampe"))) == {"lamp", "light"}
    assert set(ids_of(answers(query="leuchte"))) == {"lamp", "light"}


def test_a_synonym_stands_anywhere_in_an_east_asian_run(answers: Any) -> None:
    assert set(ids_of(answers(query="手机"))) == {"hand", "hand-red"}
    assert set(ids_of(answers(query="黑色手机"))) == {"hand"}
    assert set(ids_of(answers(query="红色手机"))) == {"hand-red"}


def test_stop_words_count_for_nothing_unless_they_are_all(answers: Any) -> None:
    found = answers(query="sofa for the")
    assert set(ids_of(found)) == {"sofa", "couch", "settee"}
    assert found["dropped_words"] == []
    assert ids_of(answers(query="the who")) == ["who"]


def test_what_a_reason_names_is_what_was_typed(answers: Any) -> None:
    found = answers(query="sofa", user_id="u1", explain=True)
    reasons = {
        item["item_id"]: [reason["terms"] for reason in item["reasons"] if reason["kind"] == "query_match"]
        for item in found["items"]
    }
    assert reasons["couch"] == [["sofa"]]


def test_facets_count_what_synonyms_find(answers: Any) -> None:
    found = answers(query="sofa", facets=["category"])
    assert found["facets"]["category"] == [{"value": "Living room", "count": 3}]


def test_a_typo_of_a_synonym_leads_to_what_it_stands_for(answers: Any) -> None:
    found = answers(query="davenprot")
    assert (found["corrected_query"], ids_of(found)) == ("davenport", ["sofa"])


def test_an_item_that_has_both_words_is_not_lifted_above_one_with_the_typed_word_alone(answers_on: Answers) -> None:
    items = [
        {"item_id": "both", "title": "Couch named sofa by most"},
        {"item_id": "typed", "title": "Sofa"},
        {"item_id": "other", "title": "Couch"},
    ]
    with answers_on(items, synonyms=TABLE) as post:
        assert ids_of(post(query="sofa"))[0] == "typed"


@pytest.mark.slow
def test_a_query_of_all_synonyms_costs_a_bounded_number_of_alternatives(answers_on: Answers) -> None:
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrstuvwxyz"]
    rule = SynonymRule(phrases=tuple(words), means=(*words, "sofa"))
    with answers_on(ITEMS, synonyms=SynonymTable(rules=(rule,))) as post:
        assert "sofa" in ids_of(post(query="worda"))
        assert ids_of(post(query=" ".join(words))) == ["sofa"]
