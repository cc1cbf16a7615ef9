"""Who compression is judged by: searches where the task is to search, and users."""

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
_WORK: Final = 1e10  # users times items that one variant may score, about three minutes
_PROBE_USERS: Final = 200
_VARIANTS: Final = 10  # that there should be time for
_ANSWERS_SHARE: Final = 0.5  # of the time of a variant; the rest makes it and opens it


def load_judges(split: Path, graph: ItemGraph, users: int, seed: int) -> list[Validation]:
    """The validation cases of a split, `users` of a kind at most; empty where nobody is validated."""
    searches = load_search_validation(split, graph, users, seed) if read_split_meta(split).task == "search" else None
    everyone = load_validation(split, users, seed)
    return [judge for judge in (searches, everyone) if judge is not None]


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
