"""What runs inside Redis, each in one step."""

from functools import cache
from pathlib import Path


@cache
def script(name: str) -> bytes:
    """The source of `<name>.lua`, with `records.lua` before it."""
    folder = Path(__file__).parent
    return (folder / "records.lua").read_bytes() + (folder / f"{name}.lua").read_bytes()
