"""Events as the service stores them."""

import numpy as np
import redis

from app.artifact.hashing import stable_hash
from app.artifact.people import PARTITIONS, partition_of
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import EventRecord
from app.artifact.user_records import pack_events
from app.stores.scripts import script


def one_stream(keys: Keys) -> bytes:
    """The event stream of one of the partitions."""
    return keys.event_stream(7)


def event_streams(keys: Keys) -> list[bytes]:
    """The streams of all partitions."""
    return [keys.event_stream(partition) for partition in range(PARTITIONS)]


def waiting(client: redis.Redis, keys: Keys) -> int:
    """How many entries wait in the event streams."""
    return sum(int(client.xlen(stream)) for stream in event_streams(keys))  # type: ignore[arg-type]


def entries_of(client: redis.Redis, keys: Keys) -> list[dict[bytes, bytes]]:
    """The entries of all event streams, by their ids."""
    found = [entry for stream in event_streams(keys) for entry in client.xrange(stream)]  # type: ignore[union-attr]
    return [fields for _, fields in sorted(found, key=lambda entry: tuple(map(int, entry[0].split(b"-"))))]


def append(client: redis.Redis, keys: Keys, person: int, item_hash: int, behaviour: int, at: float) -> bytes:
    """What the service does with an event."""
    name = f"{item_hash}-{at}"
    record = pack_events(np.array([item_hash], np.uint64), np.array([behaviour], np.uint8), np.array([at])).tobytes()
    entry = EventRecord(event_id=name, type="purchase", item_id="live", time=at, user_id="somebody")
    client.eval(
        script("append").decode(),
        6,
        keys.events(person),
        keys.seen(person),
        keys.purchased(person),
        keys.event_ids(person),
        keys.event_stream(partition_of(person)),
        keys.erased(partition_of(person)),
        *(100, 0, 1_000, 1_000, 10_000),
        person.to_bytes(8, "little"),
        stable_hash(name).to_bytes(8, "little"),
        record,
        entry.model_dump_json(),
        "1",
        repr(at),
    )
    return record
