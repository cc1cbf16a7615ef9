"""Candidates of searches and their features, made by the engine, with the items that followed."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.artifact.columns import offsets_of
from app.artifact.search_features import SEARCH_FEATURES
from app.engine.requests import user_context_of
from app.engine.search import features_of_search, search_candidates
from app.engine.snapshot import Snapshot
from offline.evaluation.document import BUNDLE, QUERY_ALONE
from offline.evaluation.metrics import DEPTH
from offline.evaluation.protocol import RowLists
from offline.evaluation.requests import map_rows
from offline.evaluation.search import search_requests
from offline.evaluation.search_cases import SearchCases
from offline.workspace.progress import Progress, silent

_BATCH = 64


@dataclass(frozen=True)
class SearchExamples:
    """Candidates of `lists` searches one after another."""

    features: NDArray[np.float32]  # [candidates, SEARCH_FEATURES]
    rows: NDArray[np.int64]  # [candidates] of the bundle
    target: NDArray[np.bool_]  # [candidates]
    offsets: NDArray[np.int64]  # [lists + 1]
    number: NDArray[np.int64]  # [lists] of the query
    targets: RowLists  # of the lists, found or not, by row of the bundle

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def lines(self) -> NDArray[np.int64]:
        """The list of each candidate."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def of_lists(self, kept: NDArray[np.bool_]) -> "SearchExamples":
        """The lists that are `kept`, `[lists]`."""
        kept_candidates = kept[self.lines()]
        kept_targets = kept[self.targets.lines()]
        return SearchExamples(
            self.features[kept_candidates],
            self.rows[kept_candidates],
            self.target[kept_candidates],
            offsets_of(np.diff(self.offsets)[kept]),
            self.number[kept],
            RowLists(offsets_of(self.targets.lengths()[kept]), self.targets.rows[kept_targets]),
        )


def search_examples(
    snapshot: Snapshot, split: Path, cases: SearchCases, mask: str, progress: Progress | None = None
) -> SearchExamples:
    """Every case twice: asked by its user, and by nobody, since one order serves both.

    Args:
        snapshot: a bundle that can search and knows nothing of what the cases hold out.
        cases: the searches.
        mask: seen, purchased or none: what is hidden.
    """
    tell = progress or silent
    search = snapshot.search
    assert search is not None  # noqa: S101 - the caller has looked
    requests, _, rows = search_requests(snapshot, split, cases)
    hidden, targets = map_rows(cases.cases.mask(mask), rows), map_rows(cases.cases.targets, rows)
    span = len(snapshot.tables.scales)
    target_keys = np.unique(targets.lines() * span + targets.rows)
    features, listed_rows, hits, lengths = [], [], [], []
    for name in (BUNDLE, QUERY_ALONE):
        for start in range(0, len(cases), _BATCH):
            tell(start, len(cases), "candidates and features of searches")
            lines = np.arange(start, min(start + _BATCH, len(cases)))
            batch = requests[name].take(lines)
            candidates, users, _ = search_candidates(snapshot, search, batch, DEPTH)
            of_case = lines[candidates.request_index]
            shown = ~np.isin(of_case * span + candidates.rows, hidden.lines() * span + hidden.rows)
            values, _ = features_of_search(snapshot.tables, search, batch, candidates, user_context_of(batch, users))
            features.append(values.T[shown])
            listed_rows.append(candidates.rows[shown])
            hits.append(np.isin(of_case * span + candidates.rows, target_keys)[shown])
            lengths.append(np.bincount(candidates.request_index[shown], minlength=len(lines)))
    return SearchExamples(
        features=np.concatenate(features).reshape(-1, len(SEARCH_FEATURES)),
        rows=np.concatenate(listed_rows),
        target=np.concatenate(hits),
        offsets=offsets_of(np.concatenate(lengths)),
        number=np.tile(cases.number, 2),
        targets=RowLists(offsets_of(np.tile(targets.lengths(), 2)), np.tile(targets.rows, 2)),
    )
