"""What a connection may send, hold back and leave unread: each bound, over real sockets."""

import socket
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from raw_http import RawAnswer, RawConnection, connected
from starlette.applications import Starlette

from app.server.bounds import ConnectionBounds
from app.server.connections import Connections
from app.settings import MAX_HEADERS, MAX_PIPELINED
from app.telemetry.metrics import Metrics

BOUNDS = ConnectionBounds()
LIVEZ = b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n"
SOON_S = 0.3  # of the timeouts that are waited for


@dataclass(frozen=True)
class Door:
    """A service behind bounds."""

    address: tuple[str, int]
    client: httpx.Client
    metrics: Metrics

    def connect(self) -> AbstractContextManager[RawConnection]:
        return connected(self.address)

    def value(self, name: str, **labels: str) -> float:
        found = self.metrics.registry.get_sample_value(name, labels)
        assert found is not None
        return found

    def wait_until(self, is_so: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 20
        while not is_so():
            assert time.monotonic() < deadline, self.metrics.exposition().decode()
            time.sleep(0.01)


@pytest.fixture(scope="module")
def opened(
    application_of: Callable[..., Starlette], listening: Callable[..., AbstractContextManager[httpx.Client]]
) -> Callable[..., AbstractContextManager[Door]]:
    """Opens the shop's service behind bounds."""
    application = application_of()

    @contextmanager
    def opening(**bounds: Any) -> Iterator[Door]:
        metrics = Metrics()
        with listening(application, Connections(ConnectionBounds(**bounds), metrics)) as client:
            yield Door((client.base_url.host, client.base_url.port or 0), client, metrics)

    return opening


Opened = Callable[..., AbstractContextManager[Door]]


@pytest.fixture(scope="module")
def door(opened: Opened) -> Iterator[Door]:
    """The service behind the bounds that hold if nothing is set."""
    with opened() as service:
        yield service


def problem(answer: RawAnswer, status: int, code: str) -> dict[str, Any]:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/problem+json"
    document: dict[str, Any] = answer.json()
    assert (document["status"], document["code"]) == (status, code)
    assert document["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["connection"] == "close"
    return document


def post(body: bytes, *headers: str, path: str = "/recommend") -> bytes:
    lines = "".join(f"{line}\r\n" for line in headers)
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{lines}\r\n".encode() + body


def chunk(body: bytes, extension: bytes = b"") -> bytes:
    return b"%x%s\r\n%s\r\n" % (len(body), extension, body)


def head_of(size: int) -> bytes:
    """A request whose head has so many bytes, its request line and the empty line counted."""
    begin = b"GET /livez HTTP/1.1\r\nx-request-id: mine\r\na: "
    return begin + b"x" * (size - len(begin) - 4) + b"\r\n\r\n"


@pytest.mark.parametrize("piece", [1, 1_000, 1_000_000])
def test_a_head_may_have_so_many_bytes_and_not_one_more(opened: Opened, piece: int) -> None:
    most = BOUNDS.head_bytes if piece > 1 else 1_024
    with opened(head_bytes=most) as door:
        for size, status in ((most, 200), (most + 1, 431)):
            with door.connect() as connection:
                connection.stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                head = head_of(size)
                for place in range(0, size, piece):
                    connection.send(head[place : place + piece])
                answer = connection.answer()
                assert answer.status == status
                assert answer.headers["x-request-id"] == "mine"
                if status == 431:
                    assert "send fewer" in problem(answer, 431, "head_too_large")["detail"]
                    assert connection.until_closed() == b""


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (b"GET /livez?" + b"x" * 2_000_000, 414, "target_too_long"),
        (b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 500_000, 431, "head_too_large"),
        (b"GET /livez HTTP/1.1\r\na: " + b"x" * 2_000_000, 431, "head_too_large"),
        (b"GET /livez HTTP/1.1\r\n" + b"x" * 2_000_000, 431, "head_too_large"),
        (b"\r\n" * 500_000, 431, "head_too_large"),
        (b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * (MAX_HEADERS + 1) + b"\r\n", 431, "head_too_large"),
        (post(b"1" * 40_000, "transfer-encoding: chunked"), 400, "malformed_request"),
        (post(chunk(b"{}", b";x=" + b"x" * 40_000), "transfer-encoding: chunked"), 431, "head_too_large"),
        (post(chunk(b"{", b";" + b"x" * 200) * 400, "transfer-encoding: chunked"), 431, "head_too_large"),
        (post(chunk(b" ") * 50_000, "transfer-encoding: chunked"), 431, "head_too_large"),
        (post(b"0\r\n" + b"a: b\r\n" * 50_000, "transfer-encoding: chunked"), 431, "head_too_large"),
        (b"NONSENSE\r\n\r\n", 400, "malformed_request"),
        (b"GET http://host:port:x/ HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (b"CONNECT host:443 HTTP/1.1\r\n\r\n", 400, "malformed_request"),
        (post(b"{}", "content-length: 2", "transfer-encoding: chunked"), 400, "malformed_request"),
        (post(b"{}", "content-length: 2", "content-length: 3"), 400, "malformed_request"),
    ],
    ids=lambda value: repr(value[:36]) if isinstance(value, bytes) else str(value),
)
def test_what_is_too_much_or_no_request_is_told_so_and_closed(door: Door, data: bytes, status: int, code: str) -> None:
    with door.connect() as connection:
        connection.stream.settimeout(5)
        connection.send_as_far_as_it_goes(data)
        assert problem(connection.answer(), status, code)["detail"]
    assert door.client.get("/livez").status_code == 200


def test_a_head_without_end_costs_no_memory_and_its_rest_is_not_read(door: Door) -> None:
    with door.connect() as connection:
        connection.stream.settimeout(1)
        connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        sent = connection.send_as_far_as_it_goes(b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000_000)
        assert sent < 40_000_000  # what the kernel holds, and a megabyte


def test_trailers_are_no_headers(door: Door) -> None:
    with door.connect() as connection:
        connection.send(post(chunk(b"{}") + b"0\r\nx-request-id: trailing\r\n\r\n", "transfer-encoding: chunked"))
        answer = connection.answer()
        assert (answer.status, answer.headers["x-request-id"] != "trailing") == (200, True)
        connection.send(LIVEZ)
        assert connection.answer().status == 200


def test_a_head_that_does_not_come_is_waited_for_so_long(opened: Opened) -> None:
    with opened(head_s=SOON_S) as door:
        with door.connect() as connection:
            assert connection.until_closed() == b""  # nobody asked anything
        for pieces in ((b"GET /li",), (b"\r\n",), (LIVEZ, b"GET /li")):
            with door.connect() as connection:
                for piece in pieces:
                    connection.send(piece)
                if len(pieces) == 2:
                    assert connection.answer().status == 200
                assert "0.3 s" in problem(connection.answer(), 408, "request_timeout")["detail"]
                assert connection.until_closed() == b""
        with door.connect() as connection:
            began = time.monotonic()
            connection.send(b"GET /")
            try:
                while time.monotonic() < began + 5:
                    connection.send(b"a")
                    time.sleep(0.02)
            except ConnectionError:
                pass
            assert time.monotonic() < began + 5
        assert door.value("aisle_closed_connections_total", reason="head_timeout") == 5


def test_a_body_that_does_not_come_is_waited_for_so_long(opened: Opened) -> None:
    with opened(body_s=SOON_S) as door, door.connect() as connection:
        connection.send(post(b'{"k"', "content-length: 8", "x-request-id: mine"))
        document = problem(connection.answer(), 408, "request_timeout")
        assert document["request_id"] == "mine"
        assert connection.until_closed() == b""
        assert door.value("aisle_closed_connections_total", reason="body_timeout") == 1
        assert door.value("aisle_request_body_bytes") == 0


def test_a_large_body_is_waited_for_longer(opened: Opened) -> None:
    with opened(body_s=SOON_S, large_path="/items/batch", large_s=60.0) as door, door.connect() as connection:
        connection.send(post(b'{"operations"', "content-length: 18", path="/items/batch"))
        door.wait_until(lambda: door.value("aisle_request_body_bytes") > 0)
        connection.send(b": []}")
        assert connection.answer().status == 200
    with opened(large_path="/items/batch", large_s=SOON_S) as door, door.connect() as connection:
        connection.send(post(b'{"operations"', "content-length: 18", path="/items/batch"))
        assert problem(connection.answer(), 408, "request_timeout")


def test_a_refused_body_that_does_not_come_is_waited_for_no_longer(opened: Opened) -> None:
    with opened(body_s=SOON_S) as door, door.connect() as connection:
        connection.send(post(b'{"k"', "content-length: 8", path="/nowhere"))
        assert connection.answer().status == 404
        assert connection.stream.recv(1) == b""


def test_bodies_that_arrive_hold_so_much_and_the_largest_gives_way(opened: Opened) -> None:
    with opened(held_bytes=200_000) as door, ExitStack() as opened_ones:
        connections = [opened_ones.enter_context(door.connect()) for _ in range(10)]
        for connection in connections[1:]:
            connection.send(post(b" " * 40_000, "content-length: 90000"))
        refused = [connection for connection in connections[1:] if _has_answer(connection, 0.2)]
        assert 4 <= len(refused) <= 6
        for connection in refused:
            assert problem(connection.answer(), 503, "body_crowded_out")
        assert 0 < door.value("aisle_request_body_bytes") <= 200_000
        connections[0].send(post(b"{}", "content-length: 2"))
        assert connections[0].answer().status == 200
        assert door.client.post("/recommend", json={"k": 2}).status_code == 200
    door.wait_until(lambda: door.value("aisle_request_body_bytes") == 0)


def _has_answer(connection: RawConnection, within_s: float) -> bool:
    connection.stream.settimeout(within_s)
    try:
        return bool(connection.stream.recv(1, socket.MSG_PEEK))
    except TimeoutError:
        return False
    finally:
        connection.stream.settimeout(20)


@pytest.mark.parametrize("begin", [b"", b"GET /li", LIVEZ], ids=["silent", "unfinished", "idle"])
def test_connections_that_wait_shut_nobody_out(opened: Opened, begin: bytes) -> None:
    with opened(connections=30) as door, ExitStack() as opened_ones:
        for _ in range(100):
            connection = opened_ones.enter_context(door.connect())
            connection.send(begin)
            if begin == LIVEZ:
                assert connection.answer().status == 200
        for _ in range(20):
            assert httpx.get(f"{door.client.base_url}/livez", timeout=10).status_code == 200
        assert door.value("aisle_open_connections") <= 30
        assert door.value("aisle_closed_connections_total", reason="crowded_out") >= 70


def test_a_connection_that_is_answered_is_not_closed_for_another(opened: Opened) -> None:
    with opened(connections=5) as door, ExitStack() as opened_ones:
        uploads = [opened_ones.enter_context(door.connect()) for _ in range(4)]
        for upload in uploads:
            upload.send(post(b"{", "content-length: 2"))
        for _ in range(20):
            opened_ones.enter_context(door.connect())
        for upload in uploads:
            upload.send(b"}")
            assert upload.answer().status == 200


def test_an_idle_connection_is_kept_so_long(opened: Opened) -> None:
    with opened(idle_s=SOON_S) as door, door.connect() as connection:
        connection.send(LIVEZ)
        assert connection.answer().status == 200
        assert connection.until_closed() == b""
        assert door.value("aisle_closed_connections_total", reason="idle") == 1
    door.wait_until(lambda: door.value("aisle_open_connections") == 0)


def test_requests_that_come_together_are_answered_in_order_a_few_at_a_time(door: Door) -> None:
    count = 2_000
    with door.connect() as connection:
        connection.send(
            b"".join(b"GET /livez HTTP/1.1\r\nx-request-id: r%d\r\n\r\n" % number for number in range(count))
        )
        ids = [connection.answer().headers["x-request-id"] for _ in range(count)]
    assert ids == [f"r{number}" for number in range(count)]
    assert count > MAX_PIPELINED


def test_what_is_no_request_is_refused_behind_the_answers_before_it(door: Door) -> None:
    with door.connect() as connection:
        connection.send(LIVEZ * 3 + post(b"{}", "content-length: 2") + b"NONSENSE\r\n\r\n")
        assert [connection.answer().status for _ in range(4)] == [200] * 4
        problem(connection.answer(), 400, "malformed_request")
        assert connection.until_closed() == b""


def test_bodies_of_requests_that_wait_for_an_answer_are_counted_too(opened: Opened) -> None:
    with opened(held_bytes=100_000) as door, door.connect() as connection:
        connection.send_as_far_as_it_goes(post(b" " * 90_000, "content-length: 90000") * 50)
        connection.stream.settimeout(1)
        statuses = []
        try:
            while True:
                statuses.append(connection.answer().status)
        except (ConnectionError, TimeoutError):
            pass
        assert statuses
        assert set(statuses[:-1]) <= {422, 200}
        door.wait_until(lambda: door.value("aisle_request_body_bytes") == 0)


def big_request() -> bytes:
    body = b'{"k": 200, "fields": ["title", "description", "category", "brand", "price"], "explain": true}'
    return post(body, f"content-length: {len(body)}")


@pytest.mark.parametrize("what", ["heads", "bodies"])
def test_requests_behind_an_answer_that_nobody_takes_shut_nobody_out(opened: Opened, what: str) -> None:
    waiting = head_of(32_000) if what == "heads" else post(b"{}" + b" " * 19_998, "content-length: 20000")
    with opened(held_bytes=100_000) as door, ExitStack() as opened_ones:
        for _ in range(4):
            greedy = opened_ones.enter_context(door.connect())
            greedy.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            greedy.stream.settimeout(0.3)
            greedy.send_as_far_as_it_goes((big_request() + waiting) * 400)
        assert door.value("aisle_request_body_bytes") <= 100_000
        for _ in range(3):
            with door.connect() as honest:
                honest.send(post(b" " * 80_000, "content-length: 90000"))
                assert not _has_answer(honest, 0.1)
                honest.send(b" " * 9_998 + b"{}")
                assert honest.answer().status == 200
    door.wait_until(lambda: door.value("aisle_request_body_bytes") == 0)


def test_whoever_sends_too_far_ahead_gets_the_answers_under_way_and_a_refusal(opened: Opened) -> None:
    with opened(held_bytes=30_000) as door, door.connect() as connection:
        connection.send(post(b"{}", "content-length: 2") + head_of(8_000) * 12)
        assert connection.answer().status == 200
        problem(connection.answer(), 503, "body_crowded_out")
        assert connection.until_closed() == b""
        assert door.value("aisle_request_body_bytes") == 0


def test_an_answer_that_is_not_taken_is_kept_so_long(opened: Opened) -> None:
    with opened(answer_s=SOON_S) as door, ExitStack() as opened_ones:
        connection = opened_ones.enter_context(door.connect())
        connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        connection.stream.settimeout(0.3)
        connection.send_as_far_as_it_goes(big_request() * 400)
        door.wait_until(lambda: door.value("aisle_closed_connections_total", reason="answer_timeout") == 1)
        door.wait_until(lambda: door.value("aisle_open_connections") == 0)
        assert door.value("aisle_unread_answer_bytes") == 0
        assert door.client.get("/livez").status_code == 200


def test_answers_that_are_not_taken_hold_so_much(opened: Opened) -> None:
    with opened(unread_bytes=100_000) as door, ExitStack() as opened_ones:
        for _ in range(4):
            connection = opened_ones.enter_context(door.connect())
            connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
            connection.stream.settimeout(0.3)
            connection.send_as_far_as_it_goes(big_request() * 400)
        door.wait_until(lambda: door.value("aisle_closed_connections_total", reason="crowded_out") > 0)
        assert door.value("aisle_unread_answer_bytes") <= 100_000
        assert door.client.get("/livez").status_code == 200


def test_a_client_that_takes_its_answers_slowly_gets_them_all(door: Door) -> None:
    with door.connect() as connection:
        connection.stream.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        connection.send(big_request() * 150)
        door.wait_until(lambda: door.value("aisle_unread_answer_bytes") > 0)
        answers = [connection.answer() for _ in range(150)]
    assert {answer.status for answer in answers} == {200}
    assert {len(answer.json()["items"]) for answer in (answers[0], answers[-1])} == {200}


@pytest.mark.parametrize("size", [10, 60_000])
def test_after_an_answer_that_did_not_wait_for_the_body_the_connection_goes_on(door: Door, size: int) -> None:
    with door.connect() as connection:
        for _ in range(3):
            connection.send(post(b"x" * size, f"content-length: {size}", path="/nowhere"))
            assert connection.answer().status == 404
        connection.send(LIVEZ)
        assert connection.answer().status == 200


def test_a_body_that_is_too_large_is_refused_at_once_and_the_answer_can_be_read(door: Door) -> None:
    with door.connect() as connection:
        connection.stream.settimeout(5)
        size = BOUNDS.body_bytes * 3
        connection.send_as_far_as_it_goes(post(b" " * size, f"content-length: {size}"))
        problem(connection.answer(), 413, "body_too_large")


def test_a_body_that_is_not_asked_for_is_not_sent_and_one_that_is_comes(door: Door) -> None:
    with door.connect() as connection:
        connection.send(post(b"", "content-length: 2", "expect: 100-continue"))
        assert connection.answer().status == 100
        connection.send(b"{}")
        assert connection.answer().status == 200
        connection.send(post(b"", "content-length: 2", "expect: 100-continue", path="/nowhere"))
        answer = connection.answer()
        assert (answer.status, answer.headers["connection"]) == (404, "close")
        assert connection.until_closed() == b""


def test_an_upgrade_is_answered_as_if_nobody_had_asked_for_it(door: Door) -> None:
    with door.connect() as connection:
        connection.send(
            LIVEZ.replace(b"\r\n\r\n", b"\r\nconnection: Upgrade\r\nupgrade: h2c\r\n\r\n")
            + post(b"{}", "content-length: 2")
        )
        assert connection.answer().status == 200
        assert connection.answer().status == 200
        connection.send(LIVEZ)
        assert connection.answer().status == 200


def test_whoever_wants_no_more_is_answered_and_left(door: Door) -> None:
    for version, headers in ((b"1.0", b""), (b"1.1", b"connection: close\r\n")):
        with door.connect() as connection:
            connection.send(b"GET /livez HTTP/%s\r\n%s\r\n" % (version, headers))
            answer = connection.answer()
            assert (answer.status, answer.headers["connection"]) == (200, "close")
            assert connection.until_closed() == b""
