"""A shop whose exports are objects, from there to a service that answers from a bundle among objects."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from job_process import job_here
from object_servers import BUCKET, S3Server, s3_server, s3_variables
from serve_process import running_service

from app.artifact.object_store import ObjectAddress, ObjectStore


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[S3Server]:
    with s3_server() as started:
        for name, value in {**s3_variables(started.port), "XDG_CACHE_HOME": str(tmp_path / "caches")}.items():
            monkeypatch.setenv(name, value)
        yield started


@pytest.mark.slow
@pytest.mark.usefixtures("server", "narrow_compression")
def test_a_shop_among_objects_is_trained_on_published_there_and_served_from_there(shop: Path, tmp_path: Path) -> None:
    data, bundles = f"s3://{BUCKET}/data", f"s3://{BUCKET}/shop"
    objects = ObjectStore(ObjectAddress(data))
    for path in shop.rglob("*"):
        if path.is_file():
            objects.put(path.relative_to(shop).as_posix(), path.read_bytes())
    words = ("--out", tmp_path / "run", "--epochs", "1", "--dim", "32", "--device", "cpu")
    code, lines = job_here("run", "--data", data, *words)
    assert code == 0, lines
    code, lines = job_here("publish", "--bundle", tmp_path / "run" / "bundle", "--to", bundles, "--force", "for a test")
    assert code == 0, lines
    with (
        running_service(bundles, None, cache=tmp_path / "cache") as service,  # type: ignore[arg-type]
        httpx.Client(base_url=service.address, timeout=30) as client,
    ):
        version = client.get("/readyz").json()["model_version"]
        user = client.get("/demo/users").json()["users"][0]
        answer = client.post("/recommend", json={"user_id": user, "k": 3}).json()
    assert (answer["model_version"], len(answer["items"]), answer["degraded"]) == (version, 3, [])
    assert (tmp_path / "run" / "bundle" / version).is_dir()
