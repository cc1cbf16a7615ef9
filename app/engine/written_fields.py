"""What was written of items for answers, kept for the next answer that shows them."""

from collections.abc import Hashable
from typing import Final

from app.artifact.item_document import ItemDocument

MOST_BYTES: Final = 8_000_000
"""Of what is kept: the shown fields of some 20,000 items."""
_ENTRY_BYTES: Final = 200
_FORM_BYTES: Final = 1_000

Written = dict[int, tuple[ItemDocument | None, bytes]]
"""By row: the live document that it was written of, None for what the bundle says; and its JSON. Where the row has
another document by now, it counts for nothing."""


class WrittenFields:
    """The JSON of fields, by form and row. All views of a bundle share it; when it is full, it begins anew."""

    def __init__(self) -> None:
        self._by_form: dict[Hashable, Written] = {}
        self._size = 0

    def of(self, form: Hashable) -> Written:
        """What is kept of one choice of fields."""
        written = self._by_form.get(form)
        if written is None:
            self._take(_FORM_BYTES)
            written = self._by_form[form] = {}
        return written

    def keep(self, written: Written, row: int, document: ItemDocument | None, text: bytes) -> None:
        """Keep what was written of an item; `written` is what `of` returned."""
        self._take(_ENTRY_BYTES + len(text))
        written[row] = document, text

    def _take(self, size: int) -> None:
        self._size += size
        if self._size > MOST_BYTES:
            self._by_form, self._size = {}, size
