"""Terms looked for by what stands in them: East Asian ones by a character, model numbers by a part."""

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache
from itertools import islice
from typing import Final

from app.artifact.text.words import is_unspaced

_SHORTEST_PART: Final = 2  # characters of a part of a model number, digits alone three
_MOST_READ: Final = 4_096  # places in model numbers that are looked at for one part
_MODEL: Final = re.compile(r"(?=.*\d)(?=.*[^\W\d_])[^\W_]+")
_KEPT: Final = 65_536  # terms of which it is known whether they are model numbers


@lru_cache(maxsize=_KEPT)
def is_model(term: str) -> bool:
    """Whether a term has letters and digits."""
    return _MODEL.fullmatch(term) is not None


class TermTexts:
    """Looks for terms.

    Args:
        models: terms of some items that have letters and digits, each once.
        unspaced: terms of scripts that have no spaces between words, each once.
    """

    def __init__(self, models: Iterable[str], unspaced: Iterable[str]) -> None:
        lines = "".join(f"{term}\n" for term in sorted(models))
        self._models = f"\n{lines}"  # one a line
        self._unspaced = sorted(unspaced)

    @classmethod
    def of(cls, terms: Iterable[str]) -> "TermTexts":
        """Those among some terms, each once."""
        kept = list(terms)
        return cls(filter(is_model, kept), filter(is_unspaced, kept))

    def runs_with(self, character: str) -> Sequence[str]:
        """The terms of East Asian text that have a character."""
        return self._runs.get(character, ())

    def models_with(self, part: str) -> Sequence[str]:
        """The terms of letters and digits that have a part, which begins and ends where letters and digits meet: of
        `200m4`, `m4` is one and `0m4` is none.
        """
        if len(part) < _SHORTEST_PART or (part.isdigit() and len(part) == _SHORTEST_PART):
            return ()
        spans = (match.span() for match in islice(re.finditer(re.escape(part), self._models), _MOST_READ))
        return tuple(dict.fromkeys(self._model_at(start) for start, end in spans if self._is_part(start, end)))

    def _is_part(self, start: int, end: int) -> bool:
        text = self._models
        return all(
            left.isdigit() != right.isdigit() or "\n" in {left, right}
            for left, right in ((text[start - 1], text[start]), (text[end - 1], text[end]))
        )

    def _model_at(self, position: int) -> str:
        text = self._models
        return text[text.rindex("\n", 0, position) + 1 : text.index("\n", position)]

    @cached_property
    def _runs(self) -> dict[str, list[str]]:
        runs: dict[str, list[str]] = {}
        for term in self._unspaced:
            for character in dict.fromkeys(term):
                runs.setdefault(character, []).append(term)
        return runs
