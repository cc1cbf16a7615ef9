"""Work that nobody waits for stands back while calls are worked out."""

from threading import Thread

import pytest

from app.engine.pause import Pause
from app.serving.right_of_way import RightOfWay

LONG_S = 600.0
WITHIN_S = 30.0


def goes_on(pause: Pause) -> bool:
    """Whether work goes on behind a pause, or is still there after a moment."""
    work = Thread(target=pause, daemon=True)
    work.start()
    work.join(WITHIN_S)
    return not work.is_alive()


def test_work_goes_on_at_once_where_there_are_no_calls() -> None:
    assert goes_on(RightOfWay().pause(LONG_S))


def test_work_goes_on_when_the_last_call_is_answered() -> None:
    right_of_way = RightOfWay()
    pause = right_of_way.pause(LONG_S)
    work = Thread(target=pause, daemon=True)
    with right_of_way:
        with right_of_way:
            work.start()
        work.join(0.05)
        assert work.is_alive()
    work.join(WITHIN_S)
    assert not work.is_alive()
    assert goes_on(pause)


def test_a_call_that_fails_is_none_either() -> None:
    right_of_way = RightOfWay()
    with pytest.raises(ValueError, match="fails"), right_of_way:
        raise ValueError("it fails")
    assert goes_on(right_of_way.pause(LONG_S))


def test_work_goes_on_beside_calls_that_never_end() -> None:
    """What it waits in all its pauses together is bounded, so that any number of them ends."""
    right_of_way = RightOfWay()
    with right_of_way:
        pause = right_of_way.pause(0.01)
        assert all(goes_on(pause) for _ in range(100))
