"""What the services of the tests sign cursors with."""

from typing import Final

from app.serving.cursor_keys import CursorKeys

CURSOR_KEYS: Final = CursorKeys([b"the secret of all tests"])
