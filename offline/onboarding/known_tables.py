"""Which known export a table is."""

import polars as pl

from offline.onboarding.guesses import squeezed
from offline.onboarding.known_exports import KNOWN_EXPORTS, KnownExport
from offline.onboarding.views import View

_SHARE = 0.95
_ROWS = 500


def known_export(view: View, kinds: tuple[str, ...] = ("events", "items", "users")) -> KnownExport | None:
    """The known export whose header, or whose cells where there is none, a table has; the longest header counts."""
    names = {squeezed(column) for column in view.sample.columns}
    without_header = all(column.startswith("column_") for column in view.sample.columns)
    hits = [
        known
        for known in KNOWN_EXPORTS
        if known.kind in kinds
        and (
            (known.header and {squeezed(name) for name in known.header} <= names)
            or (known.cells and without_header and _has_cells(view, known.cells))
        )
    ]
    return max(hits, key=lambda known: len(known.header), default=None)


def _has_cells(view: View, cells: tuple[str, ...]) -> bool:
    sample = view.sample.head(_ROWS)
    if sample.width != len(cells) or not sample.height or any(dtype != pl.String for dtype in sample.dtypes):
        return False
    return all(
        float(sample.get_column(column).fill_null("").str.contains(f"^(?:{form})$").sum()) >= _SHARE * sample.height
        for column, form in zip(sample.columns, cells, strict=True)
    )
