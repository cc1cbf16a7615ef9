"""What runs inside Redis, each in one step."""

from pathlib import Path


def script(name: str) -> bytes:
    """The source of `<name>.lua`."""
    return (Path(__file__).parent / f"{name}.lua").read_bytes()
