"""Events as the service stores them."""

import numpy as np
import redis

from app.artifact.hashing import stable_hash
from app.artifact.redis_keys import Keys
from app.artifact.stream_records import EventRecord
from app.artifact.user_records import pack_events
from app.stores.scripts import script


def append(client: redis.Redis, keys: Keys, user_hash: int, item_hash: int, behaviour: int, at: float) -> bytes:
    """What the service does with an event."""
    name = f"{item_hash}-{at}"
    record = pack_events(np.array([item_hash], np.uint64), np.array([behaviour], np.uint8), np.array([at])).tobytes()
    entry = EventRecord(event_id=name, type="purchase", item_id="live", time=at, user_id="somebody")
    client.eval(
        script("append").decode(),
        5,
        keys.events(user_hash),
        keys.seen(user_hash),
        keys.purchased(user_hash),
        keys.event_ids(user_hash),
        keys.event_stream,
        *(100, 0, 1_000, 1_000),
        stable_hash(name).to_bytes(8, "little"),
        record,
        entry.model_dump_json(),
    )
    return record
