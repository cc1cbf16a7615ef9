"""How long work tells its caller how far it is."""

from collections.abc import Callable

Progress = Callable[[int, int, str], None]
"""Called as `progress(done, total, what)`, with `done` from 0 to `total`."""


def silent(done: int, total: int, what: str) -> None:
    """The progress of somebody who does not want to know."""
    del done, total, what
