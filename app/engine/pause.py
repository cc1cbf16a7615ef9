"""Work that can wait, and lets others go first between its steps."""

from collections.abc import Callable

Pause = Callable[[], None]
"""Called between two steps, of a fraction of a millisecond each; returns when the work may go on."""


def no_pause() -> None:
    """Go on at once."""
