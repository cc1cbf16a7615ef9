"""What an id may be, for the service and for the job that makes its bundles."""

import unicodedata
from typing import Final

MAX_ID: Final = 256
"""Characters of an id."""


def composed_id(text: str) -> str:
    """An id in Unicode's form NFC, as ingest keeps ids: the same letters are the same id, whoever typed them."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)
