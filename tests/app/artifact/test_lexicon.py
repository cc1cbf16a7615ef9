"""Languages and the lexicon of a vocabulary: terms by language, written and read alike, and bundles from before."""

from pathlib import Path

import numpy as np
import pytest

from app.artifact.text.languages import ENGLISH, FIRST_FORM, languages_of
from app.artifact.text.lexicon import Lexicon, WordLists
from app.artifact.text.sorted_texts import SortedTexts
from app.artifact.text.words import fold, read_words, terms_of


@pytest.mark.parametrize(
    ("code", "forms"),
    [
        ("de", "Stuhl Stühle Stühlen"),
        ("nl", "stoel stoelen"),
        ("sv", "lampa lampor"),
        ("fr", "chaussure chaussures"),
        ("es", "camión camiones"),
        ("pl", "but buty"),
        ("ru", "чёрный черные чёрного"),
        ("ru", "синий синяя"),
        ("tr", "kitap kitaplar"),
        ("ar", "قهوة القهوة"),
        ("el", "καφές καφέ"),
        ("hi", "जूता जूते"),
    ],
)
def test_forms_of_a_word_have_one_term(code: str, forms: str) -> None:
    assert len({languages_of((code,)).stems(fold(form)) for form in forms.split()}) == 1


def test_a_word_has_the_terms_of_each_language() -> None:
    both = languages_of(("de", "en"))
    assert set(both.stems("lampen")) == {"lamp", "lampen"}
    assert both is languages_of(("de", "en"))
    assert languages_of(()).codes == ENGLISH.codes
    assert languages_of(("ru",)).stems("cases") == ENGLISH.stems("cases")  # Latin letters in a text of others
    assert languages_of(("zh",)).stems("cases") == ENGLISH.stems("cases")


@pytest.mark.parametrize("text", ["りんご", "กระเป๋าหนังแท้", "צ׳יפס", "wireless mice 17 inch", "红色手机壳"])
def test_bundles_from_before_are_read_as_they_were_written(text: str) -> None:
    as_before = {
        "りんご": ["りん", "んご"],
        "กระเป๋าหนังแท้": ["กระเปาหน", "งแท"],
        "wireless mice 17 inch": ["wireless", "mous", "17inch", "17"],
        "红色手机壳": ["红色", "色手", "手机", "机壳"],
    }
    if text in as_before:
        assert terms_of(text, FIRST_FORM) == as_before[text]
    else:
        assert set(terms_of(text, FIRST_FORM)) >= {"צ", "יפס"}


def test_scripts_without_spaces_are_read_in_pairs_between_other_words() -> None:
    words = read_words("iPhone15 เคสสีดำ 2 ชิ้น")
    assert [word.kind for word in words] == ["code", "east_asian", "number", "east_asian"]
    assert terms_of("りんご") == terms_of("リンゴ")
    assert terms_of("צ'יפס") == terms_of("צ׳יפס") == terms_of("ציפס")
    assert terms_of('צה"ל') == terms_of("צהל")
    assert terms_of("฿100") == ["100"]


def test_a_lexicon_is_written_and_read_alike(tmp_path: Path) -> None:
    lexicon = Lexicon(
        languages=languages_of(("de", "en")),
        forms=WordLists.of({"bucher": [1], "buches": [0, 1]}),
        others=SortedTexts.of(["tuch"]),
        joined=np.array([[1, 2]], dtype=np.int32),
    )
    lexicon.write(tmp_path / "lexicon")
    read = Lexicon.read(tmp_path / "lexicon", 2)
    assert read.languages is lexicon.languages
    assert (read.forms.get("buches"), read.forms.get("buch"), read.ends.get("buch")) == ([0, 1], [], [])
    assert read.others.find("tuch") == 0
    assert read.joined.tolist() == [[1, 2]]
    assert Lexicon.read(tmp_path / "none", 2).languages is FIRST_FORM
    with pytest.raises(ValueError, match="pairs of a word and letters"):
        Lexicon.read(tmp_path / "lexicon", 1)
    (tmp_path / "lexicon/languages.json").write_text("[]")
    with pytest.raises(ValueError, match="list of languages"):
        Lexicon.read(tmp_path / "lexicon", 2)


def test_english_is_read_alike_as_britain_and_america_spell_it() -> None:
    for british, american in (("grey", "gray"), ("colours", "colors"), ("jewellery", "jewelry"), ("tyres", "tires")):
        assert terms_of(british, ENGLISH) == terms_of(american, ENGLISH)
        assert terms_of(british, FIRST_FORM) != terms_of(american, FIRST_FORM)  # bundles of before have both
    assert terms_of("grey", languages_of(("de", "en"))) == ["grey", "gray"]
