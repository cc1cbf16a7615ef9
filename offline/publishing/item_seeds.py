"""The records that the store is to hold of each item of a bundle: its vector."""

import numpy as np

from app.artifact.redis_keys import Keys
from offline.publishing.contents import Contents


class ItemSeeds:
    """The vectors of all items of a bundle, in the order of their rows."""

    def __init__(self, contents: Contents, keys: Keys) -> None:
        self._contents = contents
        self._keys = keys
        self._record = np.dtype([("scale", "<f4"), ("vector", "i1", contents.item_vectors.shape[1])])

    def __len__(self) -> int:
        return len(self._contents.item_hashes) - 1

    def part(self, start: int, stop: int) -> dict[bytes, bytes]:
        """Return the values of the items from index `start` up to `stop`, by key; the item of row 1 has index 0."""
        contents = self._contents
        rows = slice(start + 1, min(stop, len(self)) + 1)
        records = np.empty(rows.stop - rows.start, dtype=self._record)
        records["scale"], records["vector"] = contents.item_scales[rows], contents.item_vectors[rows]
        return {
            self._keys.item_vector(contents.version, item_hash): record.tobytes()
            for item_hash, record in zip(contents.item_hashes[rows].tolist(), records, strict=True)
        }
