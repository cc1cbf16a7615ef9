"""A primary of a cluster is killed while its events are collected: each is collected once."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from collected import event, rows_in
from live_events import waiting
from redis_cluster import PRIMARIES, RedisCluster

from app.artifact.people import partition_of, user_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import FIELD
from offline.collecting.collect import CollectConfig, collect

KEYS = Keys()


def test_each_event_is_collected_once_while_a_primary_is_lost(
    start_cluster: Callable[..., AbstractContextManager[RedisCluster]], tmp_path: Path
) -> None:
    names = [f"e{number:04}" for number in range(1_200)]
    with start_cluster() as cluster, cluster.client() as client:
        with client.pipeline(transaction=False) as pipe:
            for number, name in enumerate(names):
                person = f"u{number % 331}"
                stream = KEYS.event_stream(partition_of(user_hash(person)))
                pipe.xadd(stream, {FIELD: event(name, person).model_dump_json()})
            pipe.wait(1, 5_000)
            pipe.execute()
        turns = 0

        def fail(done: int, total: int, what: str) -> None:
            nonlocal turns
            turns += 1
            if turns == 4:
                cluster.nodes[0].kill()

        result = collect(client, KEYS, tmp_path, config=CollectConfig(part_entries=100), progress=fail)
        assert turns > 4
        assert (result.events, result.duplicates, result.left) == (len(names), 0, 0)
        cluster.wait_until(lambda: sum(cluster.is_primary(node) for node in cluster.running) == PRIMARIES)
        assert waiting(client, KEYS) == 0
        assert collect(client, KEYS, tmp_path).events == 0
    assert sorted(rows_in(tmp_path / "events").get_column("event_id").to_list()) == names
