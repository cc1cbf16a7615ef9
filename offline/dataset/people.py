"""People inside the job: one text for a user or a visitor.

The text of a user is the id. That of a visitor is a tab and the id: no id of a file begins with a blank, since blanks
around ids are cut off, so that a user and a visitor of one id never meet. Tables call the column `user_id`, whichever
kind a row is of; a data set without visitors has the texts that it always had. Of a mail address that is an id the hash
alone is kept.
"""

import re
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from app.artifact.people import MAIL, Person, hidden_mail
from offline.dataset.missing import MISSING_WORDS

_VISITOR: Final = "\t"
_SAMPLE: Final = 10_000

_MAIL: Final = re.compile(MAIL)


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


def has_mails(rows: pl.LazyFrame, column: str, missing: Sequence[str] = MISSING_WORDS) -> bool:
    """Whether a mail address is among the first ids of a `column` of `rows`."""
    if rows.collect_schema()[column] != pl.String:
        return False
    ids = rows.select(pl.col(column).str.strip_chars().alias("id")).filter(pl.col("id") != "")
    hits = ids.filter(~pl.col("id").is_in(list(missing))).head(_SAMPLE).select(_are_mails(pl.col("id")).any())
    return bool(hits.collect().item())


def hide_mails(ids: pl.Series) -> pl.Series:
    """Ids of people with a hash in place of each mail address, by which a service knows who asks with the address."""
    marked = ids.str.contains("@", literal=True).fill_null(value=False)
    if not marked.any():
        return ids
    hits = ids.filter(marked).unique()
    mails = hits.filter(hits.to_frame("id").select(_are_mails(pl.col("id"))).to_series()).to_list()
    return ids.replace(mails, [hidden_mail(mail) for mail in mails])


def hide_mails_in(texts: pl.Series) -> pl.Series:
    """Texts with a hash in place of each mail address that stands somewhere in them."""
    marked = texts.str.contains("@", literal=True).fill_null(value=False)
    if not marked.any():
        return texts
    hidden = [_MAIL.sub(lambda hit: hidden_mail(hit[0]), text) for text in texts.filter(marked).to_list()]
    return texts.clone().scatter(marked.arg_true(), pl.Series(hidden, dtype=pl.String))


def _are_mails(ids: pl.Expr) -> pl.Expr:
    return ids.str.contains(rf"^{MAIL}$")
