"""A cluster that speaks TLS alone: certificates are verified, by the address or the name that the cluster tells."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from redis_cluster import PRIMARIES, RedisCluster, running_cluster
from redis_process import HOST, find_binary_with_tls

from app.artifact.behaviours import VIEW
from app.artifact.people import user_hash
from app.artifact.redis_keys import Keys
from app.errors import SettingsError, StoreUnavailable
from app.stores.redis_job_cluster import JobCluster
from app.stores.redis_link import RedisAddress, open_sync
from app.stores.redis_store import Retention
from app.stores.redis_stores import open_gate, redis_stores
from app.stores.state import NewEvent, StateRequest
from offline.workspace.redis_client import connected

KEYS = Keys()
PEOPLE = [user_hash(f"u{number}") for number in range(60)]


@contextmanager
def tls_cluster(certificates: Path, name: str, *options: str) -> Iterator[RedisCluster]:
    """Three primaries with a certificate."""
    binary = find_binary_with_tls()
    if binary is None:
        pytest.skip("no redis-server here was built with TLS")
    files = {"cert": f"{name}.crt", "key": f"{name}.key", "ca-cert": "ca.crt"}
    words = [word for kind, file in files.items() for word in (f"--tls-{kind}-file", str(certificates / file))]
    words += ["--tls-cluster", "yes", "--tls-replication", "yes", "--tls-auth-clients", "no", *options]
    with running_cluster(*words, replicas=False, binary=binary) as cluster:
        yield cluster


async def stored_and_read(url: str, ca_file: Path) -> list[bool]:
    """Whether an event of each person is taken, and read again."""
    gate = open_gate(RedisAddress(url, ca_file=str(ca_file), timeout_s=None), KEYS, 5.0, 5.0)
    store, _ = redis_stores(gate, KEYS, Retention())
    await store.start()
    try:
        taken = await store.append([NewEvent(person, person, 1, VIEW, 3.0, b"{}") for person in PEOPLE])
        states = (await store.fetch("v", [StateRequest(person) for person in PEOPLE])).states
        return [is_taken and state is not None for is_taken, state in zip(taken, states, strict=True)]
    finally:
        await store.close()


def test_service_and_job_verify_the_certificates_of_all_nodes(
    certificates: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with tls_cluster(certificates, "redis") as cluster:
        seed = f"rediss+cluster://{HOST}:{cluster.nodes[0].port}"
        assert asyncio.run(stored_and_read(seed, certificates / "ca.crt")) == [True] * len(PEOPLE)
        with connected(RedisAddress(seed, ca_file=str(certificates / "ca.crt"))) as client:
            assert all(client.mget([KEYS.events(person) for person in PEOPLE]))
            assert len(list(client.scan_iter())) > len(PEOPLE)

        # Somebody else signed it, as far as these know.
        other = str(certificates / "other.crt")
        with (
            pytest.raises(StoreUnavailable, match=r"AISLE_REDIS_CA_FILE.*wrong_certificate") as refused,
            connected(RedisAddress(seed, ca_file=other)) as client,
        ):
            client.get("name")
        assert "\n" not in refused.value.message
        with pytest.raises(StoreUnavailable, match="wrong_certificate"):
            asyncio.run(stored_and_read(seed, certificates / "other.crt"))
        assert "wrong_certificate" in [getattr(record, "kind", None) for record in caplog.records]


def test_a_certificate_for_a_name_needs_a_cluster_that_tells_names(certificates: Path) -> None:
    ca = str(certificates / "ca.crt")
    names = ("--cluster-announce-hostname", "localhost", "--cluster-preferred-endpoint-type", "hostname")
    with tls_cluster(certificates, "name", *names) as cluster:
        seed = f"rediss+cluster://localhost:{cluster.nodes[0].port}"
        assert asyncio.run(stored_and_read(seed, certificates / "ca.crt")) == [True] * len(PEOPLE)
        with open_sync(RedisAddress(seed, ca_file=ca)) as client:
            assert isinstance(client, JobCluster)
            assert len(list(client.each_primary(map(KEYS.partition_probe, range(256))))) == PRIMARIES
        with (
            pytest.raises(StoreUnavailable, match="wrong_certificate"),
            connected(RedisAddress(cluster.url, ca_file=ca)) as client,
        ):
            client.get("name")


def test_a_ca_file_without_tls_is_a_contradiction_for_a_cluster_too() -> None:
    with pytest.raises(SettingsError, match="a CA file is for rediss://"):
        open_sync(RedisAddress("redis+cluster://localhost", ca_file="ca.crt"))
