"""Filters, facets, orders, groups and fields of a catalogue that changed: as a bundle of it has them."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from app.artifact.columns import TextColumn
from app.artifact.display_columns import read_display, write_display
from app.artifact.filter_columns import PATHS, levels_of
from app.artifact.hashing import stable_hashes
from app.artifact.item_document import ItemDocument
from app.engine.catalogue import Catalogue, Items, read_catalogue
from app.engine.id_table import IdTable
from app.engine.selection.documents import document_of
from app.engine.selection.facets import facet_of
from app.engine.selection.fields import values_of
from app.engine.selection.filter_index import FilterIndex, read_filters
from app.engine.selection.filter_view import FilterView, with_tiers
from app.engine.selection.grouping import Grouping, check_groups, first_of_groups
from app.engine.selection.item_ids import ItemIds
from app.engine.selection.orders import Orders, sorted_rows
from app.engine.selection.value_tier import ItemValues, ValueTier, merge
from app.errors import InvalidRequest
from offline.export.catalogue_columns import display_of, write_catalogue
from offline.export.filter_columns import write_filters
from offline.ingest.clean_items import DISPLAY

ANCHOR = ItemDocument(
    title="Anchor",
    attributes=("colour=anchor", "size=40", "waterproof=true", "code=x", "brand=anchor"),
    display={"image": '"a.png"'},
)
"""It stays as it is, so that the attributes keep their kinds."""
KNOWN = ("attributes.later",)
SORTS = ("price_asc", "price_desc", "newest")
FILLER = 2


def documents(*, live: bool) -> st.SearchStrategy[ItemDocument]:
    def maybe(*values: Any) -> st.SearchStrategy[Any]:
        return st.sampled_from((None, *values))

    def category_of(paths: list[str]) -> str | None:
        if not live:  # a bundle does not tell how an item spells its further categories
            paths = paths[:1] + [path for path in paths[1:] if "shoes" not in path.casefold()]
        return PATHS.join(paths) or None

    attributes = ["colour=red", "colour=Red", "colour=RED", "colour=a=b", "colour= red ", "size=40", "size=40.0"]
    attributes += [
        "size=7",
        "waterproof=true",
        "waterproof=false",
        "code=007",
        "code=7",
        "brand=of another kind",
        "odd",
    ]
    attributes += ["fresh=new", "later=L", "later=41", "later=l"] if live else []
    categories = ["Shoes", "shoes", "Shoes > Trail", "SHOES > Trail", "Shoes > trail > Rain", "Audio", "Elec > Audio"]
    return st.builds(
        ItemDocument,
        title=maybe("Boot", "boot", "Zoo", "\u00c4rmel"),
        category=st.lists(st.sampled_from(categories), max_size=3).map(category_of),
        brand=maybe("Acme", "ACME", "acme", "Stra\u00dfe", "STRASSE", "Own"),
        price=maybe(0.0, 10.0, 10.5, 99.99),
        currency=maybe("EUR"),
        description=maybe("long", "Long", "text"),
        in_stock=maybe(True, False),
        added=maybe(100.0, 200.0, 300.0),
        attributes=st.lists(st.sampled_from(attributes), max_size=5, unique=True).map(tuple),
        display=st.sampled_from(({}, {"image": '"b.png"'}, {"image": '{"big":"c.png"}'})),
    )


TEXTS = ["Boot", "BOOT", "shoes > trail", "Shoes", "SHOES>Trail > rain", "Elec", "acme", "ACME", "strasse", "red", "x"]
TEXTS += ["RED", "a=b", "7", "007", "new", "L", "of another kind", "eur", "long", ""]
NUMBERS = [0, 7, 10, 10.5, 40, 41, 100, 200.0, 250]
KINDS = {
    **dict.fromkeys(("title", "category", "brand", "currency", "description", "colour", "code", "fresh"), "text"),
    **dict.fromkeys(("attributes.brand", "later", "item_id"), "text"),
    **dict.fromkeys(("price", "added", "size", "later"), "number"),
    **dict.fromkeys(("in_stock", "waterproof"), "boolean"),
}


@st.composite
def conditions(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.sampled_from(sorted(KINDS)))
    values: st.SearchStrategy[Any] = {
        "text": st.sampled_from([f"p{number}" for number in range(12)] if name == "item_id" else TEXTS),
        "number": st.sampled_from(NUMBERS),
        "boolean": st.booleans(),
    }[KINDS[name]]
    operators = {"eq": values, "in": st.lists(values, max_size=4), "exists": st.booleans()}
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
    max_leaves=5,
)


@dataclass(frozen=True)
class Selected:
    """What selects items of a catalogue."""

    catalogue: Catalogue
    filters: FilterIndex
    items: Items
    orders: Orders

    def rows(self) -> np.ndarray:
        return np.flatnonzero(self.items.selectable[0])


def table_of(items: Sequence[ItemDocument]) -> pl.DataFrame:
    """The split's item table."""
    texts = {name: [getattr(item, name) for item in items] for name in ("title", "category", "brand", "currency")}
    return pl.DataFrame(
        {
            "row": range(1, len(items) + 1),
            **texts,
            "text": [item.description for item in items],
            "price": [item.price for item in items],
            "added": [item.added for item in items],
            "in_stock": [item.in_stock for item in items],
            "attributes": [list(item.attributes) for item in items],
            f"{DISPLAY}image": [item.display.get("image") for item in items],
        },
        schema={
            "row": pl.UInt32,
            **dict.fromkeys((*texts, "text"), pl.String),
            **dict.fromkeys(("price", "added"), pl.Float64),
            "in_stock": pl.Boolean,
            "attributes": pl.List(pl.String),
            f"{DISPLAY}image": pl.String,
        },
    )


def items_of(ids: Sequence[str], span: int, selectable: Sequence[int], popularity: Mapping[str, float]) -> Items:
    """The item table of ids `[items + 1]`, of which the selectable rows may be answered."""
    may_be = np.zeros((1, span), dtype=bool)
    may_be[0, list(selectable)] = True
    popular = np.zeros(span, dtype=np.float32)
    popular[: len(ids)] = [popularity.get(item_id, 0.0) for item_id in ids]
    rows = np.flatnonzero(may_be[0])
    hashes = stable_hashes(list(ids[1:]))
    order = np.argsort(hashes)
    return Items(
        ids=IdTable(TextColumn.of(ids), hashes[order], (order + 1).astype(np.int32)),
        vectors=np.zeros((span, 1), dtype=np.int8),
        scales=np.zeros(span, dtype=np.float32),
        popularity=popular,
        selectable=may_be,
        popular_rows=rows[np.argsort(-popular[rows], kind="stable")],
        _hashes=hashes[order],
        _hash_rows=(order + 1).astype(np.int32),
        _own_hashes=np.concatenate([np.zeros(1, dtype=np.uint64), hashes]),
        _row_of_variant={},
    )


@contextmanager
def exported(
    named: Mapping[str, ItemDocument], popularity: Mapping[str, float], known: Collection[str] = KNOWN
) -> Iterator[Selected]:
    """What the job writes of a catalogue, in the order of its documents, as the service reads it."""
    table = table_of(list(named.values()))
    with TemporaryDirectory() as name:
        folder = Path(name)
        kinds = write_catalogue(folder, table)
        write_display(folder, display_of(table))
        write_filters(folder, table, np.full(table.height + 1, np.nan), sorted(known))
        catalogue = read_catalogue(folder, kinds, read_display(folder))
        span = table.height + 1 + FILLER
        items = items_of(["", *named], span, range(1, table.height + 1), popularity)
        filters = read_filters(folder, catalogue, items.selectable[0], items)
        yield Selected(catalogue, filters, items, Orders(filters, items))


Change = tuple[str, ItemDocument | None]


def changed(
    base: Selected, changes: Sequence[Change], cuts: Sequence[int], popularity: Mapping[str, float], *, at_once: bool
) -> Selected:
    """The catalogue after changes, which `cuts` divide into tiers; all but the last of them merged, if `at_once`."""
    ids = list(base.items.all_ids())
    bundle_rows = len(base.items.selectable[0])
    ids += [""] * (bundle_rows - len(ids))
    rows = {item_id: row for row, item_id in enumerate(ids) if item_id}
    alive = set(base.rows().tolist())
    tiers, catalogue = [], base.catalogue
    for start, end in zip([0, *cuts], [*cuts, len(changes)], strict=True):
        newest: dict[int, ItemDocument | None] = {}
        for item_id, document in changes[start:end]:
            if item_id not in rows:
                rows[item_id] = len(ids)
                ids.append(item_id)
            newest[rows[item_id]] = document
        for row, document in newest.items():
            (alive.discard if document is None else alive.add)(row)
        tiers.append(ValueTier.of(list(newest), [ItemValues.of(document) for document in newest.values()]))
        catalogue = catalogue.with_documents(newest)
    if at_once:
        tiers = [merge(tiers[:-1]), *tiers[-1:]]
    items = items_of(ids, len(ids), sorted(alive), popularity)
    superseded = np.zeros(bundle_rows, dtype=bool)
    for tier in tiers:
        superseded[tier.rows[tier.rows < bundle_rows]] = True
    filters = with_tiers(base.filters, tiers, superseded, items.selectable[0], items)
    return Selected(catalogue, filters, items, Orders(filters, items, base.orders))


def outcome(
    selected: Selected, trees: Sequence[Any], subset: Sequence[int], names: Sequence[str], fields: Sequence[str]
) -> dict[str, Any]:
    """All that a catalogue answers, by item and not by row; `subset` are places among its items."""
    rows = selected.rows()
    place_of = np.full(len(selected.items.selectable[0]), -1)
    place_of[rows] = np.arange(len(rows))
    mask = np.zeros(len(place_of), dtype=bool)
    mask[rows[[place for place in subset if place < len(rows)]]] = True
    answers: dict[str, Any] = {"names": set(selected.filters.names)}
    answers["fields"] = [name for name in selected.catalogue.fields if name in fields]
    for number, tree in enumerate(trees):
        try:
            passing = selected.filters.mask(selected.filters.parse(tree))
        except InvalidRequest as error:
            answers[f"filter {number}"] = error.args[1]  # its message lists columns, some of them by their age
        else:
            answers[f"filter {number}"] = place_of[np.flatnonzero(passing)].tolist()
    for name in names:
        column = selected.filters.column(name, "")
        answers[f"{name}: kind"] = (column.kind, column.kinds, column.name, column.path, column.attribute)
        answers[f"{name}: facet"] = facet_of(column, mask)
        answers[f"{name}: pairs"] = column.pairs
        try:
            check_groups(column)
        except InvalidRequest as error:
            answers[f"{name}: groups"] = error.message
        if column.kind != "number":
            order = selected.items.popular_rows
            answers[f"{name}: heads"] = first_of_groups(order, column, 5).tolist()
            grouping = Grouping(column, 3, mask)
            answers[f"{name}: count"] = grouping.count()
            answers[f"{name}: without"] = place_of[np.flatnonzero(grouping.without(order[:1]))].tolist()
    for sort in SORTS:
        try:
            selected.orders.check(sort)
        except InvalidRequest as error:
            answers[sort] = error.message
        else:
            answers[sort] = place_of[selected.orders.rows(sort)].tolist()
            relevant = rows[::-2]
            answers[f"{sort}, relevant"] = place_of[sorted_rows(selected.orders, sort, mask, relevant)].tolist()
    shown = [*fields, *names]
    for place, row in enumerate(rows.tolist()):
        answers[f"item {place}"] = values_of(row, shown, selected.catalogue, selected.filters)
        answers[f"texts {place}"] = list(selected.catalogue.texts_of(row))
    return answers


@st.composite
def stories(draw: st.DrawFn) -> tuple[dict[str, ItemDocument], list[Change], list[int]]:
    """A catalogue, changes to it, and where these are cut into tiers."""
    named = {f"p{number}": draw(documents(live=False)) for number in range(draw(st.integers(0, 6)))}
    now: dict[str, ItemDocument | None] = dict(named)
    changes: list[Change] = []
    for _ in range(draw(st.integers(1, 10))):
        item_id = f"p{draw(st.integers(0, 9))}"
        before = now.get(item_id)
        kind = draw(st.sampled_from(["put", "put", "delete", "patch"]))
        if kind == "delete" and item_id in now:
            now[item_id] = None
        elif kind == "patch" and before is not None:
            now[item_id] = replace(before, price=draw(st.sampled_from([None, 5.0, 10.0])), brand="aCME")
        else:
            now[item_id] = draw(documents(live=True))
        changes.append((item_id, now[item_id]))
    cuts = sorted(draw(st.lists(st.integers(0, len(changes)), max_size=3)))
    return {"anchor": ANCHOR} | named, changes, cuts


@settings(max_examples=15)
@given(
    story=stories(),
    trees=st.lists(TREES, min_size=4, max_size=8),
    subset=st.sets(st.integers(0, 16)),
    popularity=st.lists(st.sampled_from([0.0, 1.0, 2.0]), min_size=10, max_size=10),
)
def test_a_changed_catalogue_selects_as_a_bundle_of_it_does(
    story: tuple[dict[str, ItemDocument], list[Change], list[int]],
    trees: list[Any],
    subset: set[int],
    popularity: list[float],
) -> None:
    named, changes, cuts = story
    popular = {f"p{number}": value for number, value in enumerate(popularity)}
    final: dict[str, ItemDocument | None] = named | dict(changes)  # an item keeps its place
    remaining = {item_id: document for item_id, document in final.items() if document is not None}
    with exported(named, popular) as base:
        of_base = trees, sorted(subset), base.filters.names, base.catalogue.fields
        before = outcome(base, *of_base)
        known = {*KNOWN, *base.filters.stored}  # a column of the bundle stays, though it loses its values
        with exported(remaining, popular, known) as whole:
            of_whole = trees, sorted(subset), whole.filters.names, whole.catalogue.fields
            expected = outcome(whole, *of_whole)
            for at_once in (False, True):
                view = changed(base, changes, cuts, popular, at_once=at_once)
                found = outcome(view, *of_whole)
                differences = {
                    name: (value, expected[name]) for name, value in found.items() if value != expected[name]
                }
                assert not differences, differences
        unchanged = [(item_id, document_of(row, base.catalogue, base.filters)) for row, item_id in enumerate(named, 1)]
        view = changed(base, unchanged, [], popular, at_once=False)
        assert outcome(view, *of_base) == before
        assert outcome(base, *of_base) == before  # a view changes nothing in it


@given(named=st.lists(documents(live=False), min_size=1, max_size=20))
@settings(max_examples=20)
def test_an_item_of_a_bundle_is_the_document_that_it_was_made_of(named: list[ItemDocument]) -> None:
    with exported({f"p{number}": document for number, document in enumerate(named)}, {}) as base:
        for row, document in enumerate(named, start=1):
            found = document_of(row, base.catalogue, base.filters)
            assert replace(found, category=None) == replace(document, category=None)
            first, *_ = (document.category or "").split(PATHS)
            assert (found.category or "").split(PATHS)[0] == first
            assert folded_levels(found) == folded_levels(document)


def folded_levels(document: ItemDocument) -> set[str]:
    return {level.casefold() for level in levels_of(document.category or "")}


def test_nothing_changed_is_the_bundle_itself() -> None:
    with exported({"anchor": ANCHOR}, {}) as base:
        nothing = np.zeros(len(base.filters.selectable), dtype=bool)
        assert with_tiers(base.filters, [], nothing, base.filters.selectable, base.items) is base.filters


def test_masks_of_a_bundle_outlive_changes() -> None:
    """A change costs a filter what the live documents take, and no second look at the bundle's columns."""
    with exported({"anchor": ANCHOR, "p0": replace(ANCHOR, brand="Acme")}, {}) as base:
        condition = base.filters.parse({"field": "brand", "eq": "acme"})
        rows = []
        for price in (1.0, 2.0):
            view = changed(base, [("p1", replace(ANCHOR, brand="ACME", price=price))], [], {}, at_once=False)
            assert base.filters.has_mask(condition) is (price > 1)
            rows.append(np.flatnonzero(view.filters.mask(condition)).tolist())
        assert rows[0] == rows[1] == [2, 3 + FILLER]


def test_an_older_view_does_not_see_newer_documents() -> None:
    with exported({"anchor": ANCHOR}, {}) as base:
        first = base.catalogue.with_documents({1: replace(ANCHOR, title="First", brand="Acme")})
        second = first.with_documents({1: replace(ANCHOR, title="Second")})
        titles = [each.values_of(1, ["title"])["title"] for each in (base.catalogue, first, second)]
        assert titles == ["Anchor", "First", "Second"]
        assert [catalogue.has("brand") for catalogue in (base.catalogue, first, second)] == [False, True, False]
        assert second.with_documents({1: None}).values_of(1, ["title"]) == {"title": "Anchor"}


def test_an_id_means_the_item_that_has_it_now() -> None:
    """An id of a variant is its item's until an item of its own is put by that id."""
    with exported({"anchor": ANCHOR, "p0": ANCHOR}, {}) as plain:
        items = replace(plain.items, _row_of_variant={"v": 2})
        filters = FilterIndex(plain.filters.stored.values(), plain.filters.selectable, item_ids=ItemIds(items, 5))
        base = replace(plain, filters=filters, items=items)
        trees = [{"field": "item_id", "eq": "v"}, {"not": {"field": "item_id", "in": ["v", "anchor"]}}]
        assert [np.flatnonzero(filters.mask(filters.parse(tree))).tolist() for tree in trees] == [[2], []]
        view = changed(base, [("v", ANCHOR)], [], {}, at_once=False).filters
        assert [np.flatnonzero(view.mask(view.parse(tree))).tolist() for tree in trees] == [[5], [2]]


def test_a_tier_has_the_columns_at_once_that_requests_used_of_those_before() -> None:
    before = ValueTier.of([1], [ItemValues.of(replace(ANCHOR, brand="Acme", price=1.0))])
    before.column("brand", "text")
    assert merge([before]).has_made("brand", "text")
    assert not merge([before]).has_made("price", "number")


def test_facets_that_were_asked_of_the_view_before_are_prepared_and_say_what_others_say() -> None:
    with exported({"anchor": ANCHOR}, {}) as base:
        story = [("p0", replace(ANCHOR, brand="Zeta", price=2.0)), ("p1", replace(ANCHOR, brand="ACME", in_stock=True))]
        first, plain, ready = (
            changed(base, story[:end], [], {}, at_once=False).filters for end in (1, len(story), len(story))
        )
        assert isinstance(first, FilterView)
        assert isinstance(ready, FilterView)
        every = [np.ones(len(filters.selectable), dtype=bool) for filters in (first, plain)]
        for path in ("brand", "price"):
            assert facet_of(first.column(path, "facets"), every[0])
        pauses: list[None] = []
        ready.prepare(first, lambda: pauses.append(None))
        assert len(pauses) == 2
        for path in ("brand", "price", "in_stock"):
            assert facet_of(ready.column(path, "facets"), every[1]) == facet_of(plain.column(path, "facets"), every[1])


def test_a_filter_of_a_column_that_came_and_went_finds_nothing() -> None:
    """A request is read by one view and answered by another, perhaps after the last value is gone."""
    with exported({"anchor": ANCHOR}, {}) as base:
        put = [("p0", replace(ANCHOR, brand="Acme", attributes=("fresh=new",)))]
        first = changed(base, put, [], {}, at_once=False).filters
        condition = first.parse({"any": [{"field": "brand", "eq": "Acme"}, {"field": "fresh", "eq": "new"}]})
        assert first.mask(condition).sum() == 1
        then = changed(base, [*put, ("p0", None)], [1], {}, at_once=False).filters
        assert not then.has("fresh")
        assert then.mask(condition).sum() == 0
