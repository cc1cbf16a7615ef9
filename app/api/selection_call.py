"""What a request chooses among items: filter, facets, sort and group_by, checked against the bundle."""

from dataclasses import replace

from app.api.schemas import RecommendRequest
from app.engine.selection.grouping import check_groups
from app.engine.selection.orders import RELEVANCE
from app.engine.snapshot import Snapshot
from app.errors import InvalidRequest
from app.serving.call import RecommendCall


def with_selection(call: RecommendCall, asked: RecommendRequest, snapshot: Snapshot) -> RecommendCall:
    """The call with what the request says of which items are answered, how they are ordered, and what is counted.

    Raises:
        InvalidRequest: names the part that does not fit the catalogue.
    """
    filters = snapshot.filters
    if asked.filter is not None:
        call = replace(call, filter=filters.parse(asked.filter))
    if asked.facets:
        for place, name in enumerate(asked.facets):
            filters.column(name, f"facets.{place}")
        call = replace(call, facets=tuple(dict.fromkeys(asked.facets)))
    if asked.sort not in (None, RELEVANCE):
        snapshot.orders.check(asked.sort)
        if asked.objective is not None:
            raise InvalidRequest(
                f"sort: expected relevance beside an objective, came {asked.sort!r}: leave one of them out", "sort"
            )
        call = replace(call, sort=asked.sort)
    if asked.group_by is not None:
        check_groups(filters.column(asked.group_by, "group_by"))
        call = replace(call, group_by=asked.group_by)
    return call
