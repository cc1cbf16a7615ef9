"""The fingerprint of a request is that of its JSON without defaults, whatever it holds: pages outlive a release."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.api.recommend_parsing import NO_LIST, fingerprint_of, read_body
from app.artifact.hashing import stable_hash

ID = st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=4)
VALUE = st.one_of(st.booleans(), st.integers(-(2**70), 2**70), st.floats(allow_nan=False, allow_infinity=False), ID)
FILTER = st.dictionaries(ID, st.one_of(VALUE, st.lists(VALUE, max_size=2)), max_size=2)
EVENT = st.fixed_dictionaries(
    {"item_id": ID},
    optional={"type": st.sampled_from(["view", "cart"]), "time": st.sampled_from([1.5, "2026-01-02T03:04:05Z", None])},
)
REQUEST = st.fixed_dictionaries(
    {},
    optional={
        "user_id": ID,
        "visitor_id": st.none(),
        "query": st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
        "exact": st.booleans(),
        "context": st.one_of(st.just({}), st.fixed_dictionaries({"item_ids": st.lists(ID, max_size=2)})),
        "recent_events": st.lists(EVENT, max_size=2),
        "k": st.integers(1, 200),
        "filter": FILTER,
        "exclude_item_ids": st.lists(ID, max_size=2),
        "exclude": st.sampled_from(["none", "seen"]),
        "boost": st.lists(st.fixed_dictionaries({"filter": FILTER, "factor": st.floats(0.5, 1e3)}), max_size=1),
        "pin": st.lists(st.fixed_dictionaries({"item_id": ID, "position": st.integers(1, 9)}), max_size=1),
        "diversity": st.floats(0, 1),
        "sort": st.sampled_from(["relevance", "newest"]),
        "facets": st.lists(ID, max_size=2),
        "explain": st.booleans(),
    },
)
PAGE = {"k", "cursor", "fields", "facets", "explain", "timeout_ms"}


@settings(max_examples=300, deadline=None)
@given(body=REQUEST)
def test_it_is_that_of_the_json(body: dict[str, Any]) -> None:
    request = read_body(json.dumps(body).encode())
    assert fingerprint_of(request) == stable_hash(request.model_dump_json(exclude=PAGE, exclude_defaults=True))


@pytest.mark.parametrize("body", [{}, {"k": 3, "explain": True}, {"exact": False, "exclude_item_ids": []}])
def test_a_request_without_a_list_of_its_own_has_that_of_none(body: dict[str, Any]) -> None:
    assert fingerprint_of(read_body(json.dumps(body).encode())) == NO_LIST
