"""The kinds of values in a `dataset.toml`."""

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

Mask = Literal["seen", "purchased", "none"]


WHOLE_MISTAKE = "whole_mistake"
"""The type of an error that says all itself: see `refusal`."""


def refusal(expected: str, got: str, advice: str, key: str | None = None) -> PydanticCustomError:
    """What a validator raises where a value is wrong; `key`: of the table that is validated, which it is about."""
    return PydanticCustomError(WHOLE_MISTAKE, "another value", {"whole": (expected, got, advice), "key": key})


class SpecTable(BaseModel):
    """A table of a `dataset.toml`: it has no keys but those of its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")


def one_or_many(value: object) -> object:
    """A text as a list of one; all else as it is."""
    return (value,) if isinstance(value, str) else value


def _one_number_or_many(value: object) -> object:
    return (value,) if isinstance(value, int | float) else value


def _pair(value: object) -> object:
    """Two names of columns.

    Raises:
        PydanticCustomError: anything else.
    """
    if isinstance(value, list) and len(value) == 2 and all(isinstance(name, str) and name for name in value):
        return tuple(value)
    raise PydanticCustomError("pair", 'pairs of columns: [["Option1 Name", "Option1 Value"]]')


Column = Annotated[str, Field(min_length=1)]
Columns = Annotated[tuple[Column, ...], BeforeValidator(one_or_many)]
SomeColumns = Annotated[tuple[Column, ...], Field(min_length=1), BeforeValidator(one_or_many)]
Words = Annotated[tuple[str, ...], BeforeValidator(one_or_many)]
Paths = Annotated[tuple[Column, ...], Field(min_length=1), BeforeValidator(one_or_many)]
Number = Annotated[float, Field(allow_inf_nan=False, strict=True)]
Numbers = Annotated[tuple[Number, ...], BeforeValidator(_one_number_or_many)]
Masks = Annotated[tuple[Mask, ...], Field(min_length=1), BeforeValidator(one_or_many)]
Pair = Annotated[tuple[str, str], BeforeValidator(_pair)]
Metric = Annotated[str, Field(pattern=r"^(mrr|(hr|recall|precision|ndcg|mrr|map)@[1-9][0-9]*)$")]
Metrics = Annotated[tuple[Metric, ...], Field(min_length=1), BeforeValidator(one_or_many)]
