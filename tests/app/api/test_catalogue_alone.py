"""A folder with a catalogue alone, of variants, with images and a currency: from the job to a service's answers."""

import json
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import polars as pl
import pytest
from services_alone import services_alone
from starlette.applications import Starlette

from app.engine.loading import load_snapshot

THINGS = ("Teapot", "Mug", "Bowl", "Vase", "Plate", "Jug")
GLAZES = ("celadon", "cobalt", "ochre", "tenmoku")
POTTERS = ("Abbot", "Bretton", "Cole", "Dunn", "Eyre", "Firth", "Gale", "Holt", "Ince", "Judd")
HANDLES = [f"{potter}-{thing}-{glaze}".lower() for potter in POTTERS for thing in THINGS for glaze in GLAZES]
TOML = """\
name = "pottery"
[items]
path = "pots.csv"
id = "SKU"
variant_of = "Handle"
title = "Title"
category = "Type"
brand = "Vendor"
price = "Price"
text = "Body"
in_stock = "Qty"
added = "Created"
options = [["Option1 Name", "Option1 Value"]]
display = ["Image Src"]
"""
"""No queries, no judgments, no task."""


def write_pots(folder: Path) -> Path:
    folder.mkdir()
    lines = ["Handle,Title,Body,Vendor,Type,Option1 Name,Option1 Value,SKU,Qty,Price,Image Src,Created"]
    for number, handle in enumerate(HANDLES):
        potter, thing, glaze = (word.capitalize() for word in handle.split("-"))
        created = f"2024-01-{1 + number % 28:02d}" if number < 56 else ""
        lines += [
            f"{handle},{potter} {thing} in {glaze},<p>A {thing.lower()} by {potter}</p>,{potter},Pots > {thing}s,"
            f"Size,Small,{handle}-s,{number % 2},€{10 + number}.50,https://img.example/{number}.jpg,{created}",
            f"{handle},,,,,,Large,{handle}-l,0,€{20 + number}.50,,",
        ]
    (folder / "pots.csv").write_text("\n".join(lines) + "\n", "utf-8")
    (folder / "dataset.toml").write_text(TOML, "utf-8")
    return folder


@pytest.fixture(scope="module")
def run(quiet: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from offline import job
    from offline.workspace.run_folder import RunFolder

    options = job.Options(seed=1, device="cpu", overrides={"epochs": 1, "dim": 32})
    out = tmp_path_factory.mktemp("pottery")
    job.run(write_pots(out / "data"), RunFolder(out / "run"), options, quiet)
    return out / "run"


@pytest.fixture(scope="module")
def pottery(
    run: Path,
    application_of: Callable[..., Starlette],
    listening: Callable[[Starlette], AbstractContextManager[httpx.Client]],
) -> Iterator[httpx.Client]:
    snapshot = load_snapshot(run / "bundle")
    with listening(application_of(services=services_alone(snapshot, math.nan))) as client:
        yield client


def ask(client: httpx.Client, **body: Any) -> dict[str, Any]:
    response = client.post("/recommend", json=body)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def ids(answer: dict[str, Any]) -> list[str]:
    return [item["item_id"] for item in answer["items"]]


def test_the_report_says_what_there_was_and_nothing_speaks_against_publishing(run: Path) -> None:
    document = json.loads((run / "report.json").read_text("utf-8"))
    (report,) = document["reports"]
    assert (report["n"], report["targets"]) == (48, 48)
    assert report["metrics"]["hr@10"] > 0.5
    (note,) = document["notes"]
    assert "no events and no judged queries" in note
    assert "training learned from no query of the 24 items that are asked about" in note
    record = json.loads((run / "run.json").read_text("utf-8"))
    assert record["report"]["results"]["verdict"] == "publish"
    page = (run / "report.html").read_text("utf-8")
    assert "nothing of what shoppers like" in page


def test_no_word_of_what_is_asked_about_was_learned_from(run: Path) -> None:
    import torch

    from offline.dataset.split_meta import read_split_meta
    from offline.graph.build import item_graph, read_graph
    from offline.training.contrastive import _Run
    from offline.training.text_augmentation import ItemFields
    from offline.training.train import held_rows
    from offline.training.trained import load_trained

    items = pl.read_parquet(run / "split" / "items.parquet")
    asked = held_rows(run / "split", items)
    judged = pl.read_parquet(run / "split" / "judgments.parquet")["item_id"].unique()
    assert read_split_meta(run / "split").held_items == len(asked) == len(judged) == 24
    assert set(items.filter(pl.col("row").is_in(asked))["item_id"]) == set(judged)
    graph = item_graph(read_graph(run / "graph"))
    settings = load_trained(run / "split", graph, run / "train").settings
    training = _Run(ItemFields(items), graph, settings, torch.device("cpu"), None, asked)
    learned_from = {*training._train.tolist(), *training._valid.tolist()}
    assert learned_from == set(range(1, 241)) - set(asked.tolist())


def test_without_a_query_the_newest_come_first_and_then_the_catalogue_in_its_order(pottery: httpx.Client) -> None:
    newest = sorted(range(56), key=lambda number: (-(number % 28), number))
    expected = [HANDLES[number] for number in (*newest, *range(56, len(HANDLES)))]
    assert ids(ask(pottery, k=100)) == expected[:100]
    answer = ask(pottery, visitor_id="nobody", k=3, explain=True)
    assert ids(answer) == expected[:3]
    assert [item["reasons"] for item in answer["items"]] == [[]] * 3
    assert pottery.get("/demo/users").json()["behaviours"] == []


def test_a_query_searches_and_words_are_completed(pottery: httpx.Client) -> None:
    answer = ask(pottery, query="holt teapot cobalt", k=5, fields=["title", "price", "currency", "Image Src", "Size"])
    assert answer["matched_by"] == "words"
    first = answer["items"][0]
    number = HANDLES.index("holt-teapot-cobalt")
    assert first["item_id"] == "holt-teapot-cobalt"
    assert first["fields"] == {
        "title": "Holt Teapot in Cobalt",
        "price": 10.5 + number,
        "currency": "EUR",
        "Image Src": f"https://img.example/{number}.jpg",
        "Size": ["Small", "Large"],
    }
    assert "holt-teapot-cobalt" in ids(ask(pottery, query="hlot teapot cobalt", k=3))
    assert pottery.get("/suggest", params={"q": "teap"}).json()["suggestions"]


def test_similar_items_and_what_a_visitor_looks_at_are_found_by_content(pottery: httpx.Client) -> None:
    similar = pottery.get("/items/cole-vase-ochre-l/similar?k=8").json()
    assert "cole-vase-ochre" not in ids(similar)
    assert sum("vase" in item or "ochre" in item or "cole" in item for item in ids(similar)) >= 6
    looked = {"visitor_id": "v", "type": "view", "item_id": "dunn-jug-tenmoku-s"}
    assert pottery.post("/events", json=looked).status_code in (200, 202)
    after = ids(ask(pottery, visitor_id="v", k=8, exclude="seen"))
    assert after != ids(ask(pottery, k=8))
    assert "dunn-jug-tenmoku" not in after
    assert sum("jug" in item or "tenmoku" in item or "dunn" in item for item in after) >= 6


def test_filters_and_facets_know_options_and_the_currency(pottery: httpx.Client) -> None:
    answer = ask(
        pottery,
        filter={"all": [{"field": "currency", "eq": "EUR"}, {"field": "category", "eq": "Pots > Mugs"}]},
        facets=["Size", "currency", "in_stock"],
    )
    assert answer["total"] == 40
    assert answer["facets"]["Size"] == [{"value": "Large", "count": 40}, {"value": "Small", "count": 40}]
    assert answer["facets"]["currency"] == [{"value": "EUR", "count": 40}]
    refused = pottery.post("/recommend", json={"facets": ["Image Src"]})
    assert refused.status_code == 422
    assert "for display only" in refused.json()["detail"]


def test_a_catalogue_of_fewer_items_than_a_golden_answer_is_deep_is_served(tmp_path: Path, quiet: Any) -> None:
    from offline import job
    from offline.workspace.run_folder import RunFolder

    data = write_pots(tmp_path / "data")
    lines = (data / "pots.csv").read_text("utf-8").splitlines()
    (data / "pots.csv").write_text("\n".join(lines[:9]) + "\n", "utf-8")
    options = job.Options(seed=1, device="cpu", overrides={"epochs": 1, "dim": 32})  # a shape that is there
    job.run(data, RunFolder(tmp_path / "run"), options, quiet, upto="export")
    assert load_snapshot(tmp_path / "run" / "measured").items.count == 4
