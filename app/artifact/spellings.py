"""One spelling for values that differ in case only, so that one name is one value of a filter and of a facet."""

from collections.abc import Iterable, Mapping

from app.artifact.filter_columns import LEVELS


def common_spellings(counts: Mapping[str, int]) -> dict[str, str]:
    """The spelling of each text that stands for all that differ from it in case only: the most frequent one.

    Of equally frequent ones the first by code point.

    Args:
        counts: of each text, how many items have it.
    """
    best: dict[str, str] = {}
    for text in sorted(counts, key=lambda text: (-counts[text], text)):
        best.setdefault(text.casefold(), text)
    return {text: best[text.casefold()] for text in counts}


def common_paths(counts: Mapping[str, int]) -> dict[str, str]:
    """As `common_spellings`, of levels of categories such as `A > B`; a level begins like the level above it."""
    spellings: dict[str, str] = {}
    names: dict[tuple[str, ...], dict[str, int]] = {}  # how often each last name occurs, by the folded path
    for path, count in counts.items():
        *_, name = path.split(LEVELS)
        of_path = names.setdefault(_key(path.split(LEVELS)), {})
        of_path[name] = of_path.get(name, 0) + count
    best = {key: next(iter(common_spellings(of_path).values())) for key, of_path in names.items()}
    for path in counts:
        parts = path.split(LEVELS)
        keys = [_key(parts[: depth + 1]) for depth in range(len(parts))]
        spellings[path] = LEVELS.join(best.get(key, part) for key, part in zip(keys, parts, strict=True))
    return spellings


def _key(parts: Iterable[str]) -> tuple[str, ...]:
    return tuple(part.casefold() for part in parts)
