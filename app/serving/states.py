"""The user states of a group of calls: from the store, else from the bundle."""

import logging
from collections.abc import Sequence
from typing import Final

from app.errors import StoreUnavailable
from app.serving.call import RecommendCall
from app.serving.release import Release
from app.stores.protocol import UserStore
from app.stores.state import StateRequest, StatesRead, UserState, merge_states
from app.telemetry.metrics import Metrics

USER_STATE: Final = "user_state"  # in `degraded`: the store could not be read, or may lack the newest events

log = logging.getLogger(__name__)


class StateFetcher:
    """Fetches states, and says where they are not whole.

    Args:
        store: keeps user states.
        metrics: counts calls that are answered without all that is stored.
    """

    def __init__(self, store: UserStore, metrics: Metrics) -> None:
        self._store = store
        self._metrics = metrics

    async def fetch(
        self, release: Release, calls: Sequence[RecommendCall], read: Sequence[StatesRead | None] = ()
    ) -> tuple[list[UserState | None], list[list[str]]]:
        """The state of each call's user, else visitor, and what was missing; one round trip for all.

        Those that were `read` of this version when their calls came are taken as they were; none of `calls` has any
        where that is empty.

        Where the store cannot be read, the states as of the bundle's cut stand in, once it is known who was erased;
        where it lacks what was published, they are merged with what is live.
        """
        states: list[UserState | None] = [None] * len(calls)
        degraded: list[list[str]] = [[] for _ in calls]
        remaining: list[int] = []  # the indices of calls whose states are not there yet
        for index, own in enumerate(read or [None] * len(calls)):
            if own is None or own.version != release.version or not own.is_whole:
                remaining.append(index)
            elif any(map(self._store.lags_for, calls[index].person_hashes())):
                states[index], degraded[index] = _first(own.states), [USER_STATE]
            else:
                states[index] = _first(own.states)
        requests = [_requests_of(calls[index]) for index in remaining]
        flat = [request for of_call in requests for request in of_call]
        if flat:
            fetched, are_whole = await self._fetch_with_fallback(release, flat)
            start = 0
            for index, of_call in zip(remaining, requests, strict=True):
                own_part = slice(start, start + len(of_call))
                states[index] = _first(fetched[own_part])
                degraded[index] = [] if all(are_whole[own_part]) else [USER_STATE]
                start = own_part.stop
        for missing in degraded:
            if missing:
                self._metrics.count_degraded(USER_STATE)
        return states, degraded

    def bundled(self, release: Release, call: RecommendCall) -> UserState | None:
        """The state of the call's user, else visitor, as of the bundle's cut; asks no store."""
        return next(filter(None, self._fetch_bundled(release, _requests_of(call))), None)

    def is_withheld(self, release: Release, person_hash: int) -> bool:
        """Whether the bundle's state of a person must not be used: they were erased, or it is not known who was."""
        return (
            not self._store.knows_erasures
            or self._store.is_erased(person_hash)
            or person_hash in release.states.states.withheld
        )

    async def _fetch_with_fallback(
        self, release: Release, requests: Sequence[StateRequest]
    ) -> tuple[list[UserState | None], list[bool]]:
        """The states, and of each whether it is all that is stored."""
        try:
            result = await self._store.fetch(release.version, requests)
        except StoreUnavailable as error:
            log.debug("user states could not be fetched", extra={"reason": error.message})
            return self._fetch_bundled(release, requests), [False] * len(requests)
        are_whole = [
            result.is_whole and place not in result.unread and not self._store.lags_for(request.user_hash)
            for place, request in enumerate(requests)
        ]
        if result.is_whole and not result.unread:
            return result.states, are_whole
        bundled = self._fetch_bundled(release, requests)
        states = [
            merge_states(*pair) if place in result.unread or not result.is_whole else pair[1]
            for place, pair in enumerate(zip(bundled, result.states, strict=True))
        ]
        return states, are_whole

    def _fetch_bundled(self, release: Release, requests: Sequence[StateRequest]) -> list[UserState | None]:
        if not requests:
            return []
        return [
            None if self.is_withheld(release, request.user_hash) else state
            for request, state in zip(requests, release.states.fetch(requests), strict=True)
        ]


def _requests_of(call: RecommendCall) -> list[StateRequest]:
    return [StateRequest(person_hash, call.exclude) for person_hash in call.person_hashes()]


def _first(states: Sequence[UserState | None]) -> UserState | None:
    """The first known state of one call's people."""
    return next((state for state in states if state), None)
