"""Robots are found, named, and left out where the data set says so."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from offline.dataset.spec import load_spec
from offline.errors import DatasetError
from offline.ingest.heavy_users import heavy_users
from offline.ingest.ingest import ingest
from offline.onboarding.check import check


def log(robot: int, users: int = 200, events: int = 8) -> pl.DataFrame:
    """A robot's events, and those of some users."""
    rows = [(f"u{user}", f"p{(user + place) % 30}", place) for user in range(users) for place in range(events)]
    rows += [("robot", f"p{place % 30}", 1_000 + place) for place in range(robot)]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "timestamp"], orient="row")


def called(name: str, events: pl.DataFrame) -> pl.DataFrame:
    return events.with_columns(user_id=pl.lit(name))


def made_set(folder: Path, events: pl.DataFrame, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    events.write_parquet(folder / "events.parquet")
    (folder / "dataset.toml").write_text(f'name = "shop"\n[events]\npath = "events.parquet"\n{more}')
    return folder


@pytest.mark.parametrize(
    ("events", "found"),
    [
        (log(900), {"robot": 900}),
        (log(30), {}),  # a good customer
        (log(90, users=5), {}),  # a small log, where everybody is heavy
        (log(150, users=48, events=22), {}),  # few customers, all of whom have 2 % of the log
        (log(6_000, users=11), {"robot": 6_000}),  # beside few customers
        (pl.concat([log(900, users=11), called("other", log(950, 0))]), {"other": 950, "robot": 900}),
        (pl.concat([log(0, users=12, events=100), called("once", log(40, 0))]), {}),  # more than a few of all users
    ],
)
def test_a_user_is_heavy_by_share_and_beside_the_others(events: pl.DataFrame, found: dict[str, int]) -> None:
    assert heavy_users(events.lazy()) == found


@given(st.lists(st.integers(1, 400), min_size=1, max_size=60))
def test_heavy_users_are_those_of_a_loop_over_all(sizes: list[int]) -> None:
    events = pl.DataFrame({"user_id": [f"u{user:02d}" for user, size in enumerate(sizes) for _ in range(size)]})
    ranked = sorted(((size, f"u{user:02d}") for user, size in enumerate(sizes)), key=lambda one: (-one[0], one[1]))
    number = 0
    for place, (size, _) in enumerate(ranked):
        lighter = [other for other, _ in ranked[place + 1 :]]
        mean = sum(lighter) / len(lighter) if lighter else None
        if mean is not None and size > 20 * mean and size > 0.02 * sum(sizes) and place < max(1, 0.2 * len(sizes)):
            number = place + 1
    expected = {user: size for size, user in ranked[: min(number, 20)]} if sum(sizes) >= 1_000 else {}
    assert heavy_users(events.lazy()) == expected


def test_users_to_skip_leave_no_event(tmp_path: Path) -> None:
    spec = load_spec(made_set(tmp_path, log(900), 'skip_users = ["robot", "u3"]\n'))
    summary = ingest(spec, tmp_path / "ingest")
    counts = summary["events"]
    assert isinstance(counts, dict)
    assert (counts["read"], counts["kept"], counts["skipped"]) == (2_500, 199 * 8, 908)
    assert counts["heavy_users"] == {}
    users = pl.read_parquet(tmp_path / "ingest" / "events.parquet")["user_id"].unique()
    assert not set(users) & {"robot", "u3"}
    assert len(users) == 199


def test_a_user_to_skip_is_a_text(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="skip_users"):
        load_spec(made_set(tmp_path, log(10), "skip_users = [7]\n"))


def robots(folder: Path) -> list[tuple[str, str]]:
    findings = check(folder, 1_900_000_000.0).findings
    return [(finding.found, finding.advice) for finding in findings if "makes up the log" in finding.expected]


def test_check_says_the_line_that_leaves_robots_out(tmp_path: Path) -> None:
    folder = made_set(tmp_path, log(900), 'skip_users = ["u3"]\n')
    ((found, advice),) = robots(folder)
    assert found.endswith("900 by user 'robot'")
    line = advice.removeprefix("leave robots out: write ").removesuffix(" in place of that line")
    assert line == 'skip_users = ["u3", "robot"]'
    toml = folder if folder.is_file() else folder / "dataset.toml"
    toml.write_text(toml.read_text().replace('skip_users = ["u3"]', line))
    assert robots(folder) == []
    assert robots(made_set(tmp_path / "few", log(10))) == []
