"""A search whose queries a text encoder reads: what it finds and how it orders, alone, in batches, live, over HTTP."""

import json
import math
import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_encoder import sign

from app.artifact import names
from app.artifact.item_document import ItemDocument
from app.artifact.search_spec import MeaningConstants
from app.artifact.text.words import read_words
from app.engine.live.item_change import ItemChange
from app.engine.live.views import ViewMaker
from app.engine.loading import load_snapshot, read_warmup
from app.engine.recommend import recommend
from app.engine.requests import RequestBatch, Stages
from app.engine.snapshot import Snapshot
from app.engine.text.guesses import guesses_at
from app.engine.text.query_index import QueryIndex
from app.engine.text.text_match import QueryText, TextMatch
from app.serving.release import release_of

CONSTANTS = MeaningConstants(spread=0.6, gap=0.2, like_gap=0.3, least_best=0.5, reach=0.15)
DEPTH = 30


def with_constants(bundle: Path, folder: Path, constants: MeaningConstants | None) -> Path:
    """A copy of a bundle whose order has learned, or has not, what is far in meaning."""
    shutil.copytree(bundle, folder)
    document = json.loads((folder / names.SEARCH).read_text("utf-8"))
    document["meaning"] = None if constants is None else constants.model_dump()
    (folder / names.SEARCH).unlink()
    (folder / names.SEARCH).write_text(json.dumps(document), "utf-8")
    sign(folder)
    return folder


@pytest.fixture(scope="module")
def knowing(encoded_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = tmp_path_factory.mktemp("knowing") / "bundle"
    return load_snapshot(with_constants(encoded_bundle, folder, CONSTANTS))


@pytest.fixture(scope="module")
def titles(knowing: Snapshot) -> list[str]:
    """Those of the items that have one, by row."""
    rows = range(1, knowing.manifest.shapes.items + 1)
    return [title for row in rows if (title := knowing.catalogue.values_of(row, ["title"])["title"])]


def index_of(snapshot: Snapshot) -> QueryIndex:
    assert snapshot.search is not None
    return snapshot.search


def match_of(snapshot: Snapshot, query: str | QueryText) -> TextMatch:
    (match,) = index_of(snapshot).matches([query])
    assert match is not None
    return match


def asked(snapshot: Snapshot, texts: list[str]) -> RequestBatch:
    """Requests of nobody for a text each."""
    batch = read_warmup(snapshot.folder).take(np.zeros(len(texts), dtype=np.int64))
    return replace(
        batch,
        event_rows=np.zeros_like(batch.event_rows),
        event_types=np.zeros_like(batch.event_types),
        long_weight=np.zeros_like(batch.long_weight),
        matches=index_of(snapshot).matches(texts),
    )


def answers(
    snapshot: Snapshot, texts: list[str], stages: Stages | None = None
) -> list[tuple[NDArray[np.int64], bytes]]:
    result = recommend(snapshot, asked(snapshot, texts), DEPTH, stages or Stages())
    return [(result.rows[line], result.scores[line].tobytes()) for line in range(len(texts))]


def test_an_answer_is_the_same_alone_in_any_batch_and_from_the_memory_of_matches(
    knowing: Snapshot, titles: list[str]
) -> None:
    queries = [" ".join(title.split()[:2]) for title in titles[:12]]
    together = answers(knowing, queries)
    again = answers(knowing, queries[::-1])[::-1]
    alone = [answers(load_snapshot(knowing.folder), [query])[0] for query in queries[:3]]
    for first, second in [*zip(together, again, strict=True), *zip(together, alone, strict=False)]:
        np.testing.assert_array_equal(first[0], second[0])
        assert first[1] == second[1]


def test_meaning_bears_on_the_order_of_bundles_alone_that_have_learned_what_is_far(
    encoded: Snapshot, knowing: Snapshot, titles: list[str]
) -> None:
    queries = sorted({part for title in titles[:20] for part in title.split() if part.isalpha()})
    without, with_meaning = answers(encoded, queries), answers(knowing, queries)
    assert index_of(encoded).meaning is None
    assert any(rows.tolist() != others.tolist() for (rows, _), (others, _) in zip(without, with_meaning, strict=True))
    by_words = Stages(semantic=False)
    for (rows, scores), (others, other_scores) in zip(
        answers(encoded, queries, by_words), answers(knowing, queries, by_words), strict=True
    ):
        np.testing.assert_array_equal(rows, others)
        assert scores == other_scores


def test_a_bundle_whose_constants_are_of_an_earlier_form_is_ordered_by_words(
    encoded_bundle: Path, tmp_path: Path
) -> None:
    folder = with_constants(encoded_bundle, tmp_path / "bundle", CONSTANTS)
    document = json.loads((folder / names.SEARCH).read_text("utf-8"))
    document["meaning"] = {"spread": 0.6, "gap": 0.2, "kind_gap": 0.3, "least_best": 0.5, "floor": None}
    (folder / names.SEARCH).write_text(json.dumps(document), "utf-8")
    sign(folder)
    assert index_of(load_snapshot(folder)).meaning is None


def test_words_that_no_item_has_find_what_they_mean(knowing: Snapshot, titles: list[str]) -> None:
    word = next(part for title in titles for part in title.split() if part.isalpha() and len(part) > 5)
    match = match_of(knowing, QueryText(f"{word}x", is_exact=True))
    assert match.hits.matched_by == "meaning"
    assert match.meaning is not None
    rows = match.hits.near_rows
    assert len(rows)
    assert np.flatnonzero(match.hits.items).tolist() == sorted(rows.tolist())
    (listed, _), *_ = answers(knowing, [word])
    assert len(listed)


def test_a_word_that_says_nothing_is_taken_for_a_slip_of_one_that_means_something(knowing: Snapshot) -> None:
    index = index_of(knowing)
    assert index.spelling is not None
    assert index.meaning is not None
    for place in np.argsort(-index.spelling.known.vocabulary.lengths, kind="stable").tolist()[::-1]:
        meant = index.spelling.known.vocabulary.words[place]
        typed = f"q{meant}"
        if not meant.isalpha() or len(meant) < 3 or index.spelling.read(typed).corrected is not None:
            continue
        garbled, right = (match_of(knowing, QueryText(text, is_exact=True)) for text in (typed, meant))
        if garbled.lexical.best_coverage > 0 or guesses_at(
            read_words(typed, index.spelling.languages), index.spelling, index.meaning.encoder
        ) != [meant]:
            continue
        assert garbled.meaning is not None
        assert right.meaning is not None
        if garbled.meaning.best < right.meaning.best:
            break
    else:
        pytest.fail("expected a word of the shop that is guessed")
    between = CONSTANTS.model_copy(update={"least_best": (garbled.meaning.best + right.meaning.best) / 2})
    (match,) = replace(index, meaning=replace(index.meaning, constants=between)).matches([typed])
    assert match is not None
    assert match.corrected == meant
    assert match.hits.items[right.lexical.hits].all()
    below = CONSTANTS.model_copy(update={"least_best": -1.0})
    (match,) = replace(index, meaning=replace(index.meaning, constants=below)).matches([typed])
    assert match is not None
    assert match.corrected is None  # what was typed means something


def test_what_is_found_is_the_same_whoever_asks_and_what_is_listed_is_found(
    knowing: Snapshot, titles: list[str]
) -> None:
    queries = [title.split()[0] for title in titles[:10]]
    for query, (rows, _) in zip(queries, answers(knowing, queries), strict=True):
        hits = match_of(knowing, query).hits.items
        assert hits[rows[rows > 0]].all()


def test_a_list_holds_all_that_is_found_however_many_items_have_no_word_of_it(
    knowing: Snapshot, titles: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.engine.text.meaning_match.NEAREST", 1)
    for query in sorted({part for title in titles[:40] for part in title.split() if part.isalpha()}):
        match = match_of(knowing, query)
        count = int(match.hits.items.sum())
        if match.hits.matched_by == "words_and_meaning" and int(match.lexical.hits.sum()) + 1 < count <= DEPTH:
            ((rows, _),) = answers(knowing, [query])
            assert sorted(rows[rows > 0].tolist()) == np.flatnonzero(match.hits.items).tolist()
            return
    pytest.fail("expected a query that finds items beside those with its words, got none")


def test_a_live_item_is_found_by_what_it_means(knowing: Snapshot) -> None:
    maker = ViewMaker(knowing)
    view = maker.apply([ItemChange("new-1", ItemDocument(title="Glimmerglass quixotic zeppelin"), 1)])
    reader = index_of(view).meaning
    assert reader is not None
    assert reader.table is view.meaning
    row = view.items.row_of("new-1")
    match = match_of(view, QueryText("glimmerglasses zeppelins", is_exact=True))
    assert match.meaning is not None
    assert int(match.meaning.cosines.argmax()) == row
    gone = maker.apply([ItemChange("new-1", None, 1)])
    assert not match_of(gone, QueryText("glimmerglasses zeppelins", is_exact=True)).hits.items[row:].any()


def test_an_answer_tells_the_kinds_that_a_query_means(
    knowing: Snapshot,
    titles: list[str],
    application_of: Callable[..., Any],
    services_of: Callable[..., Any],
    listening: Callable[..., AbstractContextManager[httpx.Client]],
) -> None:
    assert knowing.meaning is not None
    names_of_kinds = set(knowing.meaning.arrays.kind_names.all())
    services = services_of(served=release_of(knowing, lambda: math.nan))
    with listening(application_of(services=services)) as client:
        of_query = client.post("/recommend", json={"query": titles[0], "k": 3}).raise_for_status().json()
        explained = client.post("/recommend", json={"query": titles[0], "k": 3, "explain": True}).raise_for_status()
        of_nobody = client.post("/recommend", json={"k": 3}).raise_for_status().json()
    kinds = of_query["query_kinds"]
    assert kinds
    assert {kind["kind"] for kind in kinds} <= names_of_kinds
    assert sum(kind["weight"] for kind in kinds) == pytest.approx(1.0, abs=0.01)
    assert kinds == sorted(kinds, key=lambda kind: -kind["weight"])
    assert [item["item_id"] for item in explained.json()["items"]] == [item["item_id"] for item in of_query["items"]]
    assert all(item["reasons"] for item in explained.json()["items"])
    assert of_nobody["query_kinds"] == []
