"""Estimates of stages: near what was measured, at every size, and never falling where there is more to do."""

import pytest

from offline.estimates import LEAST_S, STAGES_S, Sizes

SMALL = Sizes(events=100_000, items=10_004, users=2_000)
LARGE = Sizes(events=996_089, items=1_000_004, users=19_999)


@pytest.mark.parametrize(
    ("size", "stage", "measured_s"),
    [
        (SMALL, "ingest", 0.55),
        (SMALL, "graph", 1.0),
        (SMALL, "train", 27.0),
        (SMALL, "compress", 13.0),
        (SMALL, "rank", 12.0),
        (SMALL, "refit", 7.0),
        (SMALL, "export", 5.2),
        (LARGE, "graph", 110.0),
        (LARGE, "train", 640.0),
        (LARGE, "export", 600.0),
    ],
)
def test_a_stage_takes_a_third_to_three_times_of_what_is_said(size: Sizes, stage: str, measured_s: float) -> None:
    assert measured_s / 3 <= STAGES_S[stage](size) <= 3 * measured_s


@pytest.mark.parametrize("stage", STAGES_S)
def test_more_items_never_take_less(stage: str) -> None:
    seconds = [STAGES_S[stage](Sizes(1_000_000, items, 20_000)) for items in (1_000, 30_000, 60_000, 10**6, 10**7)]
    assert seconds == sorted(seconds)


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("stage", LEAST_S)
def test_the_least_is_less_than_the_whole(size: Sizes, stage: str) -> None:
    assert LEAST_S[stage](size) < STAGES_S[stage](size)
