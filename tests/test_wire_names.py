"""The names and layouts that others read: dashboards, stores that are filled already, bundles on disk, programs.

They stand here as literals, apart from the code that makes them. A change here breaks what others read: raise
`SCHEMA_VERSION` or a part's number (of bundles), or the version of the record, and say so in CHANGELOG.md.
"""

import re
from pathlib import Path

import numpy as np
import polars as pl
from prometheus_client.parser import text_string_to_metric_families

from app import errors
from app.artifact import names
from app.artifact.catalogue_records import (
    ACTIVITY_FIELD,
    CatalogueHead,
    CatalogueRecord,
    unpack_head,
    unpack_record,
)
from app.artifact.hashing import stable_hash
from app.artifact.parts import PARTS
from app.artifact.redis_keys import Keys
from app.artifact.replica_record import ReplicaRecord
from app.artifact.stream_records import FIELD, EraseRecord, EventRecord, ImpressionRecord, MergeRecord
from app.artifact.user_records import EVENT, long_vector_bytes, pack_events
from app.settings import Settings
from app.telemetry.metrics import Metrics
from app.telemetry.online import OnlineMetrics
from offline.dataset.catalogue_mark import CatalogueMark, read_catalogue_mark
from offline.dataset.live_items import LiveItem, read_live_items, table_of

# Name -> type and labels, of what `GET /metrics` shows beside `process_*`.
METRICS = {
    "aisle_background_failures": ("counter", {"task"}),
    "aisle_batch_size": ("histogram", set()),
    "aisle_bundle": ("gauge", {"version", "dataset", "device"}),
    "aisle_bundle_created_timestamp_seconds": ("gauge", {"version"}),
    "aisle_bundle_loads": ("counter", {"outcome"}),
    "aisle_bundle_newest_event_timestamp_seconds": ("gauge", {"version"}),
    "aisle_bundle_store_available": ("gauge", set()),
    "aisle_catalogue_changes": ("counter", set()),
    "aisle_catalogue_lag": ("gauge", set()),
    "aisle_catalogue_live_items": ("gauge", set()),
    "aisle_catalogue_sequence": ("gauge", set()),
    "aisle_catalogue_view_seconds": ("histogram", set()),
    "aisle_closed_connections": ("counter", {"reason"}),
    "aisle_damaged_values": ("counter", {"value"}),
    "aisle_degraded_answers": ("counter", {"missing"}),
    "aisle_dropped_requests": ("counter", {"reason"}),
    "aisle_events": ("counter", {"outcome"}),
    "aisle_impressions": ("counter", {"outcome"}),
    "aisle_kernels": ("gauge", {"kind"}),
    "aisle_online_answers": ("counter", {"version"}),
    "aisle_online_answers_with": ("counter", {"version", "type"}),
    "aisle_online_events": ("counter", {"outcome"}),
    "aisle_online_followed_answers": ("counter", {"version"}),
    "aisle_online_items": ("counter", {"version", "type"}),
    "aisle_online_reciprocal_rank": ("counter", {"version"}),
    "aisle_online_shown_items": ("counter", {"version"}),
    "aisle_open_connections": ("gauge", set()),
    "aisle_pending_requests": ("gauge", set()),
    "aisle_request_body_bytes": ("gauge", set()),
    "aisle_requests": ("counter", {"method", "route", "status"}),
    "aisle_stage_seconds": ("histogram", {"stage"}),
    "aisle_store_available": ("gauge", set()),
    "aisle_store_warnings": ("gauge", set()),
    "aisle_unread_answer_bytes": ("gauge", set()),
    "aisle_waiting_events": ("gauge", set()),
}

# Every file and folder that a bundle of this schema may have.
BUNDLE_FILES = """
catalogue chosen codes display filters golden/encoder_texts golden/encoder_vectors.npy
golden/ranked_rows.npy golden/ranked_scores.npy golden/rows.npy golden/scores.npy
golden/text_vectors.npy golden/texts items/absent.npy
items/codes.npy items/content.npy items/content_scales.npy items/counts.npy items/ids items/log_price.npy
items/neighbour_weights.npy items/neighbours.npy items/popularity.npy items/scales.npy items/score_scales.npy
items/vectors.npy lexical manifest.json place place.onnx place_meaning.npy rank.onnx ranker.json retrieve.fp16.onnx
retrieve.onnx search.json suggest synonyms.json text/encoder.json text/encoder.onnx
text/idf.npy text/item_kinds.npy text/item_scales.npy text/item_vectors.npy text/kind_names text/kind_sizes.npy
text/kind_vectors.npy text/scales.npy text/tokenizer.json text/vectors.npy
users/event_offsets.npy users/event_rows.npy users/event_times.npy
users/event_types.npy users/hashes.npy users/long_scales.npy users/long_vectors.npy users/long_weights.npy
users/seen_offsets.npy users/seen_purchased.npy users/seen_rows.npy variants vocabulary warmup
"""

# The optional parts that a manifest may number, and the numbers that are read; the last one is written.
PART_NUMBERS = {
    "ranker": (1,),
    "search": (1, 2, 3, 4, 5),
    "words": (1, 2),
    "meaning": (1,),
    "spelling": (1,),
    "suggest": (1,),
    "gpu": (1,),
    "display": (1,),
    "variants": (1,),
    "synonyms": (1,),
    "chosen": (1,),
    "codes": (1,),
    "place": (1,),
    "text_encoder": (1, 2),
}

TENSORS = """
age_buckets block_count event_types event_vectors exclude_rows features given given_query input_ids item_mask
item_matrix long_vector long_weight matrix_unit never top_k wide_k chain content content_unit length order products
query_scale query_vector rows scores unit vector
"""

PROBLEM_CODES = """
body_crowded_out body_encoded body_too_large bundle_corrupt bundle_golden_mismatch bundle_missing bundle_refused
bundle_schema bundle_unfit bundle_unreadable cursor_expired device_unavailable foreign_host foreign_origin
head_too_large internal_error invalid_cursor invalid_request invalid_settings item_not_found key_forbidden
key_missing malformed_request model_not_found not_ready not_yet object_store_failed overloaded request_timeout
runtime_missing store_unavailable target_too_long user_not_found
"""

SETTINGS = """
activity_cap admin_keys allowed_hosts answer_timeout_s batch_timeout_s body_timeout_s bundle cache cache_mb
catalogue_change_cap catalogue_start_s catalogue_wait_ms clock cursor_secrets device drain_s engine_threads
event_stream_warning fetch_timeout_s follow_s gpu_captures gpu_memory_mb head_timeout_s held_body_mb host
impression_cap impression_share keep_alive_s keep_events keep_items list_depth log_level max_batch
max_batch_bytes max_batch_lines max_batch_operations max_body_bytes max_conditions max_connections
max_event_rows max_events max_head_bytes max_item_bytes max_item_ids max_pending max_reasons object_timeout_s
online_memory_mb online_window_s page port processes rate_per_key reached_at read_keys redis redis_ca_file redis_db
redis_password redis_pool redis_prefix redis_timeout_ms redis_username redis_write_timeout_ms retrieve_depth
shutdown_grace_s threads timeout_ms unread_answer_mb user_ttl_days wait
"""


def test_metrics() -> None:
    metrics = Metrics()
    metrics.count_request("GET", "/livez", 200)
    metrics.observe_stage("total", 0.1)
    metrics.show_bundle("v", "shop", "cpu", 1.0, 1.0)
    metrics.show_kernels("numpy")
    online = OnlineMetrics(metrics.registry)
    online.count_answer("v", 1, is_followed=True)
    shown = {
        family.name: (family.type, {key for sample in family.samples for key in sample.labels} - {"le"})
        for family in text_string_to_metric_families(metrics.exposition().decode())
        if not family.name.startswith("process_") and not family.name.endswith("_created")
    }
    assert shown == METRICS


def test_keys_in_redis() -> None:
    user, item = 0x0102030405060708, 0x1112131415161718
    user_bytes, item_bytes = user.to_bytes(8, "little"), item.to_bytes(8, "little")
    keys, tag = Keys(), b"\xb1\x05"
    assert stable_hash("2026-11-23T10-15-00-3f2a") == 0x9056489AF63C05B1
    version = "2026-11-23T10-15-00-3f2a"
    assert {
        "events": keys.events(user),
        "seen": keys.seen(user),
        "purchased": keys.purchased(user),
        "event_ids": keys.event_ids(user),
        "long_vector": keys.long_vector(version, user),
        "item_vector": keys.item_vector(version, item),
        "marker": keys.marker(version),
        "publishing": keys.publishing(version),
        "models": keys.models,
        "pointer": keys.pointer,
        "event_stream": keys.event_stream(255),
        "impression_stream": keys.impression_stream,
        "erased": keys.erased(10),
        "catalogue_documents": keys.catalogue_documents,
        "catalogue_changes": keys.catalogue_changes,
        "catalogue_head": keys.catalogue_head,
        "catalogue_activity": keys.catalogue_activity,
        "layout": keys.layout,
        "old_state": keys.old.state(user),
        "old_long_vector": keys.old.long_vector(version, user),
        "old_event_stream": keys.old.event_stream,
        "old_erased": keys.old.erased,
        "probe": keys.probe,
        "replicas": keys.replicas,
        "replica": keys.replica("3f2a"),
    } == {
        "events": b"ai:{08}e" + user_bytes,
        "seen": b"ai:{08}s" + user_bytes,
        "purchased": b"ai:{08}p" + user_bytes,
        "event_ids": b"ai:{08}d" + user_bytes,
        "long_vector": b"ai:{08}v" + tag + user_bytes,
        "item_vector": b"ai:i" + tag + item_bytes,
        "marker": b"ai:m" + tag,
        "publishing": b"ai:publishing:2026-11-23T10-15-00-3f2a",
        "models": b"ai:models",
        "pointer": b"ai:current",
        "event_stream": b"ai:{ff}events",
        "impression_stream": b"ai:impressions",
        "erased": b"ai:{0a}erased",
        "catalogue_documents": b"ai:{catalogue}docs",
        "catalogue_changes": b"ai:{catalogue}changes",
        "catalogue_head": b"ai:{catalogue}head",
        "catalogue_activity": b"ai:{catalogue}activity",
        "layout": b"ai:layout",
        "old_state": [b"ai:" + kind + user_bytes for kind in (b"e", b"s", b"p", b"d")],
        "old_long_vector": b"ai:v" + tag + user_bytes,
        "old_event_stream": b"ai:events",
        "old_erased": b"ai:erased",
        "probe": b"ai:probe",
        "replicas": b"ai:replicas",
        "replica": b"ai:replica:3f2a",
    }


def test_records_of_the_catalogue_in_redis() -> None:
    assert ACTIVITY_FIELD == b"a"
    assert unpack_head(b"3f2a 81234 0a1b") == (CatalogueHead("3f2a", 81_234), b"0a1b")
    assert unpack_record(b"p", b'7 81234 patch {"price": 1}') == CatalogueRecord(
        "p", 7, 81_234, "patch", b'{"price": 1}'
    )
    assert unpack_record(b"p", b"7 81235 delete ") == CatalogueRecord("p", 7, 81_235, "delete", b"")


def test_changes_of_items_beside_collected_events(tmp_path: Path) -> None:
    pl.DataFrame(
        {"item_id": ["a", "b"], "kind": ["patch", "delete"], "fields": [b'{"price":7.0}', b""]},
    ).write_parquet(tmp_path / "live_items.parquet")
    items = {"a": LiveItem("patch", {"price": 7.0}), "b": LiveItem("delete", {})}
    assert read_live_items(tmp_path) == items
    assert table_of(items).equals(pl.read_parquet(tmp_path / "live_items.parquet"))
    (tmp_path / "catalogue.json").write_text('{"epoch": "e1", "sequence": 7}')
    assert read_catalogue_mark(tmp_path) == CatalogueMark(epoch="e1", sequence=7)


def test_records_in_redis() -> None:
    assert (EVENT.itemsize, long_vector_bytes(128)) == (13, 120)
    packed = pack_events(
        np.array([0x0102030405060708], np.uint64), np.array([3], np.uint8), np.array([1_739_976_000.5])
    )
    assert packed.tobytes().hex() == "0807060504030201" + "40edb567" + "83"
    assert FIELD == b"j"
    event = EventRecord(event_id="e", type="view", item_id="p", time=1.5)
    assert event.model_dump_json() == (
        '{"kind":"event","event_id":"e","type":"view","item_id":"p","time":1.5,"user_id":null,"visitor_id":null,'
        '"session_id":null,"query":null,"request_id":null,"position":null,"quantity":null,"price":null,"currency":null}'
    )
    merge = MergeRecord(visitor_id="v", user_id="u", time=1.5)
    assert merge.model_dump_json() == '{"kind":"merge","visitor_id":"v","user_id":"u","time":1.5}'
    erase = EraseRecord(user_hash="0" * 16, time=1.5)
    assert erase.model_dump_json() == '{"kind":"erase","user_hash":"0000000000000000","time":1.5}'
    replica = ReplicaRecord(version="v", time=1.5, refused={"w": "why"})
    assert replica.model_dump_json() == '{"version":"v","time":1.5,"refused":{"w":"why"},"layout":1}'
    impression = ImpressionRecord(request_id="r", user_hash=None, model_version="v", time=1.5, item_ids=["p"])
    assert impression.model_dump_json() == (
        '{"request_id":"r","user_hash":null,"model_version":"v","time":1.5,"item_ids":["p"],"first_position":1,'
        '"query":null,"corrected_query":null,"total":null,"matched_by":null}'
    )
    before = '{"request_id":"r","user_hash":null,"model_version":"v","time":1.5,"item_ids":["p"],"first_position":1}'
    assert ImpressionRecord.model_validate_json(before) == impression
    later = before.replace("}", ',"seen_until":7}')
    assert ImpressionRecord.model_validate_json(later) == impression


def test_files_and_tensors_of_a_bundle() -> None:
    assert (names.SCHEMA_VERSION, names.READABLE_SCHEMAS) == (6, (5, 6))
    texts = {name: value for name, value in vars(names).items() if name.isupper() and isinstance(value, str)}
    tensors = {value for name, value in texts.items() if name.startswith(("IN_", "OUT_"))}
    assert tensors == set(TENSORS.split())
    inner = {"LEXICAL_TITLES": "titles", "LEXICAL_BRANDS": "brands", "LEXICAL_LENGTHS": "lengths.json"}  # of words
    inner |= {"HALF_BLOCKS": "blocks"}  # of a graph
    files = {name: value for name, value in texts.items() if not name.startswith(("IN_", "OUT_"))}
    assert {name: files.pop(name) for name in inner} == inner
    assert set(files.values()) == set(BUNDLE_FILES.split())
    assert names.LEXICAL_FIELDS == ("main", "title", "attributes")


def test_parts_of_a_bundle() -> None:
    assert {part.name: part.numbers for part in PARTS} == PART_NUMBERS


def test_codes_of_problems() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AisleError)]
    assert {kind.code for kind in kinds} == set(PROBLEM_CODES.split())


def test_settings() -> None:
    assert set(Settings.model_fields) == set(SETTINGS.split())
    assert all(re.fullmatch("[a-z][a-z_]*", name) for name in Settings.model_fields)
