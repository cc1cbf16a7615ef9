"""`search.json`: how the results of a search are ordered, as one weighted sum over named features."""

from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from app.artifact.search_features import SEARCH_FEATURES

PRIOR: Final = {
    "lexical": 5.0,
    "coverage": 5.0,
    "attributes": 1.0,
    "exact": 1.25,
    "in_name": 4.0,
    "in_order": 1.5,
    "semantic": 0.5,
    "semantic_where_words_fail": 5.0,
    "chosen": 1.0,
    "meaning": 8.5,
    "like_best": 2.75,
    "kind": 1.5,
    "score": 0.1,
    "log_popularity": 0.1,
}
"""Weights where no logged query teaches better: words decide, those of title and brand more than others, and in their
order more than scattered; meaning, the user's taste and popularity part what they leave equal; meaning replaces words
that no item has; of two items, the one that more people chose after the query is as many times as likely. In log-odds:
an item with all the words of a query beats one with half of them by `exp(2.5)` and
more."""


_OLD: Final = "kind_gap"
"""A constant of bundles of form 3 of the part."""


class MeaningConstants(BaseModel):
    """What is far for a text encoder, learned of a catalogue: of words that its own titles have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    spread: Annotated[float, Field(gt=0, le=2)]  # of cosines, from the nearest item to any
    gap: FiniteFloat  # most that the nearest item is nearer than the nearest one with the words
    like_gap: FiniteFloat  # most that the nearest items are more like each other than those with the words like them
    least_best: FiniteFloat  # least cosine of the nearest item, for a query that means anything
    alike: Annotated[float, Field(ge=0, le=2)] = 0.0  # most that it is nearer than an item as right as any: words tell
    alike_best: Annotated[float, Field(ge=0, le=2)] = 0.0  # most that such an item is less than like the nearest ones
    reach: FiniteFloat | None = None  # most that the nearest item is nearer than one found without words; None: none is
    floor: FiniteFloat | None = None  # the least cosine by which an item is found whatever words say


class SearchSpec(BaseModel):
    """Weights by feature; features that are not named weigh nothing."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    weights: dict[str, FiniteFloat]
    learned_from: int = 0  # logged queries; 0 where the weights are the prior ones
    text_scale: FiniteFloat = 14.0  # factor of a text vector that is added to the user vector
    meaning_floor: FiniteFloat | None = None  # the least cosine by which an item is found; None: by words alone
    meaning: MeaningConstants | None = None  # None: no text encoder bears on the order
    items_have_words: bool = True  # of their own; else only words of queries that led to them

    @model_validator(mode="before")
    @classmethod
    def _without_old_constants(cls, document: Any) -> Any:
        """Of a bundle whose meaning was learned otherwise, what words say is left: until it is exported again."""
        meaning = document.get("meaning") if isinstance(document, dict) else None
        return document | {"meaning": None} if isinstance(meaning, dict) and _OLD in meaning else document

    @model_validator(mode="after")
    def _known(self) -> "SearchSpec":
        unknown = sorted(set(self.weights) - set(SEARCH_FEATURES))
        if unknown:
            raise ValueError(f"features that this code does not compute: {', '.join(unknown)}")
        return self
