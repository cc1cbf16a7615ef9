"""Answers of completions as they were written, kept for whoever types the same."""

from typing import Final

MOST_BYTES: Final = 2_000_000
"""Of what is kept: some 2,000 answers."""
_ENTRY_BYTES: Final = 250


class WrittenSuggestions:
    """The JSON of answers by the query string that asked for them. When it is full, it begins anew.

    What is suggested hangs on nothing else: whoever makes another suggester makes another one of these.
    """

    def __init__(self) -> None:
        self._bodies: dict[bytes, bytes] = {}
        self._size = 0

    def of(self, question: bytes) -> bytes | None:
        """What was answered to a query string; None where it is not kept."""
        return self._bodies.get(question)

    def keep(self, question: bytes, body: bytes) -> None:
        """Keep an answer."""
        self._size += _ENTRY_BYTES + len(question) + len(body)
        if self._size > MOST_BYTES:
            self._bodies, self._size = {}, _ENTRY_BYTES + len(question) + len(body)
        self._bodies[question] = body
