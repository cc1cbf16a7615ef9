"""Changes that this process has written and that nobody was told of yet."""

from collections.abc import Iterable

from app.stores.catalogue import CatalogueHead


class OwnChanges:
    """Whoever asks meanwhile may be answered without them, and need not wait."""

    def __init__(self) -> None:
        self._sequences: set[int] = set()
        self._epoch = ""

    def add(self, epoch: str, sequences: Iterable[int]) -> None:
        """Take changes that the store has now."""
        if epoch != self._epoch:
            self._epoch, self._sequences = epoch, set()
        self._sequences.update(sequences)

    def tell(self, sequences: Iterable[int]) -> None:
        """The caller is about to be told what became of these."""
        self._sequences.difference_update(sequences)

    def are_all(self, known: CatalogueHead, head: CatalogueHead) -> bool:
        """Whether these are all the changes behind a view that has those up to `known`, of those up to `head`."""
        if not self._sequences or not known.epoch == head.epoch == self._epoch:
            return False
        behind = range(known.sequence + 1, head.sequence + 1)
        return len(behind) <= len(self._sequences) and all(sequence in self._sequences for sequence in behind)
