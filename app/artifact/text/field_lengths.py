"""How long the fields of the lexical index are on average, which its own files do not keep: BM25 weighs terms by it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, NonNegativeFloat, NonNegativeInt, TypeAdapter

from app.artifact import names


class FieldLength(BaseModel):
    """The length of one field, over all items of the bundle, those without a word in it among them."""

    model_config = ConfigDict(extra="ignore", frozen=True)
    average: NonNegativeFloat  # terms
    documents: NonNegativeInt

    @classmethod
    def of(cls, lengths: Sequence[int]) -> "FieldLength":
        """That of documents with so many terms each."""
        return cls(average=sum(lengths) / max(1, len(lengths)), documents=len(lengths))


_LENGTHS = TypeAdapter(dict[str, FieldLength])


def write_field_lengths(folder: Path, lengths: Mapping[str, FieldLength]) -> None:
    """Write the lengths of the fields, by their names in `LEXICAL_FIELDS`, into the bundle in `folder`."""
    (folder / names.LEXICAL / names.LEXICAL_LENGTHS).write_bytes(_LENGTHS.dump_json(dict(lengths), indent=2) + b"\n")


def read_field_lengths(folder: Path) -> dict[str, FieldLength]:
    """The lengths of the fields that the bundle in `folder` indexes; none where it was written before they were kept.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not what `write_field_lengths` writes.
    """
    try:
        return _LENGTHS.validate_json((folder / names.LEXICAL / names.LEXICAL_LENGTHS).read_bytes())
    except FileNotFoundError:
        return {}
