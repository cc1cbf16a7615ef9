"""Structured logs: one JSON object a line, on stderr; ids of people only as hashes."""

import logging
import sys

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from app.artifact.hashing import stable_hash


def configure_logs(level: str) -> None:
    """Send all logs of the process to stderr as JSON.

    Args:
        level: the least severe one written.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        JsonFormatter(
            "%(levelname)s %(name)s %(message)s",
            rename_fields={"levelname": "level", "name": "logger"},
            timestamp="time",  # ISO 8601, UTC
            reserved_attrs=[*RESERVED_ATTRS, "color_message"],  # uvicorn's, for terminals
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def hashed_id(user_id: str | None) -> str | None:
    """The form in which the id of a user or visitor may be logged."""
    return None if user_id is None else f"{stable_hash(user_id):016x}"
