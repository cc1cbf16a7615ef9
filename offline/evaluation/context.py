"""What one evaluation measures, and how: the same for every task."""

from dataclasses import dataclass
from pathlib import Path

from app.engine.requests import Stages
from app.engine.snapshot import Snapshot
from offline.dataset.split_meta import SplitMeta
from offline.evaluation.document import BundleFacts, DatasetFacts
from offline.evaluation.metrics import Metric
from offline.workspace.progress import Progress


@dataclass(frozen=True)
class EvaluationContext:
    """A loaded bundle, the split that it is scored on, and the choices of the caller."""

    snapshot: Snapshot
    split: Path  # items are matched by id
    meta: SplitMeta
    part: str  # valid or test
    metrics: list[Metric]
    seed: int  # of the resamples, and of the users that baselines are tuned on
    stages: Stages
    baselines: bool  # whether to rank by baselines too
    progress: Progress

    @property
    def masks(self) -> list[str]:
        """The masks of the split, each once; a report is made for each."""
        return list(dict.fromkeys(self.meta.mask))

    def dataset_facts(self) -> DatasetFacts:
        """What the document says of the data."""
        document = self.meta.document()
        return DatasetFacts(
            name=self.meta.dataset,
            part=self.part,
            how=document["how"],
            task=document["task"],
            seed=document["seed"],
            fingerprint=document["fingerprint"],
            items=self.meta.n_items,
            counts=document["counts"],
        )

    def bundle_facts(self, users_with_stored_state: int) -> BundleFacts:
        """What the document says of the bundle."""
        manifest = self.snapshot.manifest
        return BundleFacts(manifest.version, manifest.dataset, manifest.data_fingerprint, users_with_stored_state)
