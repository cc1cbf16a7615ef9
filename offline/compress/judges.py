"""Who compression is judged by: users, and searches where the log has them."""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from model.item_tower import ItemGraph
from offline.compress.outcomes import Outcomes
from offline.dataset.split_meta import read_split_meta
from offline.training.validation import Validation, load_search_validation, load_validation
from offline.workspace.budget import Allowance

MOST_USERS: Final = 40_000
"""Of a judge; more than training looks at, since the differences are small."""
LEAST_USERS: Final = 500
LEAST_SEARCHES: Final = 200
"""By fewer, only a set that is there to be searched is judged."""
SEARCH_TASKS: Final = ("search", "graded_search", "own_words")
_WORK: Final = 1e10  # users times items that one variant may score, about three minutes
_PROBE_USERS: Final = 200
_VARIANTS: Final = 10  # that there should be time for
_ANSWERS_SHARE: Final = 0.5  # of the time of a variant; the rest makes it and opens it


def load_judges(split: Path, graph: ItemGraph, users: int, seed: int) -> list[Validation]:
    """The validation cases of a split, `users` of a kind at most; what the task asks for first.

    Empty where nobody is validated, and where the set is there to be searched and nobody has: what a cut costs those
    who look for something is not for other users to say.
    """
    task = read_split_meta(split).task
    searches, everyone = _load_searches(split, graph, users, seed), load_validation(split, users, seed)
    if everyone is None or (searches is None and task in SEARCH_TASKS):
        return []
    if searches is None:
        return [everyone]
    return [searches, everyone] if task == "search" else [everyone, searches]


def judge_name(judge: Validation) -> str:
    """What the cases of a judge are: searches or users."""
    return "users" if judge.words is None else "searches"


def _load_searches(split: Path, graph: ItemGraph, count: int, seed: int) -> Validation | None:
    """Validated searches where the network reads words, and there are enough of them."""
    if graph.text is None and graph.query_text is None:
        return None
    searches = load_search_validation(split, graph, count, seed)
    least = 1 if read_split_meta(split).task in SEARCH_TASKS else LEAST_SEARCHES
    return None if searches is None or len(searches.cases) < least else searches


def users_within(allowance: Allowance, items: int, outcomes: Outcomes, probe: Callable[[int], object]) -> int:
    """How many cases a judge may have, so that some ten variants fit into the allowance; the same after a stop.

    Args:
        allowance: of the search.
        items: in the catalogue.
        outcomes: of the search.
        probe: answers so many cases by the network that is not cut; it is called where there is a bound.
    """
    known = outcomes.users()
    if known is not None:
        return known
    users = int(min(MOST_USERS, max(LEAST_USERS, _WORK / max(items, 1))))
    if allowance.seconds is not None:
        began = allowance.now()
        probe(_PROBE_USERS)
        a_user_s = max(allowance.now() - began, 1e-6) / _PROBE_USERS
        users = int(min(users, max(LEAST_USERS, _ANSWERS_SHARE * allowance.left() / _VARIANTS / a_user_s)))
    outcomes.settle_users(users)
    return users
