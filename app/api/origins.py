"""Who may call a service without keys: this machine, and no page of another address that a browser on it shows.

Any page may let a browser send requests to 127.0.0.1, and one whose name is made to lead there may read the answers,
too. Both give themselves away: by `Origin` or `Sec-Fetch-Site`, and by `Host`.
"""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from app.api.keys import Need, need_of
from app.api.problems import problem_of
from app.api.wire_values import path_of
from app.errors import AisleError, ForeignHost, ForeignOrigin
from app.telemetry.stages import trace_of

_HEADERS: Final = frozenset((b"host", b"origin", b"sec-fetch-site", b"sec-fetch-mode"))
_OWN_SITES: Final = frozenset(("same-origin", "none"))  # none: typed in, or a bookmark
_KEPT: Final = 256  # combinations of headers of which it is kept what they tell
_MOST_KEPT: Final = 512  # bytes of one
_KEYS_HELP: Final = "this service has no keys; set AISLE_ADMIN_KEYS and AISLE_READ_KEYS, and send one"


def is_loopback(host: str) -> bool:
    """Whether an address, or a name of one, is this machine's own and nobody else's."""
    try:
        address = ip_address(host)
    except ValueError:
        return host.lower().removesuffix(".") == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return address.is_loopback or (mapped is not None and mapped.is_loopback)


class OwnMachineMiddleware:
    """ASGI middleware that refuses what pages of other addresses ask for, and calls that name another host.

    What needs no key of a service with keys (`/livez`, `/metrics`, the pages) is answered to everybody here, too.

    Args:
        app: the application inside.
        hosts: names under which this service is reached, beside those of this machine.
    """

    def __init__(self, app: ASGIApp, hosts: Sequence[str]) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._kept_error = lru_cache(_KEPT)(self._error)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or refuse it with 403."""
        app = self._app
        if scope["type"] == "http":
            sent = tuple([header for header in scope["headers"] if header[0] in _HEADERS])
            is_reading = scope["method"] in {"GET", "HEAD"}
            is_short = sum([len(value) for _, value in sent]) <= _MOST_KEPT
            error = self._kept_error(sent, is_reading) if is_short else self._error(sent, is_reading)
            if error is not None and need_of(scope["method"], path_of(scope)) is not Need.NOTHING:
                app = problem_of(error, trace_of(scope).request_id)
        await app(scope, receive, send)

    def _error(self, headers_sent: tuple[tuple[bytes, bytes], ...], is_reading: bool) -> AisleError | None:
        sent = [(name, value.decode("latin-1").strip()) for name, value in headers_sent]
        hosts = [value for name, value in sent if name == b"host"]
        foreign = next((host for host in hosts if not self._is_own(host)), None)
        if foreign is not None:
            return ForeignHost(f"expected localhost or 127.0.0.1 as the host, got {foreign[:100]!r}: {_KEYS_HELP}")
        for name, value in sent:
            if name == b"origin" and value.partition("://")[2].lower() not in {host.lower() for host in hosts}:
                return ForeignOrigin(f"a page of {value[:100]!r} asks for what it may not have: {_KEYS_HELP}")
        headers = dict(sent)
        site = headers.get(b"sec-fetch-site")
        is_link = headers.get(b"sec-fetch-mode") == "navigate" and is_reading
        if site is not None and site not in _OWN_SITES and not is_link:
            return ForeignOrigin(f"a page of another address ({site[:20]}) asks for what it may not have: {_KEYS_HELP}")
        return None

    def _is_own(self, host: str) -> bool:
        """Whether a `Host` header, with its port, is one of ours."""
        name, _, port = host[1:].partition("]") if host.startswith("[") else host.partition(":")
        is_port = not port.lstrip(":") or port.lstrip(":").isdigit()
        return is_port and (is_loopback(name) or name.lower() in self._hosts)
