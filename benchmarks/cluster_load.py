"""The service on a Redis Cluster of three primaries beside the same service on one primary, and a cluster that breaks.

Two services serve one bundle throughout. Rounds alternate between them: `/recommend` with a user, and `POST /events` of
single events, at one connection and at 16. The services share the first core that this process may use, the load
generator and all Redis servers the second, as they would on machines of their own. `ratio_*` of the result is the
median over rounds of one figure on the cluster by the same on one primary: of requests a second less is worse, of the
rest more is.

Then a cluster with replicas is asked at fixed times, `--rate` calls a second in the mean of which a quarter are events:
quietly, while slots move, and while a primary is killed. An event is lost that was accepted and is in no stream.

The last line of the output is JSON.
"""

import json
import os
import re
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import numpy as np
import typer
import uvloop
from open_loop import Call, poisson_arrivals, send_openly
from redis_cluster import PRIMARIES, RedisCluster, running_cluster
from redis_process import running_redis
from serve_process import ServeProcess, running_service

from app.artifact import names
from app.artifact.bundle_store import resolve
from app.artifact.columns import TextColumn
from app.artifact.manifest import read_manifest
from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD
from app.artifact.user_state import read_user_states
from offline.publishing.publish import PublishConfig, publish

HERE: Final = Path(__file__).parent
KEYS: Final = Keys()
CONNECTIONS: Final = (1, 16)
STATUS: Final = {"/recommend": 200, "/events": 202}
SHOWN: Final = ("requests_per_s", "p50_ms", "p99_ms", "cpu_us")
DISTINCT: Final = 2_000
QUARTER: Final = 4  # one of so many calls is an event
SLOTS_MOVED: Final = 40
Figures = dict[tuple[str, str, int], list[dict[str, float]]]
"""A result each round, by service, path and connections."""


@dataclass(frozen=True)
class Shop:
    """Whom and what calls name."""

    users: list[str]
    items: list[str]

    def bodies(self, path: str) -> list[str]:
        """Distinct bodies of one call."""
        rng = np.random.default_rng(0)
        users = [self.users[int(place)] for place in rng.integers(len(self.users), size=DISTINCT)]
        items = [self.items[int(place)] for place in rng.integers(len(self.items), size=DISTINCT)]
        if path == "/recommend":
            return [json.dumps({"user_id": user, "k": 20}) for user in users]
        pairs = zip(users, items, strict=True)
        return [json.dumps({"type": "view", "user_id": user, "item_id": item}) for user, item in pairs]


def main(
    bundle: Annotated[Path, typer.Option(help="Bundle to serve, or store of bundles.")],
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement.")] = 2.0,
    rounds: Annotated[int, typer.Option(min=1, help="Measurements of each service, call, number of connections.")] = 5,
    rate: Annotated[float, typer.Option(min=1.0, help="Calls a second on the cluster that breaks.")] = 100.0,
    fault_seconds: Annotated[float, typer.Option(min=0.0, help="Length of each of its three parts; 0: none.")] = 15.0,
) -> None:
    """Measure what a cluster costs, and what its faults cost."""
    folder = resolve(bundle)
    shop = Shop(read_manifest(folder).sample_users, [item for item in TextColumn.read(folder / names.ITEM_IDS) if item])
    with running_redis() as one, running_cluster(replicas=False) as cluster:
        for pid in (one.pid, *(node.pid for node in cluster.nodes)):
            _pin(pid, 1)
        for client in (one.client(), cluster.client()):
            with client:
                publish(bundle, client, KEYS, config=PublishConfig(force="to measure"))
        with running_service(bundle, one.url) as alone, running_service(bundle, cluster.url) as spread:
            figures = _rounds({"one": alone, "cluster": spread}, shop, seconds, rounds)
    faults = _faults(bundle, shop, rate, fault_seconds) if fault_seconds else {}
    print(json.dumps(_report(figures) | {"faults": faults, "command": " ".join(sys.argv), "commit": _commit()}))


def _rounds(services: dict[str, ServeProcess], shop: Shop, seconds: float, rounds: int) -> Figures:
    figures: Figures = {}
    for service in services.values():
        _pin(service.process.pid, 0)
        for path in STATUS:
            _measure(service, path, shop, max(CONNECTIONS), min(1.0, seconds))  # caches fill
    for number in range(rounds):
        for path in STATUS:
            for connections in CONNECTIONS:
                for name, service in services.items():
                    result = _measure(service, path, shop, connections, seconds)
                    figures.setdefault((name, path, connections), []).append(result)
                    shown = ", ".join(f"{key} {result[key]:,.3f}" for key in SHOWN)
                    print(f"round {number + 1}  {name:7}  {path:10}  {connections:2} connections  {shown}", flush=True)
    return figures


def _measure(service: ServeProcess, path: str, shop: Shop, connections: int, seconds: float) -> dict[str, float]:
    address = urlsplit(service.address)
    asked = {
        "host": address.hostname,
        "port": address.port,
        "path": path,
        "bodies": shop.bodies(path),
        "connections": connections,
        "seconds": seconds,
        "status": STATUS[path],
    }
    command = [sys.executable, str(HERE / "http_load.py")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as load:
        _pin(load.pid, 1)
        before = _cpu_s(service.process.pid)
        output, _ = load.communicate(json.dumps(asked))
    if load.returncode:
        raise typer.Exit(load.returncode)
    result = json.loads(output)
    cpu_us = (_cpu_s(service.process.pid) - before) / result["requests"] * 1e6
    return {name: float(value) for name, value in (result | {"cpu_us": cpu_us}).items() if name in SHOWN}


def _report(figures: Figures) -> dict[str, Any]:
    ratios = {}
    for path in STATUS:
        for connections in CONNECTIONS:
            pairs = list(zip(figures["cluster", path, connections], figures["one", path, connections], strict=True))
            for name in SHOWN:
                key = f"ratio_{path[1:]}_{connections}_{name}"
                ratios[key] = round(median(ours[name] / theirs[name] for ours, theirs in pairs), 3)
    medians = {
        f"{service} {path} {connections}": {name: round(median(r[name] for r in results), 3) for name in SHOWN}
        for (service, path, connections), results in figures.items()
    }
    return ratios | {"figures": medians}


def _faults(bundle: Path, shop: Shop, rate: float, seconds: float) -> dict[str, Any]:
    """Three parts on one cluster: nothing happens, slots move, a primary is killed."""
    told = {}
    with running_cluster() as cluster:
        with cluster.client() as client:
            publish(bundle, client, KEYS, config=PublishConfig(force="to measure"))
        with running_service(bundle, cluster.url) as service:
            faults: dict[str, Callable[[], int]] = {
                "quiet": lambda: 0,
                "slots move": lambda: _move_slots(cluster, bundle),
                "a primary is killed": lambda: _kill(cluster),
            }
            for name, fault in faults.items():
                told[name] = _under_load(service, cluster, shop, rate, seconds, name, fault)
                print(f"{name}: {told[name]}", flush=True)
    return told


def _under_load(
    service: ServeProcess,
    cluster: RedisCluster,
    shop: Shop,
    rate: float,
    seconds: float,
    part: str,
    fault: Callable[[], int],
) -> dict[str, Any]:
    rng = np.random.default_rng(1)
    arrivals = poisson_arrivals(rate, seconds, rng)
    calls = []
    for number in range(len(arrivals)):
        user = shop.users[int(rng.integers(len(shop.users)))]
        item = shop.items[int(rng.integers(len(shop.items)))]
        if number % QUARTER:
            calls.append(_call(service, "read", "/recommend", {"user_id": user, "k": 20}))
        else:
            told = f"{part} {number}"
            event = {"type": "view", "user_id": user, "item_id": item, "event_id": told}
            calls.append(_call(service, told, "/events", event))
    degraded = _degraded(service)
    moved: list[int] = []
    thread = threading.Thread(target=lambda: (time.sleep(seconds / 5), moved.append(fault())))
    thread.start()
    outcome = uvloop.run(send_openly(service.address, calls, arrivals, patience_s=10.0))
    thread.join()
    reads = [latency for kind, latency in zip(outcome.kinds, outcome.latencies, strict=True) if kind == "read"]
    writes = [latency for kind, latency in zip(outcome.kinds, outcome.latencies, strict=True) if kind != "read"]
    answered = list(zip(outcome.kinds, outcome.is_failed, strict=True))
    accepted = [kind for kind, is_failed in answered if kind != "read" and not is_failed]
    stored = _stored(cluster)
    return {
        "reads": len(reads),
        "reads_failed": sum(is_failed for kind, is_failed in answered if kind == "read") + outcome.unanswered,
        "reads_degraded": _degraded(service) - degraded,
        "events": len(writes),
        "events_refused": len(writes) - len(accepted),
        "events_lost": sum(stored[told] == 0 for told in accepted),
        "events_twice": sum(stored[told] > 1 for told in accepted),
        "moved_or_s": moved[0],
        "sent_late_ms": round(outcome.late_s * 1e3, 1),
        "first_failure": outcome.first_failure[:160],
        **_percentiles("read", reads),
        **_percentiles("event", writes),
    }


def _move_slots(cluster: RedisCluster, bundle: Path) -> int:
    """Move slots that hold states of users from the first primary to the second, and count their keys."""
    people = read_user_states(resolve(bundle)).hashes.tolist()
    slots = dict.fromkeys(cluster.slot_of(KEYS.event_stream(partition_of(person))) for person in people)
    target = cluster.nodes[1]
    own = [slot for slot in slots if slot <= 16_384 // PRIMARIES]
    return sum(cluster.move_slot(slot, target) for slot in own[:SLOTS_MOVED])


def _kill(cluster: RedisCluster) -> int:
    """Kill the last primary, which its replica replaces, and return after how many seconds, rounded up."""
    gone = cluster.nodes[PRIMARIES - 1]
    gone.kill()
    began = time.monotonic()
    cluster.wait_until(lambda: sum(cluster.is_primary(node) for node in cluster.running) == PRIMARIES)
    return round(time.monotonic() - began + 0.5)


def _stored(cluster: RedisCluster) -> Counter[str]:
    with cluster.client() as client, client.pipeline(transaction=False) as pipe:
        for partition in range(PARTITIONS):
            pipe.xrange(KEYS.event_stream(partition))
        entries = [entry for stream in pipe.execute() for entry in stream]
    return Counter(json.loads(fields[FIELD])["event_id"] for _, fields in entries)


def _call(service: ServeProcess, kind: str, path: str, fields: dict[str, Any]) -> Call:
    body = json.dumps(fields)
    head = f"POST {path} HTTP/1.1\r\nhost: {urlsplit(service.address).netloc}\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}"
    return Call(kind, f"{head}\r\n\r\n{body}".encode(), STATUS[path])


def _degraded(service: ServeProcess) -> int:
    with urllib.request.urlopen(f"{service.address}/metrics", timeout=5) as response:
        text = response.read().decode()
    reply = re.search(r'^aisle_degraded_answers_total\{missing="user_state"\} (\S+)', text, re.MULTILINE)
    return int(float(reply[1])) if reply else 0


def _percentiles(name: str, latencies: list[float]) -> dict[str, float]:
    if not latencies:
        return {}
    return {f"{name}_p{q}_ms": round(float(np.percentile(latencies, q)) * 1e3, 2) for q in (50, 99, 100)}


def _pin(pid: int, place: int) -> None:
    """Let a process use one core alone, where this process may use two."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) > 1:
        os.sched_setaffinity(pid, {cores[place]})


def _cpu_s(pid: int) -> float:
    words = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    return subprocess.run(words, cwd=HERE, check=False, capture_output=True, text=True).stdout.strip()


if __name__ == "__main__":
    typer.run(main)
