"""Who may make which call: API keys, which of two kinds each call needs, and how often each key may call.

Read keys are a storefront's: recommendations, items, and telling events. Admin keys may do everything. Without any
key configured everything is open, and the service listens to its own machine only.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from hashlib import sha256
from hmac import compare_digest
from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.problems import problem_of
from app.api.rate_limit import RateLimit
from app.api.wire_values import path_of
from app.errors import KeyForbidden, KeyMissing, Overloaded, SettingsError
from app.telemetry.stages import trace_of

HOW: Final = "send it as 'Authorization: Bearer KEY' or as 'X-API-Key: KEY'"
_SETTINGS: Final = "AISLE_READ_KEYS and AISLE_ADMIN_KEYS"
_READING: Final = frozenset(("GET", "HEAD"))


class Kind(IntEnum):
    """What a key may do; a higher one may do all that a lower one may."""

    READ = 1
    ADMIN = 2


class Need(IntEnum):
    """Which key a call needs."""

    NOTHING = 0
    READING = 1  # any key once there are read keys: a shop that has only admin keys shows its shelves to everybody
    ANY_KEY = 2  # any key, once there are keys
    ADMIN_KEY = 3


# The first line that fits counts. Paths that end in a star are beginnings. What stands nowhere needs a key, so
# that a call forgotten here is closed rather than open.
_ANY: Final[frozenset[str]] = frozenset()
_CALLS: Final[tuple[tuple[str, frozenset[str], Need], ...]] = (
    ("/livez", _READING, Need.NOTHING),
    ("/readyz", _READING, Need.NOTHING),
    ("/metrics", _READING, Need.NOTHING),
    ("/docs", _READING, Need.NOTHING),
    ("/openapi.json", _READING, Need.NOTHING),
    ("/", _READING, Need.NOTHING),
    ("/web/*", _READING, Need.NOTHING),
    ("/users*", _ANY, Need.ADMIN_KEY),
    ("/models*", _ANY, Need.ADMIN_KEY),
    ("/items", _ANY, Need.ADMIN_KEY),
    ("/items*", _READING, Need.READING),
    ("/items*", _ANY, Need.ADMIN_KEY),
    ("/suggest", _READING, Need.READING),
    ("/recommend", frozenset(("GET", "HEAD", "POST")), Need.READING),
    ("/predict", frozenset(("POST",)), Need.READING),
    ("/events", frozenset(("POST",)), Need.ANY_KEY),
    ("*", _READING, Need.READING),
    ("*", _ANY, Need.ANY_KEY),
)


def need_of(method: str, path: str) -> Need:
    """Which key a call needs.

    Args:
        method: the HTTP method.
        path: the path as routes are matched against it, percent signs decoded.
    """
    return next(
        need
        for pattern, methods, need in _CALLS
        if (path.startswith(pattern[:-1]) if pattern.endswith("*") else path == pattern)
        and (not methods or method in methods)
    )


@dataclass(frozen=True, slots=True)
class Key:
    """A configured key."""

    kind: Kind
    digest: bytes  # SHA-256


class Keyring:
    """The configured keys, of which only digests are kept.

    Args:
        read: keys for a storefront.
        admin: keys for whoever runs the service.

    Raises:
        SettingsError: a key could not be sent in a header, or is of both kinds.
    """

    def __init__(self, read: Sequence[str], admin: Sequence[str]) -> None:
        for key in (*read, *admin):
            if not key or not all("!" <= character <= "~" for character in key):
                raise SettingsError(f"{_SETTINGS}: a key is printable ASCII without blanks, one is not: make a new one")
        if set(read) & set(admin):
            raise SettingsError(f"{_SETTINGS}: a key stands in one of them, one stands in both: make a new one")
        kinds = ((Kind.READ, read), (Kind.ADMIN, admin))
        self._keys = [Key(kind, sha256(key.encode()).digest()) for kind, keys in kinds for key in keys]
        self.has_read = bool(read)
        self.has_any = bool(read or admin)

    def find(self, text: bytes) -> Key | None:
        """The key of this text, `None` for an unknown one; takes the same time for every key, known or not."""
        digest = sha256(text).digest()
        match = None
        for key in self._keys:
            if compare_digest(key.digest, digest):
                match = key
        return match


class KeyCheckMiddleware:
    """ASGI middleware that refuses calls without the key that they need; `RequestTelemetryMiddleware` surrounds it.

    Args:
        app: the application inside.
        keyring: the configured keys.
        rate: limits the calls of each key.
    """

    def __init__(self, app: ASGIApp, keyring: Keyring, rate: RateLimit) -> None:
        self._app = app
        self._keyring = keyring
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with 401, 403 or 429."""
        app = self._app
        if scope["type"] == "http" and self._keyring.has_any:
            app = self._refusal(scope) or app
        await app(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        need = need_of(scope["method"], path_of(scope))
        if need is Need.NOTHING:
            return None
        texts = _key_texts(scope)
        known = max((key for key in map(self._keyring.find, texts) if key), key=lambda key: key.kind, default=None)
        request_id = trace_of(scope).request_id
        if known is None:
            is_open = need is Need.READING and not self._keyring.has_read
            return None if is_open else problem_of(_missing(need, has_key=bool(texts)), request_id)
        if need is Need.ADMIN_KEY and known.kind is not Kind.ADMIN:
            return problem_of(
                KeyForbidden("this call needs an admin key, got a read key: use an admin key"), request_id
            )
        wait_s = math.ceil(self._rate.take(known.digest))
        if not wait_s:
            return None
        error = Overloaded(f"this key makes more calls a second than AISLE_RATE_PER_KEY: try again in {wait_s} s")
        response = problem_of(error, request_id)
        response.headers["Retry-After"] = str(wait_s)
        return response


def _missing(need: Need, *, has_key: bool) -> KeyMissing:
    kind = "an admin key" if need is Need.ADMIN_KEY else "a key"
    what = "one that is not known" if has_key else "none"
    return KeyMissing(f"this call needs {kind}, got {what}: {HOW}")


def _key_texts(scope: Scope) -> list[bytes]:
    """The keys of the first header of each of the two kinds; other schemes of `Authorization` are ignored."""
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        if name in {b"authorization", b"x-api-key"}:
            headers.setdefault(name, value.strip())
    scheme, _, token = headers.get(b"authorization", b"").partition(b" ")
    bearer = token.strip() if scheme.lower() == b"bearer" else b""
    return [key for key in (bearer, headers.get(b"x-api-key", b"")) if key]
