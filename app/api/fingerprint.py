"""What a request asks for besides the page: the same for all pages of one list."""

from typing import Final

from app.api.schemas import RecommendRequest
from app.artifact.hashing import stable_hash

_OF_A_PAGE: Final = {"k", "cursor", "fields", "facets", "explain", "timeout_ms"}


def fingerprint_of(asked: RecommendRequest) -> int:
    """A 64-bit hash of the fields that make the list; of a request that gives none, `NO_LIST`."""
    return stable_hash(asked.model_dump_json(exclude=_OF_A_PAGE, exclude_defaults=True))


NO_LIST: Final = stable_hash("{}")
"""The fingerprint of a request that says nothing but which page it wants, and how."""
