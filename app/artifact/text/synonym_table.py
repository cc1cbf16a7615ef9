"""Synonyms and stop words of a shop: `synonyms.json` of a bundle, phrases as they were written."""

from pathlib import Path
from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from app.artifact.names import SYNONYMS

MOST_RULES: Final = 20_000
MOST_PHRASES: Final = 65
"""Phrases of one rule; a phrase may have one fewer alternatives."""
MOST_WORDS: Final = 8
"""Words of one phrase."""
MOST_IN_ALL: Final = 100_000
"""Phrases of all rules: a service reads each when it loads a bundle."""
MOST_STOP_WORDS: Final = 2_000
_LONGEST: Final = 200  # letters of a phrase

Phrase = Annotated[str, Field(min_length=1, max_length=_LONGEST)]
Phrases = Annotated[tuple[Phrase, ...], Field(min_length=1, max_length=MOST_PHRASES)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SynonymRule(_Table):
    """In place of each of `phrases` an item may have one of `means`; each for each, both are the same."""

    phrases: Phrases
    means: Phrases


class SynonymTable(_Table):
    """All rules and stop words, perhaps none."""

    rules: Annotated[tuple[SynonymRule, ...], Field(max_length=MOST_RULES)] = ()
    stop_words: Annotated[tuple[Phrase, ...], Field(max_length=MOST_STOP_WORDS)] = ()

    @model_validator(mode="after")
    def _is_readable(self) -> Self:
        if sum(len(rule.phrases) + len(rule.means) for rule in self.rules) > 2 * MOST_IN_ALL:
            raise ValueError(f"expected at most {MOST_IN_ALL:,} phrases, got more")
        return self

    def texts(self) -> list[str]:
        """Every phrase and stop word, each once."""
        phrases = (phrase for rule in self.rules for phrase in (*rule.phrases, *rule.means))
        return list(dict.fromkeys((*phrases, *self.stop_words)))

    def write(self, folder: Path) -> None:
        """Write it into the bundle in `folder`."""
        (folder / SYNONYMS).write_text(self.model_dump_json() + "\n", encoding="utf-8")


def read_synonym_table(folder: Path) -> SynonymTable:
    """The table of the bundle in `folder`.

    Raises:
        OSError: the file is missing.
        ValueError: it is no such table.
    """
    return SynonymTable.model_validate_json((folder / SYNONYMS).read_bytes())
