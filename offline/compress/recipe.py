"""A variant as a recipe that any network of the same sizes can be given."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """What is kept of a network; None keeps all of it."""

    item_dim: int | None = None  # numbers in an item vector
    hidden: int | None = None  # units of the query tower's hidden layer
    feed: int | None = None  # units of the session encoder's feed-forward part
    weight_bits: int = 8  # of the item vectors
    tuned: bool = False  # whether the cut network is fine-tuned

    @property
    def cuts(self) -> bool:
        """Whether anything is taken away from the network."""
        return (self.item_dim, self.hidden, self.feed) != (None, None, None)
