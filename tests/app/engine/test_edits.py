"""What is a slip of typing, and what is another word."""

import pytest

from app.engine.text.edits import edit_of


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("kettel", "kettle"),  # exchanged
        ("wireles", "wireless"),  # one of two
        ("kettlle", "kettle"),
        ("blnket", "blanket"),  # left out
        ("blankset", "blanket"),  # too many
        ("blamket", "blanket"),  # the key beside it
        ("blenket", "blanket"),  # another vowel
        ("hedphnes", "headphones"),
    ],
)
def test_a_slip(typed: str, meant: str) -> None:
    assert edit_of(typed, meant).is_slip(is_frequent=False, is_supported=False)


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("nike", "bike"),
        ("sofa", "soft"),
        ("dell", "bell"),
        ("puma", "pump"),
        ("lego", "logo"),
        ("vans", "vase"),
        ("bose", "hose"),
        ("acer", "racer"),
        ("ipad", "pad"),
        ("iphone", "phone"),
        ("lamp", "clamp"),
        ("tent", "vent"),
    ],
)
def test_another_word(typed: str, meant: str) -> None:
    assert not edit_of(typed, meant).is_slip(is_frequent=False, is_supported=False)


def test_edits_are_told_apart() -> None:
    kinds = {"teh": "swapped", "thee": "doubled", "th": "missing", "thue": "extra", "tze": "replaced", "eht": "several"}
    assert {typed: edit_of(typed, "the").kind for typed in kinds} == kinds
    assert edit_of("nike", "bike").is_first
    assert edit_of("sofa", "soft").is_last
    assert edit_of("kat", "cat").likelihood < edit_of("caat", "cat").likelihood
