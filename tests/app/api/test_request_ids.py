"""Request ids: the caller's where it is sane, else a ULID."""

import time

import pytest

from app.api.middleware import new_ulid, request_id_of

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.mark.parametrize("given", [b"a", b"order-7/a.b_c:d=+", b"x" * 128])
def test_a_sane_id_is_kept(given: bytes) -> None:
    assert request_id_of(given) == given.decode()


@pytest.mark.parametrize("given", [None, b"", b"x" * 129, b"a b", b'"', b"\xff", b"a\r\nset-cookie: b", b"a\n"])
def test_any_other_is_replaced(given: bytes | None) -> None:
    assert len(request_id_of(given)) == 26


def test_an_id_carries_its_time_and_does_not_repeat() -> None:
    before = time.time_ns() // 1_000_000
    made = [new_ulid() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(made)) == 1000
    for ulid in made:
        milliseconds = 0
        for letter in ulid[:10]:
            milliseconds = 32 * milliseconds + CROCKFORD.index(letter)
        assert before <= milliseconds <= after
        assert set(ulid) <= set(CROCKFORD)
