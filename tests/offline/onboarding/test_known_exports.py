"""`init` says the truth of exports as shops, tools and public data sets write them, without a hand's touch."""

import json
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import made_up_ratings as ratings
import made_up_sets as sets
import made_up_shops as shops
import made_up_trackers as trackers
import pytest
from made_up_exports import Export
from typer.testing import CliRunner

from offline.cli import app

EXPORTS: Sequence[Callable[[], Export]] = (
    shops.shopify, shops.woocommerce, shops.magento, shops.sql_dump, shops.german, shops.prestashop, shops.bigcommerce,
    trackers.ga4, trackers.snowplow, trackers.matomo, sets.marketplace, sets.groceries, sets.long_properties,
    sets.fashion, sets.one_file, ratings.movielens, ratings.movielens_without_headers,
    ratings.games, ratings.music, ratings.books, ratings.reviews,
)  # fmt: skip


def initialised(folder: Path, export: Export) -> dict[str, Any]:
    for name, content in export.files.items():
        (folder / name).write_text(content, encoding="utf-8")
    done = CliRunner().invoke(app, ["init", str(folder)])
    assert done.exit_code == 0, done.output
    return tomllib.loads((folder / "dataset.toml").read_text(encoding="utf-8"))


def columns_named(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        return set().union(*(columns_named(inner) for key, inner in value.items() if key != "path"))
    return set().union(*map(columns_named, value)) if isinstance(value, list) else set()


@pytest.mark.parametrize("make", EXPORTS)
def test_the_roles_of_known_exports_and_of_their_like(tmp_path: Path, make: Callable[[], Export]) -> None:
    export = make()
    written = initialised(tmp_path, export)
    for name in ("events", "items", "users"):
        wanted = dict(getattr(export, name))
        table = written.get(name, {})
        assert {key: table.get(key) for key in wanted} == wanted
    assert export.types == {} or export.types == written["events"].get("types")
    read = set().union(*(columns_named(written[name]) for name in ("events", "items", "users") if name in written))
    assert not read & set(export.nowhere)
    checked = CliRunner().invoke(app, ["check", str(tmp_path)])
    document = json.loads(checked.stdout.splitlines()[-1])
    assert (checked.exit_code, document["errors"]) == (0, 0), checked.stderr
    assert not [each for each in document["findings"] if each["row"] is not None and each["column"] != "CustomerID"]
