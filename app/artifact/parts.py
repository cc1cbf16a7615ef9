"""The optional parts of a bundle: which files each one has, what it is for, and which forms of it this code reads.

A manifest gives each part of its bundle a number, which rises when the form of the part changes: its files, what is in
them, or how answers are made of it. A reader does without what it does not know, so that a part can be added or changed
without another schema: a part of an unknown name is ignored, one of an unknown number is as if it were missing, and a
missing one switches its feature off. All other files of a bundle are its core, which no reader can do without.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from app.artifact import names

RANKER: Final = "ranker"
SEARCH: Final = "search"
WORDS: Final = "words"
MEANING: Final = "meaning"
SPELLING: Final = "spelling"
SUGGEST: Final = "suggest"
GPU: Final = "gpu"
DISPLAY: Final = "display"
VARIANTS: Final = "variants"
SYNONYMS: Final = "synonyms"
CODES: Final = "codes"
CHOSEN: Final = "chosen"
PLACE: Final = "place"
TEXT_ENCODER: Final = "text_encoder"


@dataclass(frozen=True)
class Part:
    """One optional part."""

    name: str
    files: tuple[str, ...]  # files and folders, relative to the bundle's; a bundle with any of them has the part
    feature: str  # what is off without it
    numbers: tuple[int, ...] = (1,)  # the forms that this code reads, ascending; the last one is written

    @property
    def number(self) -> int:
        """The form that the job writes."""
        return self.numbers[-1]


PARTS: Final = (
    Part(
        RANKER,
        (names.RANK_GRAPH, names.RANKER, names.GOLDEN_RANKED_ROWS, names.GOLDEN_RANKED_SCORES),
        "ranking by features, objectives, and /predict",
    ),
    Part(SEARCH, (names.SEARCH,), "searching", (1, 2, 3, 4, 5)),  # 3, 4: other, fewer constants of meaning
    Part(WORDS, (names.LEXICAL,), "searching by words", (1, 2)),  # 1: all of it without English endings
    Part(
        MEANING,
        (names.TEXT_VECTORS, names.TEXT_SCALES, names.TEXT_IDF, names.GOLDEN_TEXTS, names.GOLDEN_TEXT_VECTORS),
        "searching by meaning",
    ),
    Part(SPELLING, (names.VOCABULARY,), "correcting, joining and completing the words of a query"),
    Part(SUGGEST, (names.SUGGEST,), "completions in the search box"),
    Part(GPU, (names.HALF_GRAPH,), "retrieval on a GPU"),
    Part(DISPLAY, (names.DISPLAY,), "columns that are for display alone"),
    Part(VARIANTS, (names.VARIANTS,), "ids of variants in place of their item's"),
    Part(SYNONYMS, (names.SYNONYMS,), "synonyms and stop words of queries"),
    Part(CODES, (names.CODES,), "finding items by their ids and other codes"),
    Part(CHOSEN, (names.CHOSEN,), "knowing what was chosen after a query"),
    Part(PLACE, (names.PLACE_GRAPH, names.PLACE), "placing items that the bundle has not seen"),
    Part(
        TEXT_ENCODER,
        (
            names.ENCODER_GRAPH,
            names.ENCODER_TOKENIZER,
            names.ENCODER,
            names.MEANING_VECTORS,
            names.MEANING_SCALES,
            names.KIND_VECTORS,
            names.ITEM_KINDS,
            names.KIND_SIZES,
            names.KIND_NAMES,
            names.GOLDEN_ENCODER_TEXTS,
            names.GOLDEN_ENCODER_VECTORS,
            names.PLACE_MEANING,  # where training read what texts mean
        ),
        "meaning by a text encoder",
        (1, 2),  # 1: no item is placed by it
    ),
)
"""The parts that this code knows.

Reserved are the names of those that are to come, which no bundle has yet: `display_columns` (how columns are called)
and `meaning_floor` (the likeness below which a search by meaning finds nothing).
"""

_BY_NAME: Final = {part.name: part for part in PARTS}


@dataclass(frozen=True)
class UsableParts:
    """The parts of one bundle that this code uses, and why it does without the others."""

    used: frozenset[str]
    missing: dict[str, str]  # a part that the bundle lacks -> what is off
    unreadable: dict[str, str]  # a part of the bundle that this code cannot read -> why, and what is off

    def __contains__(self, name: str) -> bool:
        return name in self.used

    @property
    def off(self) -> dict[str, str]:
        """Every part that is not used -> why."""
        return self.missing | self.unreadable

    def without(self, name: str, reason: str) -> "UsableParts":
        """These parts less one that the bundle has, and why this service cannot use it."""
        off = f"{reason}; off is: {_BY_NAME[name].feature}"
        return replace(self, used=self.used - {name}, unreadable=self.unreadable | {name: off})


def numbers_of(paths: Iterable[str]) -> dict[str, int]:
    """The parts of a bundle with the files `paths`, relative to its folder, in the form that this code writes."""
    present = tuple(paths)
    return {part.name: part.number for part in PARTS if any(_belongs(path, part) for path in present)}


def first_numbers_of(paths: Iterable[str]) -> dict[str, int]:
    """As `numbers_of`, for a bundle from before parts had numbers: all of them are in their first form."""
    return dict.fromkeys(numbers_of(paths), 1)


def usable_parts(numbers: Mapping[str, int]) -> UsableParts:
    """What this code uses of a bundle whose manifest gives its parts these `numbers`."""
    used, missing, unreadable = set(), {}, {}
    for part in PARTS:
        number = numbers.get(part.name)
        if number is None:
            missing[part.name] = f"the bundle does not have it; off is: {part.feature}"
        elif number in part.numbers:
            used.add(part.name)
        else:
            readable = " and ".join(map(str, part.numbers))
            remedy = "update this service" if number > part.number else "export the bundle again"
            unreadable[part.name] = (
                f"the bundle has number {number} of it, this service reads {readable}: {remedy}; off is: {part.feature}"
            )
    for name in sorted(set(numbers) - set(_BY_NAME)):
        unreadable[name] = "this service does not know it and does without: update this service to use it"
    return UsableParts(frozenset(used), missing, unreadable)


def _belongs(path: str, part: Part) -> bool:
    return any(path == name or path.startswith((f"{name}/", f"{name}.")) for name in part.files)
