"""What runs inside Redis, each in one step."""

from functools import cache
from pathlib import Path

_CATALOGUE = "catalogue"


@cache
def script(name: str) -> bytes:
    """The source of `<name>.lua` with what it is written with before it: `records.lua`, then `catalogue.lua`."""
    parts = ["records", *([_CATALOGUE] if name.startswith(_CATALOGUE) else []), name]
    return b"".join((Path(__file__).parent / f"{part}.lua").read_bytes() for part in parts)
