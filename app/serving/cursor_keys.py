"""The keys that sign cursors: a list that this service did not make is not gone on with."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes
from typing import Final

from app.errors import CursorExpired, InvalidCursor

SECRET_BYTES: Final = 32  # of a secret that is made here
ACCEPTED_SECRETS: Final = 2  # of those that replicas share: the one in use, and the one before
ID_BYTES: Final = 4
SIGNATURE_BYTES: Final = ID_BYTES + 16


@dataclass(frozen=True, slots=True)
class _Key:
    id: bytes  # [ID_BYTES] says which key signed, and nothing of it
    key: bytes

    def sign(self, body: bytes) -> bytes:
        return self.id + blake2b(body, key=self.key, digest_size=SIGNATURE_BYTES - ID_BYTES).digest()


class CursorKeys:
    """Signs cursors by the first of some secrets, and accepts what any of them signed.

    Args:
        secrets: the newest first; one of this process's own where there are none.
    """

    def __init__(self, secrets: Sequence[bytes] = ()) -> None:
        self._keys = tuple(_key_of(secret) for secret in secrets or [token_bytes(SECRET_BYTES)])

    def take(self, secret: bytes) -> None:
        """Sign by `secret` from now on, and still accept what the one before it signed."""
        key = _key_of(secret)
        if key != self._keys[0]:
            self._keys = (key, *self._keys)[:ACCEPTED_SECRETS]

    def sign(self, body: bytes) -> bytes:
        """The signature of a cursor's content, `SIGNATURE_BYTES` long."""
        return self._keys[0].sign(body)

    def check(self, body: bytes, signature: bytes) -> None:
        """Accept a cursor's content.

        Raises:
            CursorExpired: it is signed with a key that is not known here, or no longer.
            InvalidCursor: it was changed.
        """
        key = next((key for key in self._keys if key.id == signature[:ID_BYTES]), None)
        if key is None:
            raise CursorExpired(
                "cursor: signed with a key that this service does not have, or no longer: ask again without it",
                "cursor",
            )
        if not compare_digest(key.sign(body), signature):
            raise changed_cursor()


def changed_cursor() -> InvalidCursor:
    """The error of a text that is no cursor, or was changed on its way."""
    return InvalidCursor(
        "cursor: expected the next_cursor of an answer, unchanged, got something else: ask again without it", "cursor"
    )


def _key_of(secret: bytes) -> _Key:
    return _Key(
        blake2b(secret, digest_size=ID_BYTES, person=b"cursor id").digest(),
        blake2b(secret, digest_size=SECRET_BYTES, person=b"cursor key").digest(),
    )
