"""What was written, at the replicas of the store too: a primary that is lost takes nothing along that they have."""

from typing import Any, Final

import redis

from app.artifact.people import PARTITIONS
from app.artifact.redis_keys import Keys
from app.stores.redis_job_cluster import JobCluster

LATE: Final = (
    "warning: a replica of Redis has not confirmed within a second what was written: publish again if its primary is "
    "lost in this moment"
)
_WITHIN_MS: Final = 1_000


def await_copies(client: redis.Redis, keys: Keys) -> bool:
    """Wait, a second for each primary at most, until one replica of it has all that was written before this call.

    Returns:
        False where a primary has replicas of which none confirmed in time, or cannot be asked.
    """
    try:
        if isinstance(client, JobCluster):
            probes = [keys.partition_probe(partition) for partition in range(PARTITIONS)]
            copied = [_is_copied(node, probe) for node, probe in client.each_primary(probes)]
            return all(copied)
        return _is_copied(client, keys.partition_probe(0))
    except redis.RedisError:  # of use to whoever loses the primary, and no reason to stop
        return False


def _is_copied(client: redis.Redis, probe: bytes) -> bool:
    info: Any = client.info("replication")
    if not int(info.get("connected_slaves", 0)):
        return True
    with client.pipeline(transaction=False) as pipe:
        pipe.set(probe, b"", ex=60)  # what WAIT waits for is the last write of its own connection, and all before
        pipe.wait(1, _WITHIN_MS)
        _, confirmed = pipe.execute()
    return bool(confirmed)
