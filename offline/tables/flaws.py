"""Why a row of a file cannot be read, and the columns in which a table keeps such rows."""

import json
from dataclasses import dataclass
from enum import StrEnum

from offline.errors import InputError

ROW = "source_row"
LINE = "source_line"
FLAW = "source_flaw"
RECORD = "source_record"
SOURCE_COLUMNS = (ROW, LINE, FLAW, RECORD)

_RECORD_CHARS = 2_000


class Flaw(StrEnum):
    """Why a row cannot be read; all its columns are null then. The texts stand in `rejected.parquet`."""

    TOO_MANY_CELLS = "too many cells"
    TOO_FEW_CELLS = "too few cells"
    UNCLOSED_QUOTE = "a quote that is not closed"
    NOT_TEXT = "bytes of another encoding"
    NUL_BYTES = "NUL bytes"
    BROKEN_JSON = "broken JSON"
    NO_OBJECT = "no JSON object"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that cannot be read: `got` says what is there without showing it, `text` is the row itself."""

    flaw: Flaw
    got: str
    text: str

    @property
    def record(self) -> str:
        """The row as `rejected.parquet` keeps it: JSON with `got` and `text`, which is cut after 2,000 characters."""
        text = self.text[:_RECORD_CHARS].encode(errors="replace").decode()
        return json.dumps({"got": self.got, "text": text}, ensure_ascii=False)


class TableError(InputError):
    """A file cannot be read at all. `got` says why in a few words, without a row of it; `advice` what to do."""

    code = "unreadable_table"

    def __init__(self, got: str, advice: str = "repair it or export it again") -> None:
        super().__init__(f"{got}: {advice}")
        self.got = got
        self.advice = advice
