"""The schedule: wait until a round is due, play it, store its outcome; never play two at once."""

import json
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from offline.errors import FolderInUse, RunFolderError
from offline.scheduling.plan import Outcome, Plan, ScheduleConfig
from offline.scheduling.state import STATE_FILE, OpenRound, State, read_state, write_state
from offline.workspace.lock import exclusive_lock

LOCK_FILE = ".scheduling"
FIRST_RETRY_S: Final = 60.0  # doubled with every further failure, up to the interval
_AFRESH_AFTER: Final = 3  # failures in a row in one folder: something in it may be the cause

Play = Callable[[Plan, Callable[[], None]], Outcome]
"""Plays a round, and calls its second argument when the collecting is done."""


@dataclass(frozen=True)
class Timing:
    """When rounds are played."""

    every_s: float
    cold_every: int | None = None  # rounds, after which one begins afresh
    is_once: bool = False  # one round at once, whether it is due or not


def run_schedule(
    config: ScheduleConfig,
    timing: Timing,
    play: Play,
    *,
    clock: Callable[[], float],
    wait: Callable[[float], bool],
    write: Callable[[str], None],
) -> bool:
    """Play rounds until `wait` says stop, or a single one; return whether none of them failed.

    One round alone is skipped while another schedule is at work in the folder: it plays them.

    Args:
        config: what every round uses.
        timing: when rounds are played.
        play: plays one round.
        clock: returns unix seconds.
        wait: waits for at most so many seconds; returns whether the schedule is to stop.
        write: receives one line of JSON for each round.

    Raises:
        FolderInUse: another schedule is at work in the folder.
        RunFolderError: the folder holds other files than those of a schedule.
    """
    out = config.out
    _refuse_foreign(out)
    out.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        try:
            stack.enter_context(
                exclusive_lock(
                    out / LOCK_FILE, f"{out}: another schedule is at work here; stop it, or name another folder"
                )
            )
        except FolderInUse as error:
            if not timing.is_once:
                raise
            write(json.dumps({"round": None, "status": "skipped", "reason": error.message}))  # it plays its own
            return True
        state = with_due_time(timing, read_state(out))
        is_well = True
        while timing.is_once or not wait(max(0.0, state.due_at - clock())):
            if not timing.is_once and clock() < state.due_at:
                continue  # woken early
            began = clock()
            plan = plan_of(state, timing)
            state = replace(state, open=state.open or OpenRound(plan.number))
            write_state(out, state)

            def collected(state: State = state, number: int = plan.number) -> None:
                write_state(out, replace(state, open=OpenRound(number, is_collected=True)))

            outcome = play(plan, collected)
            ended = clock()
            state = state_after(read_state(out), plan, outcome, timing, began, ended)
            write_state(out, state)
            write(_line(plan, outcome, state, began, ended))
            _remove_rounds(config, state)
            is_well = is_well and outcome.status != "failed"
            if timing.is_once or outcome.status == "stopped":
                break
        return is_well


def plan_of(state: State, timing: Timing) -> Plan:
    """Plan the next round; an open round is resumed."""
    is_cold = state.is_cold_next or (timing.cold_every is not None and state.since_cold >= timing.cold_every)
    return Plan(
        number=state.open.number if state.open else state.next_number,
        is_collected=state.open is not None and state.open.is_collected,
        warm_from=None if is_cold else state.last_number,
        trained_on=state.last_data,
    )


def with_due_time(timing: Timing, state: State) -> State:
    """Return the state with the next round due by the interval of this schedule, which may have changed.

    A round that is retried or resumed is not put off.
    """
    if state.began_at is None:
        return state
    due_at = state.began_at + timing.every_s
    is_waited_for = state.failed_in_row == 0 and state.open is None
    return replace(state, due_at=due_at if is_waited_for else min(state.due_at, due_at))


def state_after(state: State, plan: Plan, outcome: Outcome, timing: Timing, began: float, ended: float) -> State:
    """Return the state after a round.

    The next round is due an interval after this one began, or at once when it took longer. After a failure it is due
    sooner: the wait doubles with each further failure, up to the interval.
    """
    due_at = max(began + timing.every_s, ended)
    match outcome.status:
        case "published":
            began_warm = bool(outcome.details.get("training", {}).get("start", {}).get("warm"))
            return replace(
                state,
                next_number=plan.number + 1,
                due_at=due_at,
                began_at=began,
                published=state.published + 1,
                failed_in_row=0,
                since_cold=state.since_cold + 1 if began_warm else 1,
                is_cold_next=False,
                open=None,
                last_number=plan.number,
                last_version=outcome.version,
                last_data=outcome.data,
            )
        case "skipped":
            return replace(state, due_at=due_at, began_at=began, skipped=state.skipped + 1, failed_in_row=0, open=None)
        case "failed":
            in_row = state.failed_in_row + 1
            again_at = min(due_at, ended + FIRST_RETRY_S * 2 ** min(in_row - 1, 30))
            if outcome.is_afresh and plan.warm_from is None:
                again_at = due_at  # a cold start on the same events would end the same
            failed = replace(state, due_at=again_at, began_at=began, failed=state.failed + 1, failed_in_row=in_row)
            if not outcome.is_afresh and in_row % _AFRESH_AFTER:
                return failed
            return replace(failed, next_number=plan.number + 1, is_cold_next=True, open=None)
        case _:  # stopped: it is resumed as soon as the schedule runs again
            return replace(state, due_at=min(state.due_at, ended))


def _line(plan: Plan, outcome: Outcome, state: State, began: float, ended: float) -> str:
    line: dict[str, Any] = {
        "round": plan.number,
        "status": outcome.status,
        "reason": outcome.reason,
        "version": outcome.version or state.last_version,
        "minutes": round((ended - began) / 60, 2),
        "began_at": _iso(began),
        "next_at": _iso(state.due_at),
        "failed_in_row": state.failed_in_row,
        **outcome.details,
    }
    return json.dumps(line, ensure_ascii=False)


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")


def _refuse_foreign(out: Path) -> None:
    if out.is_file():
        raise RunFolderError(f"{out}: expected a folder for the rounds, got a file: name another folder")
    ours = {LOCK_FILE, STATE_FILE}
    if out.is_dir() and any(out.iterdir()) and not any((out / name).exists() for name in ours):
        raise RunFolderError(
            f"{out}: expected the folder of a schedule or an empty one, got other files: name another; a run's own "
            "folder is none, its rounds have theirs"
        )


def _remove_rounds(config: ScheduleConfig, state: State) -> None:
    """Remove the folders of rounds, except the newest, the last published one and an open one."""
    keep = {state.last_number, state.open.number if state.open else None}
    numbers = sorted(int(path.name) for path in config.out.iterdir() if path.name.isdigit() and path.is_dir())
    for number in numbers[: -config.keep]:
        if number not in keep:
            shutil.rmtree(config.round_folder(number), ignore_errors=True)
