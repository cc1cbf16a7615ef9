"""How near `/recommend` comes to a typed FastAPI endpoint that does nothing, measured beside it in the same run.

Both servers live throughout, as one worker each with uvloop and httptools; rounds alternate between them, so that a
machine that slows down slows both. The servers share the first core that this process may use, of which only the one
under load needs any; the load generator has the second (with a single core, nothing is pinned and both shares shrink).
Requests are a mix of known users, pages, histories kept by the caller and excluded items, `k` 20.

With `--processes` the service with Redis runs once more, as so many processes on all cores, among them that of the load
and of Redis; `several_over_one` is the median of its requests a second by those of the one process on one core, which
has that core to itself. Where there are as many cores as processes, the load and Redis take of them what the second
process would have; so the one process is measured on one core that it, too, shares with both: `several_over_one_shared`
is what more cores bring where everything is the same on few of them and on many.

With `--redis` a third server runs beside them: the same service with a real Redis in its path, seeded by
`aisle-offline publish`. Redis runs on the core of the load generator, as it would on a machine of its own.

The last line of the output is JSON. `ratio_10k` is the median over rounds of requests a second at 16 connections,
ours by theirs: its name is that of the agreed figure, and `items` says what catalogue it was measured on.
`cpu_us_a_request` is what the process used, by the kernel's count, divided by requests; of it, the stages that work
without a pause: of a batch (`aisle_stage_seconds`) always, of a request (`Server-Timing`) at one connection, where
nothing else runs meanwhile. `rest` has no stage: HTTP, the loop, metrics, speaking to Redis.
"""

import json
import os
import platform
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any

import typer
from kernels_used import warn_without_kernels
from redis_process import running_redis
from sample_bodies import sample_bodies

from app.artifact.bundle_store import resolve
from app.artifact.manifest import Manifest, read_manifest

HERE = Path(__file__).parent
HOST = "127.0.0.1"
CONNECTIONS = (1, 16)
READY_WITHIN_S = 60
DISTINCT_REQUESTS = 2_000
SHOWN = ("requests_per_s", "p50_ms", "p99_ms", "cpu_us")
BATCH_STAGES = ("state", "assemble", "engine", "answer")  # once a batch
REQUEST_STAGES = ("parse", "encode")  # once a request
SEVERAL = "several"  # processes
SHARED = "shared"  # one process on one core with all that it needs
Figures = dict[str, dict[int, list[dict[str, Any]]]]  # server -> connections -> a result each round


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    port: int
    process: subprocess.Popen[Any]

    def cpu_s(self) -> float:
        """Seconds of a core that the process and those that it started have used; 0 where the kernel does not tell."""
        pid = self.process.pid
        try:
            started = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
            lines = [Path(f"/proc/{number}/stat").read_text("ascii") for number in (pid, *started)]
        except OSError:
            return 0.0
        words = [line.rpartition(")")[2].split() for line in lines]
        return sum(int(of_one[11]) + int(of_one[12]) for of_one in words) / os.sysconf("SC_CLK_TCK")

    def batch_stage_s(self) -> dict[str, float]:
        """Seconds that went to each stage of a batch since the start; nothing for a server that does not tell."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/metrics", timeout=5) as response:
                lines = response.read().decode().splitlines()
        except urllib.error.HTTPError:
            return {}
        sums = dict(line.rsplit(" ", 1) for line in lines if line.startswith("aisle_stage_seconds_sum"))
        return {stage: float(sums.get(f'aisle_stage_seconds_sum{{stage="{stage}"}}', 0)) for stage in BATCH_STAGES}


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 3.0,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each server at each number of connections.")] = 5,
    redis: Annotated[bool, typer.Option(help="Measure the service with a real Redis in its path, too.")] = True,
    processes: Annotated[
        int, typer.Option(min=1, help="Measure as many processes of it on all cores, too, beside the one on one core.")
    ] = 1,
) -> None:
    """Measure `/recommend` of a real `aisle-serve` against an endpoint that does nothing."""
    warn_without_kernels()
    folder = resolve(bundle)
    manifest = read_manifest(folder)
    bodies = [json.dumps(body) for body in sample_bodies(folder, manifest, DISTINCT_REQUESTS, 20, seed=0)]
    server_core, load_core = _cores()
    with ExitStack() as servers:
        running = {
            "aisle": servers.enter_context(_server(server_core, _serve_command(bundle))),
            "empty": servers.enter_context(_server(server_core, [sys.executable, str(HERE / "empty_endpoint.py")])),
        }
        if redis:
            store = servers.enter_context(running_redis())
            _pin(store.pid, load_core)
            _publish(bundle, store.url)
            command = _serve_command(bundle, "--redis", store.url)
            running["redis"] = servers.enter_context(_server(server_core, command))
            if processes > 1:
                together = [*command[:-1], "--processes", str(processes), command[-1]]
                running[SEVERAL] = servers.enter_context(_server(None, together))
        for server in running.values():
            _measure(server, bodies, max(CONNECTIONS), 1.0, load_core)  # caches fill, code paths specialise
        figures: Figures = {}
        for number in range(rounds):
            for connections in CONNECTIONS:
                for name, server in running.items():
                    result = _measure(server, bodies, connections, seconds, load_core)
                    _keep(figures, name, connections, result, number)
                if SEVERAL in running and server_core is not None and connections == max(CONNECTIONS):
                    _pin(store.pid, server_core)
                    result = _measure(running["redis"], bodies, connections, seconds, server_core)
                    _pin(store.pid, load_core)
                    _keep(figures, SHARED, connections, result, number)
    print(json.dumps(_report(figures, manifest, server_core is not None)))


def _keep(figures: Figures, name: str, connections: int, result: dict[str, Any], number: int) -> None:
    figures.setdefault(name, {}).setdefault(connections, []).append(result)
    shown = ", ".join(f"{key} {result[key]:,.3f}" for key in SHOWN)
    print(f"round {number + 1}  {name:5}  {connections:2} connections  {shown}", flush=True)


def _cores() -> tuple[int | None, int | None]:
    """A core for the servers and one for the load, where this process may use two."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def _serve_command(bundle: Path, *options: str) -> list[str]:
    command = "from app.main import cli; cli()"  # the console script, of this very interpreter
    return [sys.executable, "-c", command, "--bundle", str(bundle), *options, "--log-level", "warning", "--port"]


def _publish(bundle: Path, url: str) -> None:
    command = "from offline.cli import cli; cli()"
    words = [sys.executable, "-c", command, "publish", "--bundle", str(bundle), "--redis", url, "--force", "to measure"]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _pin(pid: int, core: int | None) -> None:
    if core is not None:
        os.sched_setaffinity(pid, {core})


@contextmanager
def _server(core: int | None, command: list[str]) -> Iterator[Running]:
    """A server that answers; `command` lacks only the number of its port."""
    with socket.socket() as free:
        free.bind((HOST, 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([*command, str(port)], stdout=subprocess.DEVNULL)
    _pin(process.pid, core)
    try:
        _wait_until_ready(process, port)
        yield Running(port, process)
    finally:
        process.terminate()
        process.wait()


def _wait_until_ready(process: subprocess.Popen[Any], port: int) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{port}/readyz", timeout=5):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                raise typer.BadParameter("the server did not come up; its own words stand above") from error
            time.sleep(0.05)


def _measure(server: Running, bodies: list[str], connections: int, seconds: float, core: int | None) -> dict[str, Any]:
    asked = {
        "host": HOST,
        "port": server.port,
        "path": "/recommend",
        "bodies": bodies,
        "connections": connections,
        "seconds": seconds,
    }
    load = subprocess.Popen(
        [sys.executable, str(HERE / "http_load.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    _pin(load.pid, core)
    cpu_before, stages_before = server.cpu_s(), server.batch_stage_s()
    output, _ = load.communicate(json.dumps(asked), timeout=seconds + READY_WITHIN_S)
    if load.returncode:
        raise typer.Exit(load.returncode)
    result: dict[str, Any] = json.loads(output)
    requests = result["requests"]
    stages = {
        stage: (spent - stages_before.get(stage, 0)) / requests * 1e6 for stage, spent in server.batch_stage_s().items()
    }
    stages |= {stage: result["stages_us"][stage] for stage in REQUEST_STAGES if stage in result["stages_us"]}
    return result | {"cpu_us": (server.cpu_s() - cpu_before) / requests * 1e6, "cpu_stages_us": stages}


def _report(figures: Figures, manifest: Manifest, pinned: bool) -> dict[str, Any]:
    ratios = {
        connections: [
            ours["requests_per_s"] / theirs["requests_per_s"]
            for ours, theirs in zip(figures["aisle"][connections], figures["empty"][connections], strict=True)
        ]
        for connections in CONNECTIONS
    }
    busiest = max(CONNECTIONS)
    with_redis = {}
    if "redis" in figures:
        theirs = figures["empty"][busiest]
        shares = [
            ours["requests_per_s"] / empty["requests_per_s"]
            for ours, empty in zip(figures["redis"][busiest], theirs, strict=True)
        ]
        with_redis = {"ratio_10k_redis": round(median(shares), 4)}
    for name, one_core in (("several_over_one", "redis"), ("several_over_one_shared", SHARED)):
        if SEVERAL in figures and one_core in figures:
            gains = [
                ours["requests_per_s"] / one["requests_per_s"]
                for ours, one in zip(figures[SEVERAL][busiest], figures[one_core][busiest], strict=True)
            ]
            with_redis[name] = round(median(gains), 3)
    return {
        "ratio_10k": round(median(ratios[busiest]), 4),
        "ratio_10k_lowest": round(min(ratios[busiest]), 4),
        "ratio_10k_highest": round(max(ratios[busiest]), 4),
        **with_redis,
        "ratio_1_connection": round(median(ratios[min(CONNECTIONS)]), 4),
        "items": manifest.shapes.items,
        "dim": manifest.shapes.dim,
        "window": manifest.shapes.window,
        "figures": {
            server: {
                f"{connections}_connections": {
                    name: round(median(result[name] for result in results), 3) for name in SHOWN
                }
                for connections, results in of_server.items()
            }
            for server, of_server in figures.items()
        },
        "cpu_us_a_request": {
            server: _cpu_by_stage(of_server, has_redis=server == "redis")
            for server, of_server in figures.items()
            if server not in ("empty", SEVERAL, SHARED)
        },
        "machine": {
            "processor": _processor(),
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "pinned": pinned,
            "python": platform.python_version(),
        },
        "command": " ".join(sys.argv),
        "commit": _commit(),
    }


def _cpu_by_stage(of_server: dict[int, list[dict[str, Any]]], has_redis: bool) -> dict[str, dict[str, float]]:
    """Medians over rounds."""
    found = {}
    for connections, results in of_server.items():
        counted = [*BATCH_STAGES, *(REQUEST_STAGES if connections == 1 else ())]
        if has_redis:
            counted.remove("state")  # it waits
        stages = {stage: median(result["cpu_stages_us"][stage] for result in results) for stage in counted}
        total = median(result["cpu_us"] for result in results)
        shares = {"total": total, **stages, "rest": total - sum(stages.values())}
        found[f"{connections}_connections"] = {stage: round(spent, 1) for stage, spent in shares.items()}
    return found


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def _commit() -> str | None:
    """What is checked out, with a mark where files differ from it; `None` outside a repository."""
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=HERE,
            check=True,
            capture_output=True,
            text=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


if __name__ == "__main__":
    typer.run(main)
