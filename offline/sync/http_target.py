"""A live catalogue behind a service's address."""

import http.client
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self
from urllib.parse import urlencode, urlsplit

import orjson

from offline.errors import InputError, StorageError
from offline.sync.difference import Operation
from offline.sync.known_item import KnownItem
from offline.sync.target import Refusal
from offline.sync.wire import item_of_wire, wire_of
from offline.workspace.progress import Progress

_PAGE: Final = 1_000
_TIMEOUT_S: Final = 120.0
_TRIES: Final = 6
_LONGEST_WAIT_S: Final = 30.0
_AGAIN: Final = (429, 502, 503, 504)


class HttpTarget:
    """The catalogue of a service, by its admin calls, over one connection that `with` closes.

    Args:
        url: its address, such as http://localhost:8000.
        key: an admin key; None where it has none.
        keep_new: whether columns that its bundle does not know are kept for the next training, rather than refused.
        sleep: waits for so many seconds, where it is to be asked again later.
    """

    def __init__(
        self, url: str, key: str | None, *, keep_new: bool, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._parts = urlsplit(url if "://" in url else f"http://{url}")
        if self._parts.scheme not in ("http", "https") or not self._parts.hostname or _has_no_port(url):
            raise InputError(f"--url: expected an address such as http://localhost:8000, got {url!r}: correct it")
        self._address = f"{self._parts.scheme}://{self._parts.netloc.rpartition('@')[2]}{self._parts.path.rstrip('/')}"
        self._key = key
        self._sleep = sleep
        self._batch = "/items/batch" + ("?new_columns=keep" if keep_new else "")
        self._connection: http.client.HTTPConnection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def items(self, progress: Progress) -> dict[str, KnownItem]:
        """All items as they are now, by id.

        Raises:
            InputError: the service refuses.
            StorageError: it cannot be reached.
        """
        known: dict[str, KnownItem] = {}
        after: str | None = None
        while True:
            query = {"limit": str(_PAGE)} | ({} if after is None else {"after": after})
            page = self._ask("GET", f"/items?{urlencode(query)}")
            try:
                for item in page["items"]:
                    if not item["deleted"]:
                        known[item["item_id"]] = item_of_wire(item["fields"], is_hidden=item["hidden"])
                after = page["next_after"]
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise self._foreign("a page of items") from error
            progress(len(known), max(1, len(known)), "reading the live catalogue")
            if after is None:
                return known

    def send(self, operations: Sequence[Operation]) -> list[Refusal]:
        """Do operations, and name those that were not done.

        Raises:
            InputError: the service refuses all.
            StorageError: it cannot be reached.
        """
        answer = self._ask("POST", self._batch, b"".join(map(wire_of, operations)))
        try:
            refused = [
                Refusal(operations[entry["index"]].item_id, str(entry["message"])) for entry in answer["rejected"]
            ]
            more = int(answer["rejected_count"]) - len(refused)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise self._foreign("what became of the operations") from error
        if more <= 0:
            return refused
        # Only some are named: those that are not are found by sending what is left in halves.
        named = {refusal.item_id for refusal in refused}
        left = [operation for operation in operations if operation.item_id not in named]
        half = (len(left) + 1) // 2
        return refused + self.send(left[:half]) + (self.send(left[half:]) if left[half:] else [])

    def _ask(self, method: str, path: str, body: bytes | None = None) -> Any:
        """The document of an answer; a service that is busy is asked again a few times."""
        for left in range(_TRIES - 1, -1, -1):
            wait = min(_LONGEST_WAIT_S, 0.5 * 2.0 ** (_TRIES - 1 - left))
            try:
                status, headers, content = self._exchange(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._close()
                if left:
                    self._sleep(wait)
                    continue
                what = getattr(error, "strerror", None) or str(error) or type(error).__name__
                raise StorageError(
                    f"{self._address}: cannot be reached ({what}): see whether it runs, and correct --url. What was "
                    "sent before is kept: run the same command again to go on"
                ) from error
            if status in _AGAIN and left:
                self._sleep(_wait_told(headers, wait))
                continue
            if status != 200:
                raise self._refusal(status, content)
            try:
                return orjson.loads(content)
            except orjson.JSONDecodeError as error:
                raise self._foreign("JSON") from error
        raise AssertionError  # the last try returns or raises

    def _exchange(self, method: str, path: str, body: bytes | None) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Content-Type": "application/x-ndjson"} if body is not None else {}
        if self._key is not None:
            headers["Authorization"] = f"Bearer {self._key}"
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(str(self._parts.hostname), self._parts.port, timeout=_TIMEOUT_S)
        self._connection.request(method, self._parts.path.rstrip("/") + path, body, headers)
        with self._connection.getresponse() as response:
            return response.status, {name.lower(): value for name, value in response.headers.items()}, response.read()

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _refusal(self, status: int, content: bytes) -> InputError:
        advice = {
            401: "give an admin key with --key",
            403: "give an admin key with --key",
            404: "see that --url is the address of an Aisle that has a live catalogue",
            405: "see that --url is the address of an Aisle that has a live catalogue",
        }.get(status, "run the same command again when it is mended; what was sent before is kept")
        return InputError(f"{self._address}: it answered {status} ({_detail_of(content)}): {advice}")

    def _foreign(self, expected: str) -> InputError:
        return InputError(
            f"{self._address}: expected {expected}, got something else: see that --url is the address of an Aisle"
        )


def _has_no_port(url: str) -> bool:
    try:
        _ = urlsplit(url if "://" in url else f"http://{url}").port
    except ValueError:
        return True
    return False


def _wait_told(headers: Mapping[str, str], otherwise: float) -> float:
    try:
        return min(_LONGEST_WAIT_S, max(0.0, float(headers.get("retry-after", otherwise))))
    except ValueError:
        return otherwise


def _detail_of(content: bytes) -> str:
    """What an answer says of a problem."""
    try:
        document = orjson.loads(content)
    except orjson.JSONDecodeError:
        return "no reason"
    reason = document.get("detail") or document.get("title") if isinstance(document, dict) else None
    return str(reason or "no reason")[:300]
