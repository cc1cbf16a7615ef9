"""Filters as masks: the same as an oracle that looks at one item after the other."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from filter_oracle import PlainItem, Spellings, facet_by_hand, passes, spellings_of
from hypothesis import given
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.filter_columns import ColumnEntry, FilterColumn
from app.engine.catalogue import read_catalogue
from app.engine.selection.column import Column
from app.engine.selection.facets import MOST_VALUES, facet_of
from app.engine.selection.filter_index import FilterIndex, read_filters
from app.engine.selection.filter_parsing import MAX_CONDITIONS, MAX_DEPTH, MAX_VALUES
from app.engine.selection.filters import Condition, Every
from app.engine.selection.grouping import first_of_groups
from app.errors import InvalidRequest
from offline.export.catalogue_columns import write_catalogue
from offline.export.filter_columns import write_filters

FILLER = 3
CATEGORIES = ["Shoes > Trail", "Shoes>Trail > Rain", "shoes", "Shoes > Road", "Electronics > Audio", "Elec", None]
KINDS = {
    "title": "text",
    "category": "text",
    "brand": "text",
    "description": "text",
    "price": "number",
    "in_stock": "boolean",
    "colour": "text",
    "attributes.colour": "text",
    "size": "number",
    "waterproof": "boolean",
    "code": "text",
    "attributes.brand": "text",
}


def made_up_items(rng: np.random.Generator, count: int = 120) -> list[PlainItem]:
    def maybe(values: list[Any]) -> Any:
        return values[int(rng.integers(len(values)))]

    def attributes() -> tuple[str, ...]:
        told = [f"colour={maybe(['red', 'Red', 'blue', 'a=b'])}" for _ in range(int(rng.integers(0, 3)))]
        told += [f"size={maybe(['40', '41', '42.5', '-1'])}" for _ in range(int(rng.integers(0, 3)))]
        told += [f"waterproof={maybe(['true', 'false'])}"] * int(rng.integers(0, 2))
        told += [f"code={maybe(['007', '7'])}", "brand=of another kind"] * int(rng.integers(0, 2))
        return tuple(dict.fromkeys(told))

    return [
        PlainItem(
            title=maybe(["Boot", "boot", f"Boot {number}", None]),
            category=maybe(CATEGORIES),
            brand=maybe(["Acme", "ACME", "Straße", "Own", None]),
            description=maybe(["long", f"text {number % 7}", None]),
            price=maybe([None, 0.0, 10.0, 10.5, 99.99, float(number)]),
            in_stock=maybe([None, True, False]),
            attributes=attributes(),
        )
        for number in range(count)
    ]


def table_of(items: list[PlainItem]) -> pl.DataFrame:
    """The split's item table."""
    return pl.DataFrame(
        {
            "row": range(1, len(items) + 1),
            "item_id": [f"p{number}" for number in range(len(items))],
            "title": [each.title for each in items],
            "category": [each.category for each in items],
            "brand": [each.brand for each in items],
            "price": [each.price for each in items],
            "in_stock": [each.in_stock for each in items],
            "text": [each.description for each in items],
            "attributes": [list(each.attributes) for each in items],
        },
        schema_overrides={
            "row": pl.UInt32,
            **dict.fromkeys(("title", "category", "brand", "text"), pl.String),
            "price": pl.Float64,
            "in_stock": pl.Boolean,
            "attributes": pl.List(pl.String),
        },
    )


def index_of(items: list[PlainItem], folder: Path, times: np.ndarray | None = None) -> FilterIndex:
    table = table_of(items)
    kinds = write_catalogue(folder, table)
    write_filters(folder, table, np.full(len(items) + 1, np.nan) if times is None else times)
    selectable = np.zeros(len(items) + 1 + FILLER, dtype=bool)
    selectable[1 : len(items) + 1] = True
    return read_filters(folder, read_catalogue(folder, kinds), selectable)


@pytest.fixture(scope="module")
def items() -> list[PlainItem]:
    return made_up_items(np.random.default_rng(5))


@pytest.fixture(scope="module")
def index(items: list[PlainItem], tmp_path_factory: pytest.TempPathFactory) -> FilterIndex:
    return index_of(items, tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def spellings(items: list[PlainItem]) -> Spellings:
    return spellings_of(items, KINDS)


TEXTS = st.sampled_from(
    (
        *("Boot", "BOOT", "boot", "Boot 3", "Shoes", "shoes > trail", "Shoes> Trail", "SHOES", "Electronics", "Elec"),
        *("Acme", "acme", "STRASSE", "Own", "long", "text 1", "red", "RED", "a=b", "7", "007", "of another kind"),
        *("", ">", "\ud800"),
    )
)
NUMBERS = st.sampled_from([-1, 0, -0.0, 7, 10, 10.5, 40, 42.5, 99.99, 1e300]) | st.integers(-5, 130)


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(KINDS)))
    values: st.SearchStrategy[Any] = {"text": TEXTS, "number": NUMBERS, "boolean": st.booleans()}[KINDS[name]]
    operators: dict[str, st.SearchStrategy[Any]] = {
        "eq": values,
        "in": st.lists(values, max_size=4),
        "exists": st.booleans(),
    }
    if KINDS[name] == "number":
        operators |= dict.fromkeys(("lt", "lte", "gt", "gte"), values)
    chosen = draw(st.lists(st.sampled_from(sorted(operators)), min_size=1, max_size=3, unique=True))
    return {"field": name, **{operator: draw(operators[operator]) for operator in chosen}}


TREES = st.recursive(
    conditions(),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda parts: {"all": parts}),
        st.lists(inner, max_size=3).map(lambda parts: {"any": parts}),
        inner.map(lambda part: {"not": part}),
    ),
    max_leaves=8,
)


@given(tree=TREES)
def test_a_mask_is_what_the_oracle_says(tree: dict[str, Any], index: FilterIndex, items: list[PlainItem]) -> None:
    mask = index.mask(index.parse(tree))
    assert mask[1 : len(items) + 1].tolist() == [passes(tree, item, KINDS) for item in items]
    assert not mask[0]
    assert not mask[len(items) + 1 :].any()


@given(name=st.sampled_from(sorted(KINDS)), chosen=st.sets(st.integers(0, 119)))
def test_a_facet_counts_what_the_oracle_counts(
    name: str, chosen: set[int], index: FilterIndex, items: list[PlainItem], spellings: Spellings
) -> None:
    mask = np.zeros(len(items) + 1 + FILLER, dtype=bool)
    mask[[1 + place for place in chosen]] = True
    expected = facet_by_hand(name, [items[place] for place in chosen], KINDS, spellings)
    assert facet_of(index.column(name, ""), mask) == expected


def test_a_facet_has_at_most_its_most_frequent_values(tmp_path: Path) -> None:
    items = [PlainItem(brand=f"b{min(number, 130):03d}") for number in range(140)]
    found = facet_of(index_of(items, tmp_path).column("brand", ""), np.ones(len(items) + 1 + FILLER, dtype=bool))
    assert len(found) == MOST_VALUES
    assert found == facet_by_hand("brand", items, KINDS, spellings_of(items, KINDS))
    assert found[0] == {"value": "b130", "count": 10}


@given(rows=st.permutations(range(1, 121)), length=st.integers(0, 120), most=st.integers(0, 130))
def test_the_first_of_each_group_is_kept(
    rows: list[int], length: int, most: int, index: FilterIndex, items: list[PlainItem]
) -> None:
    seen: set[Any] = set()
    expected = []
    for place, row in enumerate(rows[:length]):
        brand = items[row - 1].brand
        group = row if brand is None else brand.casefold()
        if group not in seen:
            expected.append(place)
        seen.add(group)
    found = first_of_groups(np.array(rows[:length], dtype=np.int64), index.column("brand", ""), most)
    assert found.tolist() == expected[:most]


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1", "1.0", "1e2", "-3", "+.5"], "number"),
        (["true", "false"], "boolean"),
        (["true", "true"], "boolean"),
        (["true", "yes"], "text"),
        (["1", "x"], "text"),
        (["007"], "text"),
        (["9007199254740993"], "text"),
        (["٣"], "text"),
        (["nan"], "text"),
        (["inf"], "text"),
        (["1_000"], "text"),
        (["1e999"], "text"),
        (["1,5"], "text"),
        (["=", "a=b", "a\nb"], "text"),
    ],
)
def test_the_kind_of_an_attribute_is_told_by_all_its_values(tmp_path: Path, texts: list[str], kind: str) -> None:
    items = [PlainItem(attributes=(f"odd name={text}",)) for text in texts]
    index = index_of(items, tmp_path)
    assert index.column("odd name", "").kind == kind
    for place, text in enumerate(texts):
        value = {"number": float, "boolean": "true".__eq__, "text": str}[kind](text)
        mask = index.mask(index.parse({"field": "odd name", "eq": value}))
        same = [float(each) == value if kind == "number" else each == text for each in texts]
        assert mask[1 : len(texts) + 1].tolist() == same, place


def test_fields_of_every_kind_are_known(index: FilterIndex) -> None:
    assert {index.column(name, "filter.field").kind for name in KINDS if KINDS[name] == "number"} == {"number"}
    assert {name: index.column(name, "").kind for name in KINDS} == KINDS
    assert index.column("attributes.size", "").name == "size"
    assert set(index.names) == set(KINDS) - {"attributes.colour"}


@pytest.mark.parametrize(
    ("tree", "path", "said"),
    [
        ([], "filter", "an object"),
        ({}, "filter", "an empty object"),
        (None, "filter", "null"),
        ({"all": {}}, "filter.all", "a list of filters"),
        ({"all": [], "any": []}, "filter", "one of all, any and not"),
        ({"all": [{"field": "pirce", "lt": 3}]}, "filter.all.0.field", "'price'"),
        ({"field": "attributes.price", "lt": 3}, "filter.field", "'price'"),
        ({"field": 3, "lt": 3}, "filter.field", "the number 3"),
        ({"field": "price"}, "filter", "one of eq, in, lt"),
        ({"field": "price", "above": 3}, "filter.above", "'above'"),
        ({"field": "brand", "lt": 3}, "filter.lt", "holds text"),
        ({"any": [{"field": "price", "lt": "3"}]}, "filter.any.0.lt", "a number, as 'price' holds, got the text '3'"),
        ({"field": "price", "lt": True}, "filter.lt", "got true"),
        ({"field": "price", "lt": float("nan")}, "filter.lt", "a number"),
        ({"field": "price", "lt": 10**400}, "filter.lt", "too large"),
        ({"field": "price", "in": 3}, "filter.in", "a list"),
        ({"field": "price", "in": [3, "4"]}, "filter.in.1", "the text '4'"),
        ({"field": "brand", "eq": 3}, "filter.eq", "text, as 'brand' holds, got the number 3"),
        ({"field": "in_stock", "eq": "true"}, "filter.eq", "true or false"),
        ({"field": "brand", "exists": "yes"}, "filter.exists", "true or false"),
        ({"field": "brand", "in": ["x"] * (MAX_VALUES + 1)}, "filter.in", f"at most {MAX_VALUES}"),
        ({"any": [{"field": "brand", "in": ["x"] * 6_000}] * 2}, "filter.any.1.in", f"at most {MAX_VALUES}"),
        ({"all": [{"field": "price", "lt": 1}] * (MAX_CONDITIONS + 1)}, "filter.all.256", f"at most {MAX_CONDITIONS}"),
    ],
)
def test_a_wrong_filter_is_refused_by_its_path(index: FilterIndex, tree: Any, path: str, said: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        index.parse(tree)
    assert refused.value.args[1] == path
    assert said in refused.value.message


def test_a_tree_that_is_too_deep_is_refused(index: FilterIndex) -> None:
    tree: dict[str, Any] = {"field": "price", "lt": 3}
    for _ in range(MAX_DEPTH):
        tree = {"not": tree}
    with pytest.raises(InvalidRequest, match=f"at most {MAX_DEPTH} levels"):
        index.parse(tree)
    index.parse(tree["not"])


def test_two_spellings_of_one_filter_share_a_mask(index: FilterIndex) -> None:
    price, brand = {"field": "price", "gte": 5, "lte": 50.0}, {"field": "brand", "in": ["Own", "Acme", "Own"]}
    other = {"field": "price", "lte": 50, "gte": 5.0}
    first = index.parse({"all": [price, brand, price]})
    second = index.parse({"all": [{"field": "brand", "in": ["Acme", "Own"]}, other]})
    assert first == second
    assert index.mask(first) is index.mask(second)
    assert isinstance(first, Every)
    assert all(isinstance(part, Condition) for part in first.parts)


def test_no_more_masks_are_kept_than_fit(items: list[PlainItem], tmp_path: Path) -> None:
    whole = index_of(items, tmp_path)
    rows = len(items) + 1 + FILLER
    small = FilterIndex(
        {whole.column(name, "").name: whole.column(name, "") for name in ("price", "brand")}.values(),
        np.ones(rows, dtype=bool),
        cache_bytes=5 * rows,
    )
    filters = [small.parse({"field": "price", "lt": bound}) for bound in range(6)]
    masks = [small.mask(each) for each in filters]
    assert small.mask(filters[-1]) is masks[-1]
    assert small.mask(filters[0]) is not masks[0]
    assert np.array_equal(small.mask(filters[0]), masks[0])


def test_a_catalogue_without_anything_has_no_columns(tmp_path: Path) -> None:
    index = index_of([PlainItem(), PlainItem()], tmp_path)
    assert index.names == []
    assert index.mask(index.parse({"not": {"any": []}})).sum() == 2
    with pytest.raises(InvalidRequest, match="it has none"):
        index.parse({"field": "price", "lt": 3})


def test_time_of_the_first_event_stands_in_where_the_catalogue_does_not_say(tmp_path: Path) -> None:
    index = index_of([PlainItem(), PlainItem(), PlainItem()], tmp_path, np.array([np.nan, 50.0, np.nan, 70.0]))
    assert index.mask(index.parse({"field": "added", "gte": 60})).nonzero()[0].tolist() == [3]


@given(wanted=st.lists(TEXTS, min_size=5, max_size=200), name=st.sampled_from(["title", "brand", "colour"]))
def test_many_values_are_looked_up_as_each_alone(wanted: list[str], name: str, index: FilterIndex) -> None:
    together = index.mask(index.parse({"field": name, "in": wanted}))
    alone = [index.mask(index.parse({"field": name, "eq": text})) for text in set(wanted)]
    assert np.array_equal(together, np.logical_or.reduce(alone))


def test_many_values_are_looked_up_by_reading_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    items = [PlainItem(brand=f"b{number:05d}", price=float(number)) for number in range(5_000)]
    index = index_of(items, tmp_path)
    reads = []
    read = Column._text
    monkeypatch.setattr(Column, "_text", lambda column, code: reads.append(code) or read(column, code))
    mask = index.mask(
        index.parse({"field": "brand", "in": [f"B{number:05d}" for number in range(0, 10_000, 2)][:4_000]})
    )
    assert mask.nonzero()[0].tolist() == list(range(1, 5_001, 2))
    assert len(reads) < 3 * 5_000  # one by one it is 12 of each of the 4,000
    prices = index.mask(index.parse({"field": "price", "in": list(range(0, 10_000, 2)), "lt": 4_000}))
    assert prices.nonzero()[0].tolist() == list(range(1, 4_001, 2))


def test_values_are_compared_without_case_and_shown_in_their_most_frequent_spelling(tmp_path: Path) -> None:
    spelt = ["Nordo"] * 3 + ["NORDO"] * 2 + ["nordo", "N\u00f6rdo"]
    paths = ["shoes > Trail", "Shoes > TRAIL", "Shoes > trail", "Shoes", "SHOES > trail", None, None]
    items = [
        PlainItem(title=brand, brand=brand, category=path, attributes=(f"maker={brand}",))
        for brand, path in zip(spelt, paths, strict=True)
    ]
    index = index_of(items, tmp_path)
    everything = np.ones(len(items) + 1 + FILLER, dtype=bool)
    for name in ("title", "brand", "maker"):
        assert facet_of(index.column(name, ""), everything) == [
            {"value": "Nordo", "count": 6},
            {"value": "N\u00f6rdo", "count": 1},
        ]
        for value, count in (("Nordo", 6), ("nORDo", 6), ("No\u0308rdo", 1), ("N\u00d6RDO", 1)):
            for tree in ({"field": name, "eq": value}, {"field": name, "in": ["x", value]}):
                assert index.mask(index.parse(tree)).sum() == count
    assert facet_of(index.column("category", ""), everything) == [
        {"value": "Shoes", "count": 5},
        {"value": "Shoes > trail", "count": 4},
    ]
    assert index.mask(index.parse({"field": "category", "eq": "SHOES>TRAIL"})).sum() == 4


def test_an_old_bundle_keeps_its_spellings_apart(index: FilterIndex) -> None:
    """Until the next export: its facets count each spelling, and a filter by one finds as many."""
    stored = FilterColumn(
        ColumnEntry(name="brand", kind="text", attribute=False, pairs=3, values=2),
        rows=np.array([1, 3, 2], dtype=np.int32),
        numbers=None,
        offsets=np.array([0, 2, 3]),
        texts=TextColumn.of(["ACME", "Acme"]),
        first_text=0,
    )
    old = FilterIndex([Column(stored, 5)], np.ones(5, dtype=bool))
    found = {text: old.mask(old.parse({"field": "brand", "eq": text})).sum() for text in ("ACME", "Acme", "acme")}
    assert found == {"ACME": 2, "Acme": 1, "acme": 3}


def test_a_known_column_without_values_finds_nothing(tmp_path: Path) -> None:
    table = table_of([PlainItem(title="Boot"), PlainItem()])
    known = ("brand", "price", "in_stock", "description", "attributes.size", "attributes.brand")
    kinds = write_catalogue(tmp_path, table)
    write_filters(tmp_path, table, np.full(3, np.nan), known)
    index = read_filters(tmp_path, read_catalogue(tmp_path, kinds), np.array([False, True, True]))
    for tree in (
        {"field": "brand", "eq": "Acme"},
        {"field": "price", "lt": 3},
        {"field": "in_stock", "eq": True},
        {"field": "description", "in": ["x"]},
        {"field": "size", "gte": 41},
        {"field": "size", "in": ["L", 41, True]},
        {"field": "attributes.brand", "eq": "x"},
        {"field": "attributes.size", "exists": True},
    ):
        assert index.mask(index.parse(tree)).sum() == 0, tree
        assert index.mask(index.parse({"not": tree})).sum() == 2
    assert index.mask(index.parse({"field": "size", "exists": False})).sum() == 2
    everything = np.ones(3, dtype=bool)
    assert [facet_of(index.column(name, ""), everything) for name in known] == [[]] * len(known)
    with pytest.raises(InvalidRequest, match="text or a number or true or false"):
        index.parse({"field": "size", "eq": None})
    with pytest.raises(InvalidRequest, match="no column"):
        index.parse({"field": "colour", "eq": "red"})
