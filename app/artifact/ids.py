"""What an id may be, for the service and for the job that makes its bundles."""

from typing import Final

MAX_ID: Final = 256
"""Characters of an id."""
