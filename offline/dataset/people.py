"""People inside the job: one text for a user or a visitor.

The text of a user is the id. That of a visitor is a tab and the id: no id of a file begins with a blank, since blanks
around ids are cut off, so that a user and a visitor of one id never meet. Tables call the column `user_id`, whichever
kind a row is of; a data set without visitors has the texts that it always had.
"""

from collections.abc import Iterable
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.people import Person

_VISITOR: Final = "\t"


def person_text(person: Person) -> str:
    """The text of a person."""
    return person.id if person.kind == "user" else f"{_VISITOR}{person.id}"


def read_person(text: str) -> Person:
    """The person of a text."""
    return Person("visitor", text[len(_VISITOR) :]) if text.startswith(_VISITOR) else Person("user", text)


def is_visitor(text: str) -> bool:
    """Whether a text is that of a visitor."""
    return text.startswith(_VISITOR)


def person_hashes(texts: Iterable[str]) -> NDArray[np.uint64]:
    """The hash of each person, by which bundles, stores and logs know them, `[n]`."""
    return np.fromiter((read_person(text).hash for text in texts), dtype=np.uint64)


def described(text: str) -> str:
    """A person in words, for messages: `user 'u1'` or `visitor 'v1'`."""
    person = read_person(text)
    return f"{person.kind} {person.id!r}"


def skip_key(text: str) -> str:
    """The key of `[events]` that leaves a person out."""
    return f"skip_{read_person(text).kind}s"


def person_column(user: pl.Expr, visitor: pl.Expr) -> pl.Expr:
    """The text of each row's person: the user where there is one, else the visitor; null where there is neither."""
    return pl.coalesce(user, pl.lit(_VISITOR) + visitor)


def are_visitors(column: pl.Expr) -> pl.Expr:
    """Whether each text of a column is that of a visitor."""
    return column.str.starts_with(_VISITOR)
