"""What a row of events means, where its type is not simply a behaviour: a constant, an undo, a rating, or nothing."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict
from pydantic_core import PydanticCustomError

from app.artifact.behaviours import Behaviour

IGNORE: Final = "ignore"
_BEHAVIOURS: Final = get_args(Behaviour)


class _Meaning(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Constant(_Meaning):
    """In place of a column of types: what every row is."""

    constant: Behaviour


class Undo(_Meaning):
    """The meaning of a word that takes back the user's last earlier event of a behaviour on the item."""

    undoes: Behaviour


def _read_type(value: object) -> object:
    if _says(value, "constant"):
        return Constant.model_validate(value)
    if (isinstance(value, str) and value) or isinstance(value, Constant):
        return value
    raise PydanticCustomError("type", "the name of a column, or {{constant = 'view'}}, 'cart' or 'purchase'")


def _read_word(value: object) -> object:
    if _says(value, "undoes"):
        return Undo.model_validate(value)
    if value in (*_BEHAVIOURS, IGNORE) or isinstance(value, Undo):
        return value
    raise PydanticCustomError(
        "word", "'view', 'cart', 'purchase', 'ignore', or {{undoes = 'cart'}} for what takes it back"
    )


def _says(value: object, key: str) -> bool:
    """Whether a value is a table of that one key, with a behaviour."""
    return isinstance(value, dict) and list(value) == [key] and value[key] in _BEHAVIOURS


WordMeaning = Annotated[Behaviour | Literal["ignore"] | Undo, BeforeValidator(_read_word)]
"""What a word of `[events.types]` stands for."""

EventType = Annotated[str | Constant, BeforeValidator(_read_type)]
"""`type` of `[events]`: the name of a column, or what every row is."""


def behaviours_of(types: Mapping[str, Any]) -> dict[str, Behaviour]:
    """The words of `[events.types]` that stand for a behaviour, which a service takes as well."""
    return {word: meaning for word, meaning in types.items() if meaning in _BEHAVIOURS}


def undone_by(types: Mapping[str, Any]) -> dict[str, Behaviour]:
    """The words of `[events.types]` that take back a behaviour, with it."""
    return {word: meaning.undoes for word, meaning in types.items() if isinstance(meaning, Undo)}


def ignored(types: Mapping[str, Any]) -> list[str]:
    """The words of `[events.types]` whose rows are left out."""
    return [word for word, meaning in types.items() if meaning == IGNORE]
