"""A small shop, and the run of the job on it, that tests of both sides share."""

from dataclasses import dataclass
from pathlib import Path

import pytest


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

    def stage(self, name: str) -> None: ...

    def skipped(self, name: str) -> None: ...

    def work(self, done: int, total: int, what: str) -> None: ...

    def training(self, progress: object) -> None: ...


@pytest.fixture(scope="session")
def quiet() -> Quiet:
    """Shows nothing of a run."""
    return Quiet()


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A made-up shop of 200 shoppers and 400 items."""
    from offline.synthetic.synthesize import synthesize

    out = tmp_path_factory.mktemp("shop") / "shop"
    synthesize(200, 400, 7, out)
    return out


@pytest.fixture(scope="session")
def shop_run(shop: Path, quiet: Quiet, tmp_path_factory: pytest.TempPathFactory) -> ShopRun:
    """The whole job on that shop, two epochs long."""
    from offline.job import STAGES, Options, run_stage
    from offline.run_folder import RunFolder

    folder = RunFolder(tmp_path_factory.mktemp("runs") / "shop")
    options = Options(seed=1, device="cpu", overrides={"epochs": 2, "dim": 32})
    for stage in STAGES[:-1]:
        run_stage(stage, shop, folder, options, quiet)
    return ShopRun(shop, folder.path)


@pytest.fixture(scope="session")
def shop_bundle(shop_run: ShopRun) -> Path:
    """The store with that shop's bundle."""
    return shop_run.bundle
