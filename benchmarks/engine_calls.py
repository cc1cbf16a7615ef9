"""What the engine's calls cost, from parsed calls to answers, alone and sixteen at once: processor time, no HTTP.

Recommendations from a history, searches, searches with a history, `explain` and `diversity`. Queries are words of
titles, all different, so that none is remembered; `again` asks a few of them again and again. With `--beside` another
checkout takes turns with this one, in a process of its own, so that both see the same machine. The ranker orders,
whatever the bundle says of it. The last line of the output is JSON: the median microseconds a call.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import numpy as np
import typer
from kernels_used import warn_without_kernels

HERE = Path(__file__).parents[1]
CALLS = 48
K = 20
EVENTS = 10
BATCH = 16


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle, or store of bundles.")],
    beside: Annotated[Path | None, typer.Option(help="Another checkout to compare with.")] = None,
    rounds: Annotated[int, typer.Option(min=1, help="Turns of each.")] = 9,
    worker: Annotated[bool, typer.Option(hidden=True)] = False,
) -> None:
    """Measure calls of the engine."""
    if worker:
        _work(bundle)
        return
    checkouts = {"before": beside, "after": HERE} if beside is not None else {"after": HERE}
    workers = {name: _start(checkout, bundle) for name, checkout in checkouts.items()}
    costs: dict[str, dict[str, list[float]]] = {name: {} for name in workers}
    for _ in range(rounds):
        for name, process in workers.items():
            for kind, micros in _turn(process).items():
                costs[name].setdefault(kind, []).extend(micros)
    for process in workers.values():
        process.communicate()
    medians = {name: {kind: round(median(of_kind)) for kind, of_kind in kinds.items()} for name, kinds in costs.items()}
    for kind in medians["after"]:
        line = "  ".join(f"{name} {kinds[kind]:6}" for name, kinds in medians.items())
        print(f"{kind:28} {line}")
    print(json.dumps(medians))


def _start(checkout: Path, bundle: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, __file__, "--bundle", str(bundle.resolve()), "--worker"],
        env=os.environ | {"PYTHONPATH": str(checkout.resolve())},
        cwd=checkout,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def _turn(process: "subprocess.Popen[str]") -> dict[str, list[float]]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    micros: dict[str, list[float]] = json.loads(process.stdout.readline())
    return micros


def _work(bundle: Path) -> None:
    """Answer each line of the input with one turn's microseconds a call."""
    from app.serving.release import LoadOptions, load_release  # noqa: PLC0415 - of the checkout that is measured

    warn_without_kernels()
    release = load_release(bundle, LoadOptions(clock="bundle"))
    ranker = release.snapshot.ranker
    if ranker is not None:
        orders = replace(ranker, spec=ranker.spec.model_copy(update={"orders": True}))
        release = replace(release, snapshot=replace(release.snapshot, ranker=orders))
    rng = np.random.default_rng(0)
    for _ in sys.stdin:
        micros: dict[str, list[float]] = {}
        for kind, calls in _kinds(release, rng).items():
            for size in (1, BATCH):
                micros[f"{kind}, {'alone' if size == 1 else f'{size} at once'}"] = _measure(release, calls, size)
        print(json.dumps(micros), flush=True)


def _kinds(release: Any, rng: np.random.Generator) -> dict[str, list[Any]]:
    from app.serving.call import EventHistory, RecommendCall  # noqa: PLC0415

    snapshot = release.snapshot
    now = release.clock()

    def history() -> Any:
        places = (len(snapshot.items.popular_rows) ** rng.random(EVENTS)).astype(np.int64) - 1  # by Zipf's law
        items = [snapshot.items.id_of(int(row)) for row in snapshot.items.popular_rows[places]]
        return EventHistory(items, [1] * EVENTS, sorted(now - rng.exponential(86_400, EVENTS)))

    def query() -> str:
        while True:
            row = int(rng.integers(1, snapshot.items.last_row))
            words = next(iter(snapshot.catalogue.texts_of(row)), "").split()
            count = int(rng.integers(1, 4))
            first = int(rng.integers(0, max(1, len(words) - count + 1)))
            if words:
                return " ".join(words[first : first + count])

    few = [query() for _ in range(4)]
    makers: dict[str, Callable[[], Any]] = {
        "recommend": lambda: RecommendCall(k=K, recent_events=history()),
        "search": lambda: RecommendCall(k=K, query=query()),
        "search, again": lambda: RecommendCall(k=K, query=few[int(rng.integers(len(few)))]),
        "search and user": lambda: RecommendCall(k=K, query=query(), recent_events=history()),
        "explain": lambda: RecommendCall(k=K, recent_events=history(), explain=True),
        "diversity": lambda: RecommendCall(k=K, recent_events=history(), diversity=0.5),
    }
    return {kind: [make() for _ in range(CALLS)] for kind, make in makers.items()}


def _measure(release: Any, calls: list[Any], size: int) -> list[float]:
    """Microseconds of a call, of each batch."""
    from app.serving.run import Depths, Fetched, answer_batch  # noqa: PLC0415
    from app.telemetry.stages import StageTimer  # noqa: PLC0415

    micros = []
    for start in range(0, len(calls), size):
        part = calls[start : start + size]
        fetched = Fetched(part, [None] * len(part), [[]] * len(part))
        begin = time.thread_time()
        answer_batch(release, fetched, Depths(200, 1_000), StageTimer())
        micros.append((time.thread_time() - begin) / len(part) * 1e6)
    return micros


if __name__ == "__main__":
    typer.run(main)
