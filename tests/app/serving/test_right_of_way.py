"""Work that nobody waits for stands back while calls are worked out."""

from threading import Thread

from app.serving.right_of_way import RightOfWay

LONG_S = 600.0
WITHIN_S = 30.0


def test_work_goes_on_at_once_where_there_are_no_calls() -> None:
    RightOfWay().pause(LONG_S)()


def test_work_goes_on_when_the_last_call_is_answered() -> None:
    right_of_way = RightOfWay()
    pause = right_of_way.pause(LONG_S)
    work = Thread(target=pause)
    with right_of_way:
        with right_of_way:
            work.start()
        work.join(0.05)
        assert work.is_alive()
    work.join(WITHIN_S)
    assert not work.is_alive()
    pause()


def test_a_call_that_fails_is_none_either() -> None:
    right_of_way = RightOfWay()
    try:
        with right_of_way:
            raise ValueError
    except ValueError:
        right_of_way.pause(LONG_S)()


def test_work_goes_on_beside_calls_that_never_end() -> None:
    right_of_way = RightOfWay()
    with right_of_way:
        pause = right_of_way.pause(0.01)
        for _ in range(1_000):
            pause()
